"""A month's budget under runs that ask at once: on the emulator, with a provider that bills."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.agents.fake_model_servers import Call, FakeModels, Say
from tests.agents.runs import Recorded
from tests.factories import Registered, registered
from tests.integration.racing import caller_of, together
from weconnect.agents.engine import executions
from weconnect.agents.engine.loop import run_agent
from weconnect.agents.engine.run_context import Run
from weconnect.agents.entities import NewExecution
from weconnect.agents.models import deployment_keys, pydantic_ai_adapter
from weconnect.settings import settings

RUNS = 10
CENTS = 1
REQUEST = 750  # micro-dollars: 1,000 tokens in at 0.15 and 1,000 out at 0.60 USD a million


GREEDY = Say(calls=[Call("calculator", {"expression": "1+1"})], input_tokens=1_000, output_tokens=1_000)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    """A model that never stops asking for a tool."""
    with FakeModels([GREEDY] * 200) as models:
        before = settings.outbound_allowed_hosts
        object.__setattr__(settings, "outbound_allowed_hosts", frozenset({"127.0.0.1"}))
        monkeypatch.setitem(pydantic_ai_adapter.ADDRESSES, "openai", f"{models.url}/v1")
        monkeypatch.setattr(deployment_keys, "of_deployment", lambda provider: "sk-test")
        yield models
        object.__setattr__(settings, "outbound_allowed_hosts", before)


def test_ten_runs_pass_a_budget_by_no_more_than_one_request(
    aws: None, starter: Any, models: FakeModels
) -> None:
    me: Registered = registered()
    agent = {
        "name": "Greedy",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "configuration": {"maxTokens": 1_000},
        "limits": {"maxSteps": 10, "maxCostUsdPerMonth": CENTS / 100},
    }
    path = me.client.post("/v1/agents", agent).headers["Location"]
    agent_id = UUID(path.rpartition("/")[2])
    assert me.client.post(f"{path}/tools", {"toolName": "calculator"}).status == 201
    caller = caller_of(me)
    started = [executions.start(caller, agent_id, NewExecution(input="go")) for _ in range(RUNS)]

    def carry(number: int) -> Any:
        return run_agent(Recorded(), Run(caller.organization_id, agent_id, started[number].id))

    ended = together(RUNS, carry)
    assert [answer["status"] for answer in ended] == ["failed"] * RUNS
    runs = [me.client.get(f"{path}/executions/{run.id}").json for run in started]
    assert {run["errorCode"] for run in runs} == {"budget_exceeded"}
    paid = len(models.asked) * REQUEST
    budget = CENTS * 10_000
    assert budget <= paid < budget + REQUEST, "used up, and passed by less than one request"
    assert sum(round(run["cost"] * 1e6) for run in runs) == paid, "what the runs say is what was billed"
