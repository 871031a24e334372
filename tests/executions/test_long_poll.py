"""Long polling of an execution: its events after a cursor, or the next ones."""

import time
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.workflows.definitions import definition, node

WAITING = definition(
    [node("a", "set", values={"n": 1}), node("hold", "wait", until="callback"), node("b", "noop")],
    "start > a",
    "a > hold",
    "hold > b",
)


def types(answer: Any) -> list[str]:
    return [event["type"] for event in answer["items"]]


def test_cursors_lead_through_all_events(me: RegisteredUser, starter: Starter) -> None:
    path = create_workflow(
        me, definition([node("a", "set", values={"n": 1}), node("b", "stop")], "start > a", "a > b")
    )
    execution = start_execution(me, path)
    first = me.client.get(f"{execution}/events").json
    assert (types(first), first["isFinal"]) == (["execution.pending"], False)
    assert first["items"][0]["execution"]["id"] == execution.rpartition("/")[2]
    starter.run_pending()
    rest = me.client.get(f"{execution}/events?cursor={first['nextCursor']}").json
    assert types(rest) == ["node.completed"] * 3 + ["execution.completed"]
    assert [event["node"]["nodeId"] for event in rest["items"][:3]] == ["start", "a", "b"]
    assert rest["isFinal"]
    again = me.client.get(
        f"{execution}/events?cursor={rest['nextCursor']}", headers={"Prefer": "wait=25"}
    ).json
    assert (again["items"], again["isFinal"]) == ([], True)  # at once, though it says that it waits


def test_a_waiting_execution_has_the_events_before_the_wait(me: RegisteredUser, starter: Starter) -> None:
    execution = start_execution(me, create_workflow(me, WAITING))
    starter.run_pending()
    events = me.client.get(f"{execution}/events").json
    assert types(events) == ["node.completed", "node.completed", "execution.waiting"]
    assert not events["isFinal"]


def test_polling_waits_for_the_next_event(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = start_execution(me, create_workflow(me, definition([node("a", "noop")], "start > a")))
    cursor = me.client.get(f"{execution}/events").json["nextCursor"]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            starter.run_pending()

    monkeypatch.setattr("weconnect.workflows.executions.long_poll.time", Clock(sleep))
    events = me.client.get(f"{execution}/events?cursor={cursor}", headers={"Prefer": "wait=25"}).json
    assert types(events)[-1] == "execution.completed" and len(slept) == 3


def test_polling_waits_no_longer_than_requested(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = start_execution(me, create_workflow(me, definition([node("a", "noop")], "start > a")))
    cursor = me.client.get(f"{execution}/events").json["nextCursor"]
    slept: list[float] = []
    monkeypatch.setattr("weconnect.workflows.executions.long_poll.time", Clock(slept.append))
    events = me.client.get(f"{execution}/events?cursor={cursor}", headers={"Prefer": "wait=5"}).json
    assert (events["items"], events["nextCursor"], events["isFinal"]) == ([], cursor, False)
    assert sum(slept) == pytest.approx(5)


def test_a_cursor_of_another_execution_is_refused(me: RegisteredUser, starter: Starter) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    one, other = start_execution(me, path), start_execution(me, path)
    cursor = me.client.get(f"{one}/events").json["nextCursor"]
    answer = me.client.get(f"{other}/events?cursor={cursor}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_cursor")


class Clock:
    """A clock that moves only in `sleep`."""

    def __init__(self, sleep: Any) -> None:
        self._now, self._sleep = time.monotonic(), sleep

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self._sleep(seconds)
