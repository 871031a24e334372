"""The numbers of an agent's finished runs, through the route and against exact percentiles."""

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.runs import Starter
from tests.factories import Registered, registered
from weconnect import clock
from weconnect.agents import statistics
from weconnect.agents.engine import executions, model_requests
from weconnect.agents.models.messages import ModelReply
from weconnect.agents.rows import BUCKETS

DAY = 86_400_000


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


@pytest.fixture
def path(me: Registered) -> str:
    return me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]


def counted(times: list[int]) -> Counter[int]:
    return Counter(BUCKETS.index(statistics.bucket(time)) for time in times)


@given(st.lists(st.integers(0, DAY), min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_within_five_percent(times: list[int], percent: int) -> None:
    exact = sorted(times)[math.ceil(len(times) * percent / 100) - 1]
    found = statistics.percentile(counted(times), percent)
    assert found is not None and abs(found - exact) <= 0.05 * exact


@pytest.mark.parametrize("exponent", range(1, 195))
def test_the_bounds_of_the_buckets_are_within_it_too(exponent: int) -> None:
    for time in (math.floor(1.1**exponent), math.ceil(1.1**exponent)):
        found = statistics.percentile(counted([time]), 50)
        assert found is not None and abs(found - time) <= 0.05 * time


def test_a_week_is_in_the_last_bucket() -> None:
    assert statistics.bucket(7 * DAY) == BUCKETS[-1] and statistics.percentile(Counter(), 50) is None


def test_no_run_has_no_percentile(me: Registered, path: str) -> None:
    stats = me.client.get(f"{path}/stats").json
    assert stats["executionTime"] == {"p50": None, "p95": None, "p99": None} and stats["models"] == []


def run(me: Registered, starter: Starter, path: str, monkeypatch: pytest.MonkeyPatch, seconds: float) -> Any:
    """A run that takes so long by the clock."""
    now = clock.now()

    def complete(*_: Any) -> ModelReply:
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=seconds))
        return ModelReply(text="done", input_tokens=10, output_tokens=5, cost_micros=7)

    monkeypatch.setattr(model_requests, "complete", complete)
    monkeypatch.setattr(clock, "now", lambda: now)
    started = me.client.post(f"{path}/executions", {"input": "x"})
    starter.run_pending()
    return me.client.get(started.headers["Location"]).json


def test_times_and_models(me: Registered, path: str, starter: Starter, monkeypatch: Any) -> None:
    for seconds in (1, 2, 3):
        run(me, starter, path, monkeypatch, seconds)
    me.client.patch(path, {"provider": "openai", "model": "gpt-4.1"})
    before = me.client.get(path).headers["ETag"]
    assert run(me, starter, path, monkeypatch, 60)["executionTime"] == 60_000
    assert me.client.get(path).headers["ETag"] == before
    stats = me.client.get(f"{path}/stats").json
    times = stats["executionTime"]
    for found, exact in ((times["p50"], 2_000), (times["p95"], 60_000), (times["p99"], 60_000)):
        assert found == pytest.approx(exact, rel=0.05)
    assert (stats["runs"]["completed"], stats["averageResponseTime"], stats["successRate"]) == (
        4,
        16_500,
        100,
    )
    assert (stats["inputTokens"], stats["outputTokens"], stats["costUsd"]) == (40, 20, 28e-6)
    parts = {item["model"]: (item["runs"], item["inputTokens"], item["costUsd"]) for item in stats["models"]}
    assert parts == {"embedded": (3, 30, 21e-6), "gpt-4.1": (1, 10, 7e-6)}


def test_a_run_that_ends_twice_is_counted_once(me: Registered, path: str, starter: Starter) -> None:
    place = me.client.post(f"{path}/executions", {"input": "x"}).headers["Location"]
    starter.run_pending()
    from uuid import UUID

    from weconnect.agents.entities import ExecutionStatus
    from weconnect.agents.rows import ExecutionRow
    from weconnect.db import table

    agent, run_id = (UUID(place.split("/")[number]) for number in (3, 5))
    row = table.get(ExecutionRow, ExecutionRow.at(UUID(me.organization["id"]), agent, run_id))
    assert row and executions.finish(row, ExecutionStatus.FAILED) is False
    stats = me.client.get(f"{path}/stats").json
    assert sum(stats["runs"].values()) == 1 and [item["runs"] for item in stats["models"]] == [1]


def test_the_numbers_outlive_the_trash(me: Registered, path: str, starter: Starter) -> None:
    me.client.post(f"{path}/executions", {"input": "x"})
    starter.run_pending()
    before = me.client.get(f"{path}/stats").json
    me.client.post(f"{path}/executions", {"input": "x"})
    me.client.delete(path)
    starter.run_pending()
    me.client.post(f"{path}/restore")
    assert me.client.get(f"{path}/stats").json == before, "what ended in the trash is not counted"
