"""Watching a run: what has happened after a cursor, and waiting for it."""

import time
from typing import Any

import pytest

from tests.agents.runs import Starter
from tests.executions.runs import begun, made
from tests.factories import Registered
from tests.workflows.definitions import definition, node

WAITING = definition(
    [node("a", "set", values={"n": 1}), node("hold", "wait", until="callback"), node("b", "noop")],
    "start > a",
    "a > hold",
    "hold > b",
)


def types(answer: Any) -> list[str]:
    return [event["type"] for event in answer["items"]]


def test_events_follow_a_cursor_to_the_end(me: Registered, starter: Starter) -> None:
    path = made(me, definition([node("a", "set", values={"n": 1}), node("b", "stop")], "start > a", "a > b"))
    run = begun(me, path)
    first = me.client.get(f"{run}/events").json
    assert (types(first), first["isFinal"]) == (["execution.pending"], False)
    assert first["items"][0]["execution"]["id"] == run.rpartition("/")[2]
    starter.run_pending()
    rest = me.client.get(f"{run}/events?cursor={first['nextCursor']}").json
    assert types(rest) == ["node.completed"] * 3 + ["execution.completed"]
    assert [event["node"]["nodeId"] for event in rest["items"][:3]] == ["start", "a", "b"]
    assert rest["isFinal"]
    again = me.client.get(f"{run}/events?cursor={rest['nextCursor']}", headers={"Prefer": "wait=25"}).json
    assert (again["items"], again["isFinal"]) == ([], True)  # at once, though it says that it waits


def test_a_run_that_waits_tells_what_came_before(me: Registered, starter: Starter) -> None:
    run = begun(me, made(me, WAITING))
    starter.run_pending()
    told = me.client.get(f"{run}/events").json
    assert types(told) == ["node.completed", "node.completed", "execution.waiting"]
    assert not told["isFinal"]


def test_waits_until_something_happens(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(me, made(me, definition([node("a", "noop")], "start > a")))
    cursor = me.client.get(f"{run}/events").json["nextCursor"]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            starter.run_pending()

    monkeypatch.setattr("weconnect.executions.views.long_poll.time", Clock(sleep))
    told = me.client.get(f"{run}/events?cursor={cursor}", headers={"Prefer": "wait=25"}).json
    assert types(told)[-1] == "execution.completed" and len(slept) == 3


def test_waits_no_longer_than_asked(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(me, made(me, definition([node("a", "noop")], "start > a")))
    cursor = me.client.get(f"{run}/events").json["nextCursor"]
    slept: list[float] = []
    monkeypatch.setattr("weconnect.executions.views.long_poll.time", Clock(slept.append))
    told = me.client.get(f"{run}/events?cursor={cursor}", headers={"Prefer": "wait=5"}).json
    assert (told["items"], told["nextCursor"], told["isFinal"]) == ([], cursor, False)
    assert sum(slept) == pytest.approx(5)


def test_a_cursor_of_another_run_is_refused(me: Registered, starter: Starter) -> None:
    path = made(me, definition([node("a", "noop")], "start > a"))
    one, other = begun(me, path), begun(me, path)
    cursor = me.client.get(f"{one}/events").json["nextCursor"]
    answer = me.client.get(f"{other}/events?cursor={cursor}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_cursor")


class Clock:
    """Time that passes only in sleep."""

    def __init__(self, sleep: Any) -> None:
        self._now, self._sleep = time.monotonic(), sleep

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self._sleep(seconds)
