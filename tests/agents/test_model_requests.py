"""Model requests of a run: tried again, held by budgets, answered in a schema."""

from uuid import UUID

import pytest

from tests.agents.runs import Starter, agent, run, script
from tests.factories import Registered, registered
from tests.recorded import Recorded
from weconnect.agents.engine import budgets, model_requests
from weconnect.agents.engine.budgets import Amount
from weconnect.agents.models import ProviderError, pricing
from weconnect.agents.models.messages import ModelReply, ToolCall

ORGANIZATION = UUID(int=1)
RUNS = [UUID(int=number) for number in range(2, 12)]


@pytest.fixture(autouse=True)
def least_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_requests.random, "uniform", lambda low, high: low)


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


# Tried again


def test_a_rate_limit_is_waited_for(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = ProviderError("rate_limited", "slow down", retry_after=7)
    script(monkeypatch, limited, ProviderError("unavailable", "overloaded"), ModelReply(text="hello"))
    path, steps = agent(me), Recorded()
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    starter.run_pending(steps)
    done = me.client.get(started.headers["Location"]).json
    assert (done["status"], done["output"], steps.waited) == ("completed", "hello", [7, 2])
    assert [step.get("error") for step in done["steps"]] == ["slow down", "overloaded", None]
    assert [step["number"] for step in done["steps"]] == [1, 2, 3]


def test_there_is_a_last_attempt(me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = script(monkeypatch, *[ProviderError("unavailable", "overloaded")] * 9)
    done = run(me, starter, agent(me), "hello")
    assert (done["status"], done["errorCode"], len(seen)) == ("failed", "provider_unavailable", 4)


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("rate_limited", "come back tomorrow", retry_after=86_400),
        ProviderError("rate_limited", "no money left", retryable=False),
        ProviderError("context_too_long", "too long"),
    ],
    ids=["asks for more time than there is", "waiting does not help", "not passing"],
)
def test_what_does_not_pass_is_not_waited_for(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, error: ProviderError
) -> None:
    seen = script(monkeypatch, error)
    done = run(me, starter, agent(me), "hello")
    assert (done["errorCode"], len(seen)) == (f"provider_{error.code}", 1)


def test_what_a_failed_attempt_cost_is_paid(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    billed = ModelReply(input_tokens=100, output_tokens=1, cost_micros=70)
    script(
        monkeypatch,
        ProviderError("unavailable", "cut short", billed=billed),
        ModelReply(text="x", cost_micros=30),
    )
    done = run(me, starter, agent(me), "hello")
    assert (done["cost"], done["inputTokens"]) == (0.0001, 100)


# Answers in a schema

COLOUR = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


@pytest.mark.parametrize("text", ['{"colour": "teal"}', '```json\n{"colour": "teal"}\n```'])
def test_an_answer_in_a_schema(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    seen = script(monkeypatch, ModelReply(text=text))
    path = agent(me, outputSchema=COLOUR)
    done = run(me, starter, path, "which colour?")
    assert (done["status"], done["structuredOutput"]) == ("completed", {"colour": "teal"})
    assert seen[0].output_schema == COLOUR
    (listed,) = me.client.get(f"{path}/executions").json["items"]
    assert listed.get("structuredOutput") is None, "as long as the answer: read one run for it"


def test_a_model_is_told_what_does_not_fit(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(
        monkeypatch,
        ModelReply(text="teal"),
        ModelReply(text='{"colour": 3}'),
        ModelReply(text='{"colour": "x"}'),
    )
    done = run(me, starter, agent(me, outputSchema=COLOUR), "which colour?")
    assert done["structuredOutput"] == {"colour": "x"}
    assert "not JSON" in seen[1].messages[-1].content and "/colour" in seen[2].messages[-1].content


def test_an_answer_that_never_fits_fails(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, *[ModelReply(text="teal")] * 5)
    done = run(me, starter, agent(me, outputSchema=COLOUR), "which colour?")
    assert (done["status"], done["errorCode"], len(seen)) == ("failed", "output_invalid", 3)
    assert done["output"] == "teal"


# Budgets of a month


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose requests cost 0.001 USD at the most."""
    monkeypatch.setattr(pricing, "bound", lambda request: Amount(tokens=100, micros=1_000))


def spend(micros: int | None) -> ModelReply:
    call = ToolCall(id="1", name="calculator", arguments={"expression": "1+1"})
    return ModelReply(tool_calls=[call], input_tokens=10, output_tokens=5, cost_micros=micros)


@pytest.mark.parametrize("where", ["agent", "organization"])
def test_a_months_budget_is_shared_by_all_runs(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, bounded: None, where: str
) -> None:
    limits = {"maxCostUsdPerMonth": 0.0025}
    path = agent(me, "calculator", **({"limits": limits} if where == "agent" else {}))
    if where == "organization":
        changed = me.client.patch(
            f"/v1/organizations/{me.organization['id']}", {"customSettings": {"agents": limits}}
        )
        assert changed.status == 200, changed.text
    seen = script(monkeypatch, spend(1_000), ModelReply(text="done", cost_micros=1_000), *[spend(1_000)] * 9)
    assert run(me, starter, path, "one")["status"] == "completed"
    second = run(me, starter, path, "two")
    assert (second["errorCode"], len(seen)) == ("budget_exceeded", 3)
    assert f"a month for the {where}" in second["error"]
    assert run(me, starter, path, "three")["errorCode"] == "budget_exceeded" and len(seen) == 3


def test_a_price_that_is_not_known_is_not_paid(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pricing, "bound", lambda request: pricing.Bound(tokens=100, micros=None))
    path = agent(me, limits={"maxCostUsdPerMonth": 1})
    seen = script(monkeypatch, ModelReply(text="x"))
    done = run(me, starter, path, "hello")
    assert (done["errorCode"], len(seen)) == ("budget_exceeded", 0) and "price is not known" in done["error"]


def of(max_micros: int | None = None, max_tokens: int | None = None) -> budgets.Budget:
    usd = None if max_micros is None else max_micros / 1e6
    found = budgets.of_month(ORGANIZATION, None, max_tokens, usd)
    assert found
    return found


def test_reservations_count_until_they_are_settled(aws: None) -> None:
    month, bound = of(max_micros=1_000), Amount(10, 600)
    budgets.reserve([month], RUNS[0], bound)
    budgets.reserve([month], RUNS[1], bound)  # 600 < 1000: the last that is let in
    with pytest.raises(budgets.UsedUp):
        budgets.reserve([month], RUNS[2], bound, patience=0)
    budgets.settle([month], RUNS[0], bound, Amount(5, 100))
    budgets.reserve([month], RUNS[2], bound)
    for run_id in RUNS[1:3]:
        budgets.settle([month], run_id, bound, Amount(5, 500))
    with pytest.raises(budgets.UsedUp):
        budgets.reserve([month], RUNS[3], bound)


def test_a_repeated_reservation_and_a_repeated_settlement_count_once(aws: None) -> None:
    month, bound = of(max_tokens=100), Amount(60, 0)
    for _ in range(3):
        budgets.reserve([month], RUNS[0], bound)
    for _ in range(3):
        budgets.settle([month], RUNS[0], bound, Amount(30, 0))
    budgets.reserve([month], RUNS[1], bound)
    budgets.reserve([month], RUNS[2], bound)
    with pytest.raises(budgets.UsedUp):
        budgets.reserve([month], RUNS[3], bound, patience=0)


def test_who_is_refused_by_the_second_budget_leaves_nothing_in_the_first(aws: None) -> None:
    wide = budgets.of_month(ORGANIZATION, RUNS[9], None, 0.002)
    narrow, bound = of(max_micros=1), Amount(1, 1_000)
    assert wide
    budgets.reserve([narrow], RUNS[0], bound)
    for run_id in RUNS[1:8]:
        with pytest.raises(budgets.UsedUp):
            budgets.reserve([wide, narrow], run_id, bound, patience=0)
    budgets.reserve([wide], RUNS[8], bound, patience=0)


def test_a_request_waits_for_reservations_that_may_come_back(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    month, bound = of(max_micros=1_000), Amount(1, 1_000)
    budgets.reserve([month], RUNS[0], bound)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            budgets.settle([month], RUNS[0], bound, Amount(1, 10))

    monkeypatch.setattr(budgets.time, "sleep", sleep)
    budgets.reserve([month], RUNS[1], bound)
    assert len(slept) == 3


def test_a_run_comes_back_when_all_is_reserved(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, bounded: None
) -> None:
    path = agent(me, provider="openai", model="gpt-4o-mini", limits={"maxCostUsdPerMonth": 0.001})
    month = budgets.of_month(UUID(me.organization["id"]), UUID(path.rpartition("/")[2]), None, 0.001)
    bound = Amount(1, 1_000)
    assert month
    budgets.reserve([month], RUNS[0], bound)
    monkeypatch.setattr(budgets, "PATIENCE_SECONDS", 0)
    seen, steps = script(monkeypatch, ModelReply(text="hello", cost_micros=1)), Recorded()
    wait = steps.wait

    def settled(name: str, seconds: int) -> None:
        budgets.settle([month], RUNS[0], bound, Amount(1, 1))
        wait(name, seconds)

    monkeypatch.setattr(steps, "wait", settled)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    starter.run_pending(steps)
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert steps.waited == [10] and seen[0].settings.max_tokens == 16_384


def test_a_timeout_may_have_been_paid_for(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, bounded: None
) -> None:
    path = agent(me, limits={"maxCostUsdPerMonth": 0.0015})
    seen = script(monkeypatch, *[ProviderError("timeout", "slow", retryable=False)] * 3)
    codes = [run(me, starter, path, "hello")["errorCode"] for _ in range(3)]
    assert codes == ["provider_timeout", "provider_timeout", "budget_exceeded"] and len(seen) == 2
