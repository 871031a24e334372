"""One tenant's waiting callers and agents do not keep another from being served; `make bench` has the times."""

from tests.e2e.noisy_tenant import REQUESTS, run_load
from tests.host.local_host import LocalHost
from tests.soak import SOAK


def test_a_tenant_that_waits_and_runs_agents_stops_nobody(host: LocalHost) -> None:
    load = run_load(host) if SOAK else run_load(host, callers=30, agents=25)
    assert load.quiet == {200: 2 * REQUESTS}
    assert set(load.noisy) <= {200, 202, 429}, load.noisy
