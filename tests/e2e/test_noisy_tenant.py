"""One tenant's waiting callers and agents do not keep another from being served; `make bench` has the times."""

from tests.e2e.noisy_tenant import REQUESTS, run_load
from tests.host.local_host import LocalHost


def test_a_tenant_that_waits_and_runs_agents_stops_nobody(host: LocalHost) -> None:
    load = run_load(host)
    assert load.quiet == {200: 2 * REQUESTS}
    assert set(load.noisy) <= {200, 202, 429}, load.noisy
