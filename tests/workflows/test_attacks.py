"""Races and crashes in an execution, each at its worst moment, through the real handlers."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter
from tests.durable_runner import ProcessKilled
from tests.executions.execution_helpers import (
    create_workflow,
    execute_workflow,
    start_execution,
    statuses_by_path,
)
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.moto_table import table_items
from tests.workflows.definitions import connect, definition, node
from weconnect.db import table
from weconnect.durable import callbacks as durable_callbacks
from weconnect.durable.steps import StepFailed
from weconnect.executions import completion, followups, lifecycle, sweeper
from weconnect.executions.completion import Followups
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import Completion
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine.execution_loop import run_workflow
from weconnect.workflows.executions.rows import ExecutionKey


class Watched(InMemorySteps):
    """Steps before which an action is called, once; a step that raises has failed, as on the platform."""

    def __init__(
        self, before: dict[str, Callable[[], Any]], parent: "Watched | None" = None, prefix: str = ""
    ):
        super().__init__(prefix, parent)
        self.before = before

    def step(self, name: str, work: Callable[[], Any], result: Any = None) -> Any:
        if happens := self.before.pop(self.prefix + name, None):
            happens()
        try:
            return super().step(name, work, result)
        except Exception as error:
            raise StepFailed(f"{name}: {error}") from error

    def branch(self, prefix: str) -> "Watched":
        return Watched(self.before, self, prefix)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the URLs that were called; `/fails` responds with 503."""
    seen: list[str] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen.append(url.rpartition("/")[2])
        return OutboundResponse(503 if url.endswith("/fails") else 200, {}, b"x", url)

    monkeypatch.setattr(outbound, "send", send)
    return seen


def http(id: str, **more: Any) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=f"https://x/{id}", **more)


def key_of(me: RegisteredUser, execution: str) -> ExecutionKey:
    return ExecutionKey(UUID(me.organization["id"]), UUID(execution.rpartition("/")[2]))


def calling(me: RegisteredUser, name: str = "Inner", **more: Any) -> tuple[str, str]:
    """Create a workflow that waits for another one, which waits for a callback; return the paths of both."""
    waiting = create_workflow(me, definition([node("w", "wait", until="callback")], "start > w"), name)
    sub = node("sub", "subworkflow", workflowId=waiting.rpartition("/")[2], **more)
    return create_workflow(me, definition([sub], "start > sub"), f"{name} caller"), waiting


def children(me: RegisteredUser) -> list[Any]:
    return list(me.client.get("/v1/executions?mode=subworkflow").json["items"])


def cancelled(me: RegisteredUser, execution: str) -> Callable[[], Any]:
    return lambda: me.client.post(f"{execution}/cancel")


# Sub-workflows


def test_cancelling_a_parent_cancels_its_child(me: RegisteredUser, starter: Starter) -> None:
    execution = start_execution(me, calling(me)[0])
    starter.run_pending()
    assert [each["status"] for each in children(me)] == ["waiting"]
    assert me.client.post(f"{execution}/cancel").json["status"] == "cancelled"
    assert [each["status"] for each in children(me)] == ["cancelled"]


@pytest.mark.parametrize(("before", "left"), [("sub~1/start", []), ("sub~1/run-announced", ["cancelled"])])
def test_no_child_is_started_for_a_cancelled_execution(
    me: RegisteredUser, starter: Starter, before: str, left: list[str]
) -> None:
    execution = start_execution(me, calling(me)[0])
    starter.invocations.clear()
    steps = Watched({before: cancelled(me, execution)})
    steps.callback_values["sub~1/run"] = {}
    run_workflow(steps, key_of(me, execution))
    assert me.client.get(execution).json["status"] == "cancelled"
    assert [each["status"] for each in children(me)] == left and starter.invocations == []


def test_a_child_is_not_started_when_its_parent_is_cancelled_meanwhile(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancellation comes between reading the parent and storing the child."""
    execution = start_execution(me, calling(me)[0])
    starter.invocations.clear()
    create = table.create

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(table, "create", create)
        me.client.post(f"{execution}/cancel")
        return create(*arguments, **options)

    steps = Watched({"sub~1/start": lambda: monkeypatch.setattr(table, "create", late)})
    steps.callback_values["sub~1/run"] = {}
    run_workflow(steps, key_of(me, execution))
    assert [each["status"] for each in children(me)] == ["cancelled"] and starter.invocations == []


def test_a_child_that_cannot_be_started_is_an_error_of_its_node(me: RegisteredUser, starter: Starter) -> None:
    path, inner = calling(me, onError="continue")
    me.client.post(f"{inner}/deactivate")
    execution = start_execution(me, path)
    starter.run_pending(Watched({}))
    done = me.client.get(execution).json
    assert (done["status"], done["output"][0]["error"]["code"]) == ("completed", "workflow_inactive")


def test_each_attempt_starts_a_child_of_its_own(me: RegisteredUser, starter: Starter) -> None:
    failing = create_workflow(me, definition([node("s", "stop", outcome="failed")], "start > s"), "Failing")
    retry = {"maxAttempts": 2, "on": ["subworkflow_failed"]}
    sub = node("sub", "subworkflow", workflowId=failing.rpartition("/")[2], retry=retry)
    execution = execute_workflow(me, starter, definition([sub], "start > sub"))
    assert execution["error"]["code"] == "subworkflow_failed"
    assert [each["status"] for each in children(me)] == ["failed", "failed"]


def test_an_error_workflow_is_not_started_again_by_its_own_children(
    me: RegisteredUser, starter: Starter
) -> None:
    """A handler calls a subworkflow that fails and has the same handler, which would never end."""
    failing = create_workflow(me, definition([node("s", "stop", outcome="failed")], "start > s"), "Failing")
    sub = node("sub", "subworkflow", workflowId=failing.rpartition("/")[2])
    handling = {"nodes": [node("start", "error"), sub], "connections": [connect("start > sub")]}
    handler = create_workflow(me, handling, "Handler")
    me.client.patch(failing, {"settings": {"errorWorkflowId": handler.rpartition("/")[2]}})
    me.client.post(f"{failing}/activate", {})
    start_execution(me, failing)
    for _ in range(10):
        if starter.invocations:
            starter._execute(starter.invocations.pop(0), InMemorySteps())
    assert starter.invocations == []
    handled = me.client.get(f"/v1/executions?workflowId={handler.rpartition('/')[2]}").json["items"]
    assert len(handled) == 1


def test_a_cycle_of_subworkflows_ends_at_the_depth_limit(me: RegisteredUser, starter: Starter) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"), "Ring")
    sub = node("sub", "subworkflow", workflowId=path.rpartition("/")[2])
    ring = definition([sub], "start > sub")
    me.client.patch(path, {"nodes": ring["nodes"], "connections": ring["connections"]})
    assert me.client.post(f"{path}/activate", {}).status == 200
    start_execution(me, path)
    starter.run_pending()
    assert len(children(me)) == 5


# Cancels


def test_no_approval_is_requested_for_a_cancelled_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is cancelled before, the other one between the check and the request."""
    value = definition([node("ask", "approval", message="Well?")], "start > ask")
    path = create_workflow(me, value)
    early = start_execution(me, path)
    run_workflow(Watched({"ask~1/ask": cancelled(me, early)}), key_of(me, early))
    assert me.client.get("/v1/approvals?status=cancelled").json["items"] == []
    late = start_execution(me, path)
    create = table.create

    def cancelling(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(table, "create", create)
        me.client.post(f"{late}/cancel")
        return create(*arguments, **options)

    steps = Watched({"ask~1/ask": lambda: monkeypatch.setattr(table, "create", cancelling)})
    steps.callback_values["ask~1/decision"] = {}
    run_workflow(steps, key_of(me, late))
    assert me.client.get("/v1/approvals").json["items"] == []
    assert [me.client.get(execution).json["status"] for execution in (early, late)] == [
        "cancelled",
        "cancelled",
    ]


def test_a_cancellation_survives_the_crash_of_its_caller(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It crashed after the request, before it completed executions that had not begun."""
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    executions = [start_execution(me, path), start_execution(me, path)]
    with monkeypatch.context() as patch:
        patch.setattr(completion, "write_completion", lambda *_, **__: Followups(None, is_first=False))
        assert [me.client.post(f"{execution}/cancel").json["status"] for execution in executions] == [
            "pending",
            "pending",
        ]
    name = starter.invocations.pop()["DurableExecutionName"]
    assert sweeper.close(name, "SUCCEEDED", "it has ended")
    starter.run_pending()
    assert [me.client.get(execution).json["status"] for execution in executions] == ["cancelled", "cancelled"]


def test_an_execution_that_the_platform_ended_ends_what_it_waits_for(
    me: RegisteredUser, starter: Starter
) -> None:
    execution = start_execution(me, calling(me)[0])
    name = starter.invocations[0]["DurableExecutionName"]
    starter.run_pending()
    assert sweeper.close(name, "TIMED_OUT", "it took too long")
    assert me.client.get(execution).json["error"]["code"] == "platform_timed_out"
    assert [each["status"] for each in children(me)] == ["cancelled"]


def test_the_platforms_event_changes_nothing_of_an_execution_that_has_ended(
    me: RegisteredUser, starter: Starter
) -> None:
    execution = start_execution(me, calling(me)[0])
    name = starter.invocations[0]["DurableExecutionName"]
    starter.run_pending()
    assert followups.complete_execution(
        key_of(me, execution).load(), Completion.failed("broken", "by a node")
    )
    before = table_items()
    assert not sweeper.close(name, "SUCCEEDED", "it has ended")
    assert me.client.get(execution).json["error"]["code"] == "broken"
    assert table_items() == before


def test_branches_before_a_cancellation_are_in_the_journal(
    me: RegisteredUser, starter: Starter, calls: list[str]
) -> None:
    value = definition([http("a"), http("fails", retry={"maxAttempts": 2})], "start > a", "start > fails")
    execution = start_execution(me, create_workflow(me, value))
    steps = Watched({"branches-1-2/fails~2": cancelled(me, execution)})
    run_workflow(steps, key_of(me, execution))
    done = me.client.get(execution).json
    assert done["status"] == "cancelled" and calls == ["a", "fails"]
    assert statuses_by_path(done) == {"start": "completed", "a": "completed", "fails": "failed"}


def test_a_cancellation_just_before_a_pause_ends_the_execution(
    me: RegisteredUser, starter: Starter, calls: list[str]
) -> None:
    execution = start_execution(me, create_workflow(me, definition([http("a")], "start > a")))
    me.client.post(f"{execution}/pause")
    steps = Watched({"a~1-paused-announced": cancelled(me, execution)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            durable_callbacks,
            "wake",
            lambda callback, value: steps.callback_values.setdefault(callback, value),
        )
        run_workflow(steps, key_of(me, execution))
    assert me.client.get(execution).json["status"] == "cancelled" and calls == []


def test_an_execution_with_a_running_branch_is_not_cancelled_at_once(
    me: RegisteredUser, starter: Starter, calls: list[str]
) -> None:
    """One branch is paused, the other one is in an effect when the cancellation comes."""
    execution = start_execution(
        me, create_workflow(me, definition([http("a"), http("b")], "start > a", "start > b"))
    )
    seen: list[str] = []
    send = outbound.send

    def cancelling(method: str, url: str, **options: Any) -> OutboundResponse:
        if url.endswith("/b"):
            me.client.post(f"{execution}/pause")
            lifecycle.pause(key_of(me, execution).load(), "a", "branches-1-1/a~1-paused", is_branch=True)
            assert me.client.get(execution).json["status"] == "paused"
            seen.append(me.client.post(f"{execution}/cancel").json["status"])
        return send(method, url, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "send", cancelling)
        starter.run_pending()
    assert seen == ["paused"] and me.client.get(execution).json["status"] == "cancelled"


def test_the_function_of_a_cancelled_execution_ends(me: RegisteredUser, starter: Starter) -> None:
    """It does not wait for the month that a callback may take."""
    execution = start_execution(
        me, create_workflow(me, definition([node("w", "wait", until="callback")], "start > w"))
    )
    starter.run_pending()
    assert len(starter.suspended) == 1
    me.client.post(f"{execution}/cancel")
    assert starter.suspended == [] and me.client.get(execution).json["status"] == "cancelled"


# Pauses


def test_a_withdrawn_pause_has_no_effect(me: RegisteredUser, starter: Starter, calls: list[str]) -> None:
    execution = start_execution(me, create_workflow(me, definition([http("a")], "start > a")))
    me.client.post(f"{execution}/pause")
    steps = Watched({"a~1-paused-announced": lambda: me.client.post(f"{execution}/resume")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            durable_callbacks,
            "wake",
            lambda callback, value: steps.callback_values.setdefault(callback, value),
        )
        run_workflow(steps, key_of(me, execution))
    assert me.client.get(execution).json["status"] == "completed" and calls == ["a"]


def test_a_pause_during_a_resume_takes_effect(me: RegisteredUser, starter: Starter, calls: list[str]) -> None:
    execution = start_execution(me, create_workflow(me, definition([http("a")], "start > a")))
    me.client.post(f"{execution}/pause")
    steps = Watched({"a~1-paused-over": lambda: me.client.post(f"{execution}/pause")})
    starter.run_pending(steps)
    assert me.client.get(execution).json["status"] == "paused"
    me.client.post(f"{execution}/resume")
    assert me.client.get(execution).json["status"] == "paused" and calls == []
    me.client.post(f"{execution}/resume")
    assert me.client.get(execution).json["status"] == "completed" and calls == ["a"]


# Callbacks


def waiting_for_a_callback(me: RegisteredUser, starter: Starter) -> tuple[str, str]:
    """Start an execution that waits for a callback; return its path and its token."""
    tell = node("tell", "set", values={"token": "{{ $execution.callbackToken }}"})
    value = definition([tell, node("w", "wait", until="callback")], "start > tell", "tell > w")
    execution = start_execution(me, create_workflow(me, value))
    starter.run_pending()
    entry = next(each for each in me.client.get(execution).json["nodes"] if each["nodeId"] == "tell")
    return execution, me.client.get(f"{execution}/nodes/{entry['id']}").json["output"]["main"][0]["token"]


def test_a_callback_can_be_completed_again_after_a_crash(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, token = waiting_for_a_callback(me, starter)

    def die(*_: Any) -> Any:
        raise ProcessKilled

    with monkeypatch.context() as patch, pytest.raises(ProcessKilled):
        patch.setattr(starter, "send_durable_execution_callback_success", die)
        patch.setattr(durable_callbacks, "send", die)
        me.client.post(f"/v1/callbacks/{token}", {"value": {"n": 1}})
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {"n": 1}}).status == 200
    assert me.client.get(execution).json["output"] == [{"n": 1}]


def test_a_callback_that_comes_too_late_is_refused(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = waiting_for_a_callback(me, starter)
    monkeypatch.setattr(durable_callbacks, "send", lambda *_: "gone")
    late = me.client.post(f"/v1/callbacks/{token}", {"value": 1})
    assert (late.status, late.json["code"]) == (409, "already_completed")


def test_the_callbacks_of_an_ended_execution_are_refused(me: RegisteredUser, starter: Starter) -> None:
    execution, token = waiting_for_a_callback(me, starter)
    me.client.post(f"{execution}/cancel")
    answer = me.client.post(f"/v1/callbacks/{token}", {"value": 1})
    assert (answer.status, answer.json["code"]) == (404, "callback_not_found")


def test_a_token_does_not_complete_the_callback_of_another_organization(
    me: RegisteredUser, starter: Starter
) -> None:
    execution, token = waiting_for_a_callback(me, starter)
    other = register()
    theirs = other.organization["id"].replace("-", "") + token[32:]
    assert me.client.post(f"/v1/callbacks/{theirs}", {"value": 1}).status == 404
    assert me.client.get(execution).json["status"] == "waiting"


# Ends


def test_the_error_workflow_is_started_although_the_process_crashed_after_the_completion(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    handling = {"nodes": [node("start", "error")], "connections": []}
    handler = create_workflow(me, handling, "Handler").rpartition("/")[2]
    failing = definition([node("s", "stop", outcome="failed")], "start > s", errorWorkflowId=handler)
    execution = start_execution(me, create_workflow(me, failing))
    starter.invocations.clear()

    def die(*_: Any) -> None:
        raise ProcessKilled

    steps = InMemorySteps()
    with monkeypatch.context() as patch, pytest.raises(ProcessKilled):
        patch.setattr(followups, "_execute_followups", die)
        run_workflow(steps, key_of(me, execution))
    assert me.client.get(execution).json["status"] == "failed" and starter.invocations == []
    run_workflow(steps, key_of(me, execution))
    assert len(starter.invocations) == 1, "its error workflow is started"
    handled = me.client.get(f"/v1/executions?workflowId={handler}").json["items"]
    assert [each["parentExecutionId"] for each in handled] == [me.client.get(execution).json["id"]]


def test_a_retry_delay_that_does_not_fit_ends_an_express_execution(
    me: RegisteredUser, starter: Starter, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function would end before the delay does."""
    slept: list[float] = []
    monkeypatch.setattr("weconnect.workflows.engine.express.time.sleep", slept.append)
    retry = {"maxAttempts": 2, "delaySeconds": 3_600, "maxDelaySeconds": 3_600}
    path = create_workflow(me, definition([http("fails", retry=retry)], "start > fails"))
    answer = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=5"})
    assert (answer.status, answer.json["status"], slept) == (200, "timeout", [])
    done = me.client.get(answer.headers["Location"]).json
    assert statuses_by_path(done) == {"start": "completed", "fails": "failed"} and calls == ["fails"]


def test_a_completed_execution_never_changes(me: RegisteredUser, starter: Starter) -> None:
    execution = start_execution(me, create_workflow(me, definition([node("a", "noop")], "start > a")))
    starter.run_pending()
    done, row = me.client.get(execution).json, key_of(me, execution).load()
    assert not followups.complete_execution(row, Completion(status=ExecutionStatus.FAILED))
    assert not followups.cancel_execution(row)
    assert not lifecycle.resume_paused(row) and not lifecycle.resume(key_of(me, execution).load())
    assert me.client.get(execution).json == done
