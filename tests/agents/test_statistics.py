"""Statistics of an agent's finished executions, through the route and compared with exact percentiles."""

import math
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.execution_helpers import Starter, execute, script_replies
from tests.factories import RegisteredUser
from weconnect import clock
from weconnect.agents import statistics
from weconnect.agents.engine import model_requests
from weconnect.agents.rows import BUCKETS, AgentExecutionRow
from weconnect.db import table
from weconnect.errors import Unavailable
from weconnect.executions.followups import complete_execution
from weconnect.executions.results import Completion
from weconnect.models.messages import ModelReply

DAY = 86_400_000


def count_by_bucket(times: list[int]) -> Counter[int]:
    return Counter(BUCKETS.index(statistics.bucket_name(time)) for time in times)


@given(st.lists(st.integers(0, DAY), min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_within_five_percent_of_the_exact_one(times: list[int], percent: int) -> None:
    exact = sorted(times)[math.ceil(len(times) * percent / 100) - 1]
    value = statistics.percentile(count_by_bucket(times), percent)
    assert value is not None and abs(value - exact) <= 0.05 * exact


@pytest.mark.parametrize("exponent", range(1, 195))
def test_percentiles_at_the_bounds_of_a_bucket_are_within_five_percent(exponent: int) -> None:
    for time in (math.floor(1.1**exponent), math.ceil(1.1**exponent)):
        value = statistics.percentile(count_by_bucket([time]), 50)
        assert value is not None and abs(value - time) <= 0.05 * time


def test_a_week_is_counted_in_the_last_bucket() -> None:
    assert statistics.bucket_name(7 * DAY) == BUCKETS[-1] and statistics.percentile(Counter(), 50) is None


def test_an_agent_without_executions_has_no_percentiles(me: RegisteredUser, path: str) -> None:
    stats = me.client.get(f"{path}/stats").json
    assert stats["executionTime"] == {"p50": None, "p95": None, "p99": None} and stats["models"] == []


def execute_for(
    me: RegisteredUser, starter: Starter, path: str, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> Any:
    """Start an execution that takes `seconds` by the clock; return it."""
    now = clock.now()

    def take_time(*_: Any) -> ModelReply:
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=seconds))
        return ModelReply(text="done", input_tokens=10, output_tokens=5, cost_micros=7)

    monkeypatch.setattr(model_requests, "send_request", take_time)
    monkeypatch.setattr(clock, "now", lambda: now)
    started = me.client.post(f"{path}/executions", {"input": "x"})
    starter.run_pending()
    return me.client.get(started.headers["Location"]).json


def test_statistics_show_execution_times_and_models(
    me: RegisteredUser, path: str, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds in (1, 2, 3):
        execute_for(me, starter, path, monkeypatch, seconds)
    me.client.patch(path, {"provider": "openai", "model": "gpt-4.1"})
    before = me.client.get(path).headers["ETag"]
    assert execute_for(me, starter, path, monkeypatch, 60)["executionTime"] == 60_000
    assert me.client.get(path).headers["ETag"] == before
    stats = me.client.get(f"{path}/stats").json
    times = stats["executionTime"]
    for value, exact in ((times["p50"], 2_000), (times["p95"], 60_000), (times["p99"], 60_000)):
        assert value == pytest.approx(exact, rel=0.05)
    assert (stats["runs"]["completed"], stats["averageResponseTime"], stats["successRate"]) == (
        4,
        16_500,
        100,
    )
    assert (stats["inputTokens"], stats["outputTokens"], stats["costUsd"]) == (40, 20, 28e-6)
    parts = {item["model"]: (item["runs"], item["inputTokens"], item["costUsd"]) for item in stats["models"]}
    assert parts == {"embedded": (3, 30, 21e-6), "gpt-4.1": (1, 10, 7e-6)}


def test_an_execution_that_finishes_twice_is_counted_once(
    me: RegisteredUser, path: str, starter: Starter
) -> None:
    location = me.client.post(f"{path}/executions", {"input": "x"}).headers["Location"]
    starter.run_pending()
    agent, execution_id = (UUID(location.split("/")[number]) for number in (3, 5))
    row = table.get(AgentExecutionRow, AgentExecutionRow.at(UUID(me.organization["id"]), agent, execution_id))
    assert row and complete_execution(row, Completion.failed("late", "Too late")) is False
    stats = me.client.get(f"{path}/stats").json
    assert sum(stats["runs"].values()) == 1 and [item["runs"] for item in stats["models"]] == [1]


def test_statistics_survive_the_trash(me: RegisteredUser, path: str, starter: Starter) -> None:
    me.client.post(f"{path}/executions", {"input": "x"})
    starter.run_pending()
    before = me.client.get(f"{path}/stats").json
    me.client.post(f"{path}/executions", {"input": "x"})
    me.client.delete(path)
    starter.run_pending()
    me.client.post(f"{path}/restore")
    assert me.client.get(f"{path}/stats").json == before, (
        "an execution that finished in the trash is not counted"
    )


def test_reading_the_statistics_counts_what_is_not_counted_yet(
    me: RegisteredUser, starter: Starter, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(statistics, "count_noted", lambda *_: None)
        execute(me, starter, path, "go")
    assert me.client.get(path).json["totalExecutions"] == 0
    stats = me.client.get(f"{path}/stats").json
    assert sum(stats["runs"].values()) == 1 and [item["runs"] for item in stats["models"]] == [1]
    assert me.client.get(path).json["totalExecutions"] == 1


def test_an_end_that_the_table_does_not_take_at_once_is_not_lost(
    me: RegisteredUser, starter: Starter, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when its write gets no response, nor when its numbers cannot be counted: the next end counts both."""
    script_replies(monkeypatch, ModelReply(text="one"), ModelReply(text="two"))
    send, lost = table.Transaction._send, ["end", "count"]

    def send_without_response(writes: table.Transaction, requests: Any) -> None:
        is_count = len(requests) > 2
        if lost and lost[0] == ("count" if is_count else "end"):
            lost.pop(0)
            raise Unavailable() if lost else RuntimeError("no table")
        send(writes, requests)

    monkeypatch.setattr(table.Transaction, "_send", send_without_response)
    assert execute(me, starter, path, "go")["output"] == "one"
    assert lost == [] and me.client.get(path).json["totalExecutions"] == 0
    assert execute(me, starter, path, "go")["output"] == "two"
    assert me.client.get(path).json["totalExecutions"] == 2
