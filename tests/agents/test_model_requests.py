"""Model requests of an execution: retries, monthly budgets and structured output."""

import random
import time
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from weconnect.agents.engine import monthly_budgets
from weconnect.agents.engine.monthly_budgets import RequestCost
from weconnect.models import ProviderError, pricing
from weconnect.models.messages import ModelReply, ToolCall

ORGANIZATION = UUID(int=1)
EXECUTION_IDS = [UUID(int=number) for number in range(2, 12)]


@pytest.fixture(autouse=True)
def shortest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: low)


# Retries


def test_a_rate_limited_request_is_retried_after_the_providers_wait(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = ProviderError("rate_limited", "slow down", retry_after=7)
    script_replies(monkeypatch, limited, ProviderError("unavailable", "overloaded"), ModelReply(text="hello"))
    path, steps = create_agent(me), InMemorySteps()
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    starter.run_pending(steps)
    done = me.client.get(started.headers["Location"]).json
    assert (done["status"], done["output"], steps.waits) == ("completed", "hello", [7, 2])
    assert [step.get("error") for step in done["steps"]] == ["slow down", "overloaded", None]
    assert [step["number"] for step in done["steps"]] == [1, 2, 3]


def test_the_number_of_attempts_is_limited(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script_replies(monkeypatch, *[ProviderError("unavailable", "overloaded")] * 9)
    done = execute(me, starter, create_agent(me), "hello")
    assert (done["status"], done["errorCode"], len(seen)) == ("failed", "provider_unavailable", 4)


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("rate_limited", "come back tomorrow", retry_after=86_400),
        ProviderError("rate_limited", "no money left", retryable=False),
        ProviderError("context_too_long", "too long"),
    ],
    ids=["wait exceeds the limit", "not retryable", "permanent error"],
)
def test_an_error_that_waiting_does_not_help_is_not_retried(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, error: ProviderError
) -> None:
    seen = script_replies(monkeypatch, error)
    done = execute(me, starter, create_agent(me), "hello")
    assert (done["errorCode"], len(seen)) == (f"provider_{error.code}", 1)


def test_a_failed_attempts_cost_is_counted(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    billed = ModelReply(input_tokens=100, output_tokens=1, cost_micros=70)
    script_replies(
        monkeypatch,
        ProviderError("unavailable", "cut short", billed=billed),
        ModelReply(text="x", cost_micros=30),
    )
    done = execute(me, starter, create_agent(me), "hello")
    assert (done["cost"], done["inputTokens"]) == (0.0001, 100)


# Structured output

COLOUR = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


@pytest.mark.parametrize("text", ['{"colour": "teal"}', '```json\n{"colour": "teal"}\n```'])
def test_an_answer_that_matches_the_schema_is_returned_as_an_object(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    seen = script_replies(monkeypatch, ModelReply(text=text))
    path = create_agent(me, outputSchema=COLOUR)
    done = execute(me, starter, path, "which colour?")
    assert (done["status"], done["structuredOutput"]) == ("completed", {"colour": "teal"})
    assert seen[0].output_schema == COLOUR
    (listed,) = me.client.get(f"{path}/executions").json["items"]
    assert listed.get("structuredOutput") is None, (
        "it can be as long as the answer; only a single execution has it"
    )


def test_the_model_sees_how_its_answer_violates_the_schema(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script_replies(
        monkeypatch,
        ModelReply(text="teal"),
        ModelReply(text='{"colour": 3}'),
        ModelReply(text='{"colour": "x"}'),
    )
    done = execute(me, starter, create_agent(me, outputSchema=COLOUR), "which colour?")
    assert done["structuredOutput"] == {"colour": "x"}
    assert "not JSON" in seen[1].messages[-1].content and "/colour" in seen[2].messages[-1].content


def test_an_execution_fails_when_no_answer_matches_the_schema(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script_replies(monkeypatch, *[ModelReply(text="teal")] * 5)
    done = execute(me, starter, create_agent(me, outputSchema=COLOUR), "which colour?")
    assert (done["status"], done["errorCode"], len(seen)) == ("failed", "output_invalid", 3)
    assert done["output"] == "teal"


# Monthly budgets


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is bounded by 100 tokens and 0.001 USD."""
    monkeypatch.setattr(
        pricing, "compute_bound", lambda request: pricing.CostBound(tokens=100, cost_micros=1_000)
    )


def call_for(micros: int | None) -> ModelReply:
    """Return a reply that calls a tool and costs USD * 10^6 `micros`."""
    call = ToolCall(id="1", name="calculator", arguments={"expression": "1+1"})
    return ModelReply(tool_calls=[call], input_tokens=10, output_tokens=5, cost_micros=micros)


@pytest.mark.parametrize("where", ["agent", "organization"])
def test_a_monthly_budget_is_shared_by_all_executions(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, bounded: None, where: str
) -> None:
    limits = {"maxCostUsdPerMonth": 0.0025}
    path = create_agent(me, "calculator", **({"limits": limits} if where == "agent" else {}))
    if where == "organization":
        changed = me.client.patch(
            f"/v1/organizations/{me.organization['id']}", {"customSettings": {"agents": limits}}
        )
        assert changed.status == 200, changed.text
    seen = script_replies(
        monkeypatch, call_for(1_000), ModelReply(text="done", cost_micros=1_000), *[call_for(1_000)] * 9
    )
    assert execute(me, starter, path, "one")["status"] == "completed"
    second = execute(me, starter, path, "two")
    assert (second["errorCode"], len(seen)) == ("budget_exceeded", 3)
    assert f"a month for the {where}" in second["error"]
    assert execute(me, starter, path, "three")["errorCode"] == "budget_exceeded" and len(seen) == 3


def test_a_request_with_an_unknown_price_is_not_sent_under_a_budget(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pricing, "compute_bound", lambda request: pricing.CostBound(tokens=100, cost_micros=None)
    )
    path = create_agent(me, limits={"maxCostUsdPerMonth": 1})
    seen = script_replies(monkeypatch, ModelReply(text="x"))
    done = execute(me, starter, path, "hello")
    assert (done["errorCode"], len(seen)) == ("budget_exceeded", 0) and "price is unknown" in done["error"]


def budget_of(max_micros: int | None = None, max_tokens: int | None = None) -> monthly_budgets.MonthlyBudget:
    usd = None if max_micros is None else max_micros / 1e6
    budget = monthly_budgets.monthly_budget(ORGANIZATION, None, max_tokens, usd)
    assert budget
    return budget


def test_reservations_count_until_they_are_settled(aws: None) -> None:
    month, bound = budget_of(max_micros=1_000), RequestCost(10, 600)
    monthly_budgets.reserve([month], EXECUTION_IDS[0], bound)
    monthly_budgets.reserve([month], EXECUTION_IDS[1], bound)  # 600 < 1000: the last one that is accepted
    with pytest.raises(monthly_budgets.BudgetExceeded):
        monthly_budgets.reserve([month], EXECUTION_IDS[2], bound, patience_seconds=0)
    monthly_budgets.settle([month], EXECUTION_IDS[0], bound, RequestCost(5, 100))
    monthly_budgets.reserve([month], EXECUTION_IDS[2], bound)
    for execution_id in EXECUTION_IDS[1:3]:
        monthly_budgets.settle([month], execution_id, bound, RequestCost(5, 500))
    with pytest.raises(monthly_budgets.BudgetExceeded):
        monthly_budgets.reserve([month], EXECUTION_IDS[3], bound)


def test_a_repeated_reservation_and_a_repeated_settlement_count_once(aws: None) -> None:
    month, bound = budget_of(max_tokens=100), RequestCost(60, 0)
    for _ in range(3):
        monthly_budgets.reserve([month], EXECUTION_IDS[0], bound)
    for _ in range(3):
        monthly_budgets.settle([month], EXECUTION_IDS[0], bound, RequestCost(30, 0))
    monthly_budgets.reserve([month], EXECUTION_IDS[1], bound)
    monthly_budgets.reserve([month], EXECUTION_IDS[2], bound)
    with pytest.raises(monthly_budgets.BudgetExceeded):
        monthly_budgets.reserve([month], EXECUTION_IDS[3], bound, patience_seconds=0)


def test_a_rejection_by_the_second_budget_leaves_no_reservation_in_the_first(aws: None) -> None:
    wide = monthly_budgets.monthly_budget(ORGANIZATION, EXECUTION_IDS[9], None, 0.002)
    narrow, bound = budget_of(max_micros=1), RequestCost(1, 1_000)
    assert wide
    monthly_budgets.reserve([narrow], EXECUTION_IDS[0], bound)
    for execution_id in EXECUTION_IDS[1:8]:
        with pytest.raises(monthly_budgets.BudgetExceeded):
            monthly_budgets.reserve([wide, narrow], execution_id, bound, patience_seconds=0)
    monthly_budgets.reserve([wide], EXECUTION_IDS[8], bound, patience_seconds=0)


def test_a_request_waits_for_reservations_that_may_be_released(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    month, bound = budget_of(max_micros=1_000), RequestCost(1, 1_000)
    monthly_budgets.reserve([month], EXECUTION_IDS[0], bound)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            monthly_budgets.settle([month], EXECUTION_IDS[0], bound, RequestCost(1, 10))

    monkeypatch.setattr(time, "sleep", sleep)
    monthly_budgets.reserve([month], EXECUTION_IDS[1], bound)
    assert len(pauses) == 3


def test_an_execution_is_suspended_while_the_budget_is_reserved(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, bounded: None
) -> None:
    path = create_agent(me, provider="openai", model="gpt-4o-mini", limits={"maxCostUsdPerMonth": 0.001})
    month = monthly_budgets.monthly_budget(
        UUID(me.organization["id"]), UUID(path.rpartition("/")[2]), None, 0.001
    )
    bound = RequestCost(1, 1_000)
    assert month
    monthly_budgets.reserve([month], EXECUTION_IDS[0], bound)
    monkeypatch.setattr(monthly_budgets, "PATIENCE_SECONDS", 0)
    seen, steps = script_replies(monkeypatch, ModelReply(text="hello", cost_micros=1)), InMemorySteps()
    wait = steps.wait

    def settle_and_wait(name: str, seconds: int) -> None:
        monthly_budgets.settle([month], EXECUTION_IDS[0], bound, RequestCost(1, 1))
        wait(name, seconds)

    monkeypatch.setattr(steps, "wait", settle_and_wait)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    starter.run_pending(steps)
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert steps.waits == [10] and seen[0].settings.max_tokens == 16_384


def test_a_timed_out_request_counts_with_its_bound(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, bounded: None
) -> None:
    path = create_agent(me, limits={"maxCostUsdPerMonth": 0.0015})
    seen = script_replies(monkeypatch, *[ProviderError("timeout", "slow", retryable=False)] * 3)
    codes = [execute(me, starter, path, "hello")["errorCode"] for _ in range(3)]
    assert codes == ["provider_timeout", "provider_timeout", "budget_exceeded"] and len(seen) == 2
