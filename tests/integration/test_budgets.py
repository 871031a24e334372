"""A month's budget under concurrent executions, on the emulator, with a provider that bills."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.integration.racing import owner_caller, run_concurrently
from tests.models.fake_model_servers import Call, FakeModels, Say
from weconnect.agents.engine.execution_context import ExecutionContext
from weconnect.agents.engine.loop import run_agent
from weconnect.agents.entities import NewAIAgentExecution
from weconnect.agents.executions.starts import start_for_caller
from weconnect.models import deployment_keys, pydantic_ai_adapter
from weconnect.settings import settings

EXECUTIONS = 10
CENTS = 1
REQUEST = 750  # micro-dollars: 1,000 tokens in at 0.15 and 1,000 out at 0.60 USD a million


GREEDY = Say(calls=[Call("calculator", {"expression": "1+1"})], input_tokens=1_000, output_tokens=1_000)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    """Yield a model server that never stops calling a tool."""
    with FakeModels([GREEDY] * 200) as models:
        before = settings.outbound_allowed_hosts
        object.__setattr__(settings, "outbound_allowed_hosts", frozenset({"127.0.0.1"}))
        monkeypatch.setitem(pydantic_ai_adapter.BASE_URLS, "openai", f"{models.url}/v1")
        monkeypatch.setattr(deployment_keys._secret, "_value", {"openai": "sk-test"})
        yield models
        object.__setattr__(settings, "outbound_allowed_hosts", before)


def test_ten_executions_exceed_a_budget_by_less_than_one_request(
    aws: None, starter: Any, models: FakeModels
) -> None:
    me: RegisteredUser = register()
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
    caller = owner_caller(me)
    new = NewAIAgentExecution(input="go")
    started = [start_for_caller(caller, agent_id, new, 0) for _ in range(EXECUTIONS)]

    def execute(number: int) -> Any:
        return run_agent(
            InMemorySteps(), ExecutionContext(caller.organization_id, agent_id, started[number].id)
        )

    results = run_concurrently(EXECUTIONS, execute)
    assert [result.status for result in results] == ["failed"] * EXECUTIONS
    finished = [me.client.get(f"{path}/executions/{execution.id}").json for execution in started]
    assert {execution["errorCode"] for execution in finished} == {"budget_exceeded"}
    paid = len(models.requests) * REQUEST
    budget = CENTS * 10_000
    assert budget <= paid < budget + REQUEST, "used up, and exceeded by less than one request"
    assert sum(round(execution["cost"] * 1e6) for execution in finished) == paid, (
        "the executions report the costs that were billed"
    )
