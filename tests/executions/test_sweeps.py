"""Sweeps: bounded in time, fair to all, and patient with a Lambda that refuses."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.agents.execution_helpers import Starter, create_agent
from tests.auth.movable_clock import MovableClock
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.executions import followups, sweeper
from weconnect.executions.concurrency import semaphores
from weconnect.executions.concurrency.semaphores import Semaphore
from weconnect.executions.rows import SWEEPER_SHARDS

SEMAPHORES = 60


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """Return a clock that stands still until it is advanced."""
    movable_clock = MovableClock()
    monkeypatch.setattr(clock, "now", movable_clock.now)
    return movable_clock


def start_unanswered(me: RegisteredUser, starter: Starter, name: str = "Flow") -> str:
    """Start an execution whose function is not invoked, because Lambda refuses."""
    path = create_workflow(me, definition([node("a", "noop")], "start > a"), name)
    starter.is_unavailable = True
    execution = start_execution(me, path)
    starter.is_unavailable = False
    return execution.rpartition("/")[2]


def test_lost_executions_are_started_however_many_queues_wait(
    me: RegisteredUser, starter: Starter, time: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each queue takes a second, so one sweep has no time for all; the next ones go on where it stopped."""
    organization_id = UUID(me.organization["id"])
    for number in range(SEMAPHORES):
        semaphores.mark_queued(Semaphore(organization_id, uuid4(), f"{number:03d}"))
        time.advance(milliseconds=1)
    execution = start_unanswered(me, starter)
    monkeypatch.setattr(sweeper, "SWEEPER_SHARDS", execution[-1])
    time.advance(seconds=60)
    served: list[str] = []

    def serve(semaphore: Semaphore) -> int:
        served.append(semaphore.concurrency_key)
        time.advance(seconds=1)
        return 0

    monkeypatch.setattr(followups, "admit_queued", serve)
    sweeper.sweep()
    assert [UUID(each["DurableExecutionName"][32:]) for each in starter.invocations] == [UUID(execution)]
    in_time = len(served)
    assert 0 < in_time <= sweeper.BUDGET_SECONDS < SEMAPHORES
    while len(served) < 2 * SEMAPHORES:
        sweeper.sweep("queues")
    assert served[: 2 * SEMAPHORES] == [f"{number:03d}" for number in range(SEMAPHORES)] * 2


def test_successive_sweeps_begin_with_other_shards(
    aws: None, starter: Starter, time: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []

    def sweep_shard(row_class: Any, state: str, shard: str, *_: Any) -> int:
        swept.append(shard)
        return 0

    monkeypatch.setattr(sweeper, "_sweep_shard", sweep_shard)
    first = []
    for _ in SWEEPER_SHARDS:
        swept.clear()
        sweeper.sweep("executions")
        first.append(swept[0])
        assert set(swept) == set(SWEEPER_SHARDS)
        time.advance(seconds=60)
    assert sorted(first) == sorted(SWEEPER_SHARDS)


def test_an_execution_that_does_not_begin_is_started_at_growing_intervals(
    me: RegisteredUser, starter: Starter, time: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda accepts the invocations and executes none: each further one would only make its queue longer."""
    workflows = start_unanswered(me, starter)
    path = create_agent(me)
    starter.is_unavailable = True
    agents = me.client.post(f"{path}/executions", {"input": "go"}).json["id"]
    starter.is_unavailable = False
    monkeypatch.setattr(sweeper, "SWEEPER_SHARDS", f"{workflows[-1]}{agents[-1]}")
    started = []
    for _ in range(9):
        time.advance(seconds=60)
        sweeper.sweep("executions")
        started.append(len(starter.invocations))
    assert started == [2, 4, 4, 6, 6, 6, 6, 8, 8], "after 1, 2, 4 and 8 minutes"
