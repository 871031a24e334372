"""Races and deaths in a run's life, each at the moment where it hurts, through the real handlers."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran, statuses
from tests.factories import Registered, registered
from tests.mortal import Died
from tests.recorded import Recorded
from tests.workflows.definitions import connect, definition, node
from weconnect.db import table
from weconnect.durable import StepFailed
from weconnect.executions import completion, lifecycle, sweeper
from weconnect.executions.completion import Outcome
from weconnect.executions.lifecycle import Place
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import express
from weconnect.workflows.engine.execution_loop import run_workflow


class Watched(Recorded):
    """Steps before which something happens, once; what raises in them has failed, as in the platform's."""

    def __init__(self, before: dict[str, Callable[[], Any]], kept: "Watched | None" = None, place: str = ""):
        super().__init__(place, kept)
        self.before = before

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        if happens := self.before.pop(self.place + name, None):
            happens()
        try:
            return super().step(name, work)
        except Exception as error:
            raise StepFailed(f"{name}: {error}") from error

    def parallel(self, name: str, branches: Any, at_once: int = 8) -> list[Any]:
        return [
            branch(Watched(self.before, self, f"{self.place}{name}-{number}/"))
            for number, branch in enumerate(branches, start=1)
        ]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that were called; `/fails` answers 503."""
    seen: list[str] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen.append(url.rpartition("/")[2])
        return OutboundResponse(503 if url.endswith("/fails") else 200, {}, b"x", url)

    monkeypatch.setattr(outbound, "send", send)
    return seen


def http(id: str, **more: Any) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=f"https://x/{id}", **more)


def place_of(me: Registered, run: str) -> Place:
    return Place(UUID(me.organization["id"]), UUID(run.rpartition("/")[2]))


def calling(me: Registered, name: str = "Inner", **more: Any) -> tuple[str, str]:
    """A workflow that waits for one that waits for a callback; the paths of both."""
    waiting = made(me, definition([node("w", "wait", until="callback")], "start > w"), name)
    sub = node("sub", "subworkflow", workflowId=waiting.rpartition("/")[2], **more)
    return made(me, definition([sub], "start > sub"), f"{name} caller"), waiting


def children(me: Registered) -> list[Any]:
    return list(me.client.get("/v1/executions?mode=subworkflow").json["items"])


def cancelled(me: Registered, run: str) -> Callable[[], Any]:
    return lambda: me.client.post(f"{run}/cancel")


# Sub-workflows


def test_a_child_ends_with_its_parent(me: Registered, starter: Starter) -> None:
    run = begun(me, calling(me)[0])
    starter.run_pending()
    assert [each["status"] for each in children(me)] == ["waiting"]
    assert me.client.post(f"{run}/cancel").json["status"] == "cancelled"
    assert [each["status"] for each in children(me)] == ["cancelled"]


@pytest.mark.parametrize(("before", "left"), [("sub~1/start", []), ("sub~1/run-announced", ["cancelled"])])
def test_no_child_is_started_for_a_cancelled_run(
    me: Registered, starter: Starter, before: str, left: list[str]
) -> None:
    run = begun(me, calling(me)[0])
    starter.asked.clear()
    steps = Watched({before: cancelled(me, run)})
    steps.sent["sub~1/run"] = {}
    run_workflow(steps, place_of(me, run))
    assert me.client.get(run).json["status"] == "cancelled"
    assert [each["status"] for each in children(me)] == left and starter.asked == []


def test_a_child_is_not_started_when_its_parent_is_cancelled_beside_it(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel falls between the look at the parent and the child's row."""
    run = begun(me, calling(me)[0])
    starter.asked.clear()
    create = table.create

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(table, "create", create)
        me.client.post(f"{run}/cancel")
        return create(*arguments, **options)

    steps = Watched({"sub~1/start": lambda: monkeypatch.setattr(table, "create", late)})
    steps.sent["sub~1/run"] = {}
    run_workflow(steps, place_of(me, run))
    assert [each["status"] for each in children(me)] == ["cancelled"] and starter.asked == []


def test_a_child_that_cannot_start_is_an_error_of_its_node(me: Registered, starter: Starter) -> None:
    path, inner = calling(me, onError="continue")
    me.client.post(f"{inner}/deactivate")
    run = begun(me, path)
    starter.run_pending(Watched({}))
    done = me.client.get(run).json
    assert (done["status"], done["output"][0]["error"]["code"]) == ("completed", "workflow_inactive")


def test_another_attempt_is_another_child(me: Registered, starter: Starter) -> None:
    failing = made(me, definition([node("s", "stop", outcome="failed")], "start > s"), "Failing")
    retry = {"maxAttempts": 2, "on": ["subworkflow_failed"]}
    sub = node("sub", "subworkflow", workflowId=failing.rpartition("/")[2], retry=retry)
    run = ran(me, starter, definition([sub], "start > sub"))
    assert run["error"]["code"] == "subworkflow_failed"
    assert [each["status"] for each in children(me)] == ["failed", "failed"]


def test_an_error_workflow_does_not_come_back_through_its_children(me: Registered, starter: Starter) -> None:
    """Handler → sub-workflow, which fails and has that handler: a ring that would never end."""
    failing = made(me, definition([node("s", "stop", outcome="failed")], "start > s"), "Failing")
    sub = node("sub", "subworkflow", workflowId=failing.rpartition("/")[2])
    handling = {"nodes": [node("start", "error"), sub], "connections": [connect("start > sub")]}
    handler = made(me, handling, "Handler")
    me.client.patch(failing, {"settings": {"errorWorkflowId": handler.rpartition("/")[2]}})
    me.client.post(f"{failing}/activate", {})
    begun(me, failing)
    for _ in range(10):
        if starter.asked:
            starter._carry(starter.asked.pop(0), Recorded())
    assert starter.asked == []
    handled = me.client.get(f"/v1/executions?workflowId={handler.rpartition('/')[2]}").json["items"]
    assert len(handled) == 1


def test_a_ring_of_subworkflows_ends(me: Registered, starter: Starter) -> None:
    path = made(me, definition([node("a", "noop")], "start > a"), "Ring")
    sub = node("sub", "subworkflow", workflowId=path.rpartition("/")[2])
    ring = definition([sub], "start > sub")
    me.client.patch(path, {"nodes": ring["nodes"], "connections": ring["connections"]})
    assert me.client.post(f"{path}/activate", {}).status == 200
    begun(me, path)
    starter.run_pending()
    assert len(children(me)) == 5


# Cancels


def test_a_question_is_not_asked_for_a_cancelled_run(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when it was cancelled before, nor when that falls between the look and the question."""
    value = definition([node("ask", "approval", message="Well?")], "start > ask")
    path = made(me, value)
    early = begun(me, path)
    run_workflow(Watched({"ask~1/ask": cancelled(me, early)}), place_of(me, early))
    assert me.client.get("/v1/approvals?status=cancelled").json["items"] == []
    late = begun(me, path)
    create = table.create

    def cancelling(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(table, "create", create)
        me.client.post(f"{late}/cancel")
        return create(*arguments, **options)

    steps = Watched({"ask~1/ask": lambda: monkeypatch.setattr(table, "create", cancelling)})
    steps.sent["ask~1/decision"] = {}
    run_workflow(steps, place_of(me, late))
    assert me.client.get("/v1/approvals").json["items"] == []
    assert [me.client.get(run).json["status"] for run in (early, late)] == ["cancelled", "cancelled"]


def test_a_cancel_whose_caller_died_is_kept(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died after it had asked, before it had ended a run that had not begun."""
    path = made(me, definition([node("a", "noop")], "start > a"))
    runs = [begun(me, path), begun(me, path)]
    with monkeypatch.context() as patch:
        patch.setattr(completion, "finish", lambda *_, **__: False)
        assert [me.client.post(f"{run}/cancel").json["status"] for run in runs] == ["pending", "pending"]
    name = starter.asked.pop()["DurableExecutionName"]
    assert sweeper.close(name, "SUCCEEDED", "it has ended")
    starter.run_pending()
    assert [me.client.get(run).json["status"] for run in runs] == ["cancelled", "cancelled"]


def test_what_branches_did_until_a_cancel_is_journalled(
    me: Registered, starter: Starter, calls: list[str]
) -> None:
    value = definition([http("a"), http("fails", retry={"maxAttempts": 2})], "start > a", "start > fails")
    run = begun(me, made(me, value))
    steps = Watched({"branches-1-2/fails~2": cancelled(me, run)})
    run_workflow(steps, place_of(me, run))
    done = me.client.get(run).json
    assert done["status"] == "cancelled" and calls == ["a", "fails"]
    assert statuses(done) == {"start": "completed", "a": "completed", "fails": "failed"}


def test_a_cancel_just_before_a_pause_ends_the_run(
    me: Registered, starter: Starter, calls: list[str]
) -> None:
    run = begun(me, made(me, definition([http("a")], "start > a")))
    me.client.post(f"{run}/pause")
    steps = Watched({"a~1-paused-announced": cancelled(me, run)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "wake", lambda callback, value: steps.sent.setdefault(callback, value))
        run_workflow(steps, place_of(me, run))
    assert me.client.get(run).json["status"] == "cancelled" and calls == []


def test_a_run_with_a_branch_at_work_is_not_called_cancelled(
    me: Registered, starter: Starter, calls: list[str]
) -> None:
    """One branch is paused, the other is in an effect when the cancel comes."""
    run = begun(me, made(me, definition([http("a"), http("b")], "start > a", "start > b")))
    seen: list[str] = []
    send = outbound.send

    def cancelling(method: str, url: str, **options: Any) -> OutboundResponse:
        if url.endswith("/b"):
            me.client.post(f"{run}/pause")
            lifecycle.pause(place_of(me, run), "a", "branches-1-1/a~1-paused", is_branch=True)
            assert me.client.get(run).json["status"] == "paused"
            seen.append(me.client.post(f"{run}/cancel").json["status"])
        return send(method, url, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "send", cancelling)
        starter.run_pending()
    assert seen == ["paused"] and me.client.get(run).json["status"] == "cancelled"


def test_a_cancelled_runs_function_ends(me: Registered, starter: Starter) -> None:
    """It does not stay for the month that a callback may take."""
    run = begun(me, made(me, definition([node("w", "wait", until="callback")], "start > w")))
    starter.run_pending()
    assert len(starter.waiting) == 1
    me.client.post(f"{run}/cancel")
    assert starter.waiting == [] and me.client.get(run).json["status"] == "cancelled"


# Pauses


def test_a_pause_that_was_taken_back_does_not_pause(
    me: Registered, starter: Starter, calls: list[str]
) -> None:
    run = begun(me, made(me, definition([http("a")], "start > a")))
    me.client.post(f"{run}/pause")
    steps = Watched({"a~1-paused-announced": lambda: me.client.post(f"{run}/resume")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "wake", lambda callback, value: steps.sent.setdefault(callback, value))
        run_workflow(steps, place_of(me, run))
    assert me.client.get(run).json["status"] == "completed" and calls == ["a"]


def test_a_pause_while_the_run_wakes_up_is_kept(me: Registered, starter: Starter, calls: list[str]) -> None:
    run = begun(me, made(me, definition([http("a")], "start > a")))
    me.client.post(f"{run}/pause")
    steps = Watched({"a~1-paused-over": lambda: me.client.post(f"{run}/pause")})
    starter.run_pending(steps)
    assert me.client.get(run).json["status"] == "paused"
    me.client.post(f"{run}/resume")
    assert me.client.get(run).json["status"] == "paused" and calls == []
    me.client.post(f"{run}/resume")
    assert me.client.get(run).json["status"] == "completed" and calls == ["a"]


# Callbacks


def waiting_for_a_callback(me: Registered, starter: Starter) -> tuple[str, str]:
    """A run that waits, and its token."""
    tell = node("tell", "set", values={"token": "{{ $execution.callbackToken }}"})
    value = definition([tell, node("w", "wait", until="callback")], "start > tell", "tell > w")
    run = begun(me, made(me, value))
    starter.run_pending()
    told = next(each for each in me.client.get(run).json["nodes"] if each["nodeId"] == "tell")
    return run, me.client.get(f"{run}/nodes/{told['id']}").json["output"]["main"][0]["token"]


def test_a_callback_whose_caller_died_can_be_sent_again(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, token = waiting_for_a_callback(me, starter)

    def die(*_: Any) -> Any:
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(starter, "send_durable_execution_callback_success", die)
        patch.setattr(lifecycle, "send", die)
        me.client.post(f"/v1/callbacks/{token}", {"value": {"n": 1}})
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {"n": 1}}).status == 200
    assert me.client.get(run).json["output"] == [{"n": 1}]


def test_a_callback_that_comes_too_late_is_told_so(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = waiting_for_a_callback(me, starter)
    monkeypatch.setattr(lifecycle, "send", lambda *_: "gone")
    late = me.client.post(f"/v1/callbacks/{token}", {"value": 1})
    assert (late.status, late.json["code"]) == (409, "already_completed")


def test_no_callback_of_a_run_that_has_ended(me: Registered, starter: Starter) -> None:
    run, token = waiting_for_a_callback(me, starter)
    me.client.post(f"{run}/cancel")
    answer = me.client.post(f"/v1/callbacks/{token}", {"value": 1})
    assert (answer.status, answer.json["code"]) == (404, "callback_not_found")


def test_no_callback_with_the_token_of_another_run(me: Registered, starter: Starter) -> None:
    run, token = waiting_for_a_callback(me, starter)
    other = registered()
    theirs = other.organization["id"].replace("-", "") + token[32:]
    assert me.client.post(f"/v1/callbacks/{theirs}", {"value": 1}).status == 404
    assert me.client.get(run).json["status"] == "waiting"


# Ends


def test_who_waits_is_told_though_the_end_was_written_by_one_that_died(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    handling = {"nodes": [node("start", "error")], "connections": []}
    handler = made(me, handling, "Handler").rpartition("/")[2]
    failing = definition([node("s", "stop", outcome="failed")], "start > s", errorWorkflowId=handler)
    run = begun(me, made(me, failing))
    starter.asked.clear()

    def die(*_: Any) -> None:
        raise Died

    steps = Recorded()
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(completion, "_tell", die)
        run_workflow(steps, place_of(me, run))
    assert me.client.get(run).json["status"] == "failed" and starter.asked == []
    run_workflow(steps, place_of(me, run))
    assert len(starter.asked) == 1, "its error workflow is started"
    handled = me.client.get(f"/v1/executions?workflowId={handler}").json["items"]
    assert [each["parentExecutionId"] for each in handled] == [me.client.get(run).json["id"]]


def test_a_pause_that_does_not_fit_ends_a_short_run(
    me: Registered, starter: Starter, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its function would be gone before the pause is over."""
    slept: list[float] = []
    monkeypatch.setattr(express.time, "sleep", slept.append)
    retry = {"maxAttempts": 2, "delaySeconds": 3_600, "maxDelaySeconds": 3_600}
    path = made(me, definition([http("fails", retry=retry)], "start > fails"))
    answer = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=5"})
    assert (answer.status, answer.json["status"], slept) == (200, "timeout", [])
    done = me.client.get(answer.headers["Location"]).json
    assert statuses(done) == {"start": "completed", "fails": "failed"} and calls == ["fails"]


def test_an_end_is_the_end(me: Registered, starter: Starter) -> None:
    run = begun(me, made(me, definition([node("a", "noop")], "start > a")))
    starter.run_pending()
    done, row = me.client.get(run).json, place_of(me, run).row()
    assert not completion.finish(row, Outcome(status="failed"))
    assert not completion.stop(row) and not lifecycle.resume(row) and not lifecycle.go_on(place_of(me, run))
    assert me.client.get(run).json == done
