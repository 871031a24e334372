"""Executions whose durable execution failed without the platform's event: closed by the sweeper; no others are."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, script_replies
from tests.agents.tool_call_helpers import calculator_calls, create_guarded_agent, only_execution
from tests.executions import test_retention
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.executions.test_retention import id_of, list_expiries, wait_days
from tests.factories import RegisteredUser
from tests.long_content import store_all_outside
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect.agents.rows import AgentExecutionRow, EndedExecutionRow
from weconnect.db import payloads, table
from weconnect.executions import beginning, invocation, lifecycle, sweeper
from weconnect.executions.rows import AnyRow, SweepRow
from weconnect.settings import settings
from weconnect.workflows.executions.rows import WorkflowExecutionRow


def load_row(me: RegisteredUser, execution: str) -> AnyRow:
    """Return the row of an execution of a workflow or of an agent, by its path."""
    organization_id = UUID(me.organization["id"])
    if execution.startswith("/v1/agents/"):
        agent_id = UUID(execution.split("/")[3])
        return AgentExecutionRow.get(*AgentExecutionRow.at(organization_id, agent_id, UUID(id_of(execution))))
    return WorkflowExecutionRow.get(*WorkflowExecutionRow.at(organization_id, UUID(id_of(execution))))


def run_workflow(me: RegisteredUser, starter: Starter) -> str:
    """Begin an execution of a workflow, whose function is then killed."""
    execution = start_execution(me, create_workflow(me, definition([node("a", "noop")], "start > a")))
    starter.invocations.clear()
    beginning.begin(load_row(me, execution))
    return execution


def run_agent(me: RegisteredUser, starter: Starter) -> str:
    """Begin an execution of an agent, whose function is then killed."""
    started = me.client.post(f"{create_agent(me)}/executions", {"input": "go"})
    starter.invocations.clear()
    beginning.begin(load_row(me, started.headers["Location"]))
    return started.headers["Location"]


def suspend_agent(me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> str:
    path = create_guarded_agent(me)
    script_replies(monkeypatch, calculator_calls("6*7"))
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    return started.headers["Location"]


def begin_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, state: str
) -> tuple[str, str]:
    """Bring an execution into a state; return its path, and the status that it has then."""
    if state == "running workflow":
        return run_workflow(me, starter), "running"
    if state == "running agent":
        return run_agent(me, starter), "running"
    if state == "waiting agent":
        return suspend_agent(me, starter, monkeypatch), "waiting"
    suspend: Callable[..., tuple[str, Any]] = getattr(test_retention, state)
    return suspend(me, starter)[0], "paused" if state == "wait_paused" else "waiting"


STATES = ["running workflow", "wait_for_callback", "wait_for_approval", "wait_for_subworkflow", "wait_paused"]
STATES += ["running agent", "waiting agent"]


@pytest.mark.parametrize("state", STATES)
def test_an_execution_is_closed_when_the_platform_has_ended_it_and_not_before(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    execution, status = begin_execution(me, starter, monkeypatch, state)
    started = list(starter.suspended)
    wait_days(me, monkeypatch, 300)
    for _ in range(2):
        assert sweeper.sweep("executions") == 0
    assert me.client.get(execution).json["status"] == status, "it is healthy, however long it takes"
    assert starter.suspended == started
    starter.suspended.clear()
    starter.failed = [(load_row(me, execution).function_call.durable_name, "TIMED_OUT")]
    assert sweeper.sweep("executions") == 1
    shown = me.client.get(execution).json
    code = shown.get("errorCode") or shown["error"]["code"]
    assert (shown["status"], code) == ("timeout", "platform_timed_out")
    assert None not in list_expiries(me, id_of(execution)).values(), "its retention has begun"
    assert sweeper.sweep("executions") == 0


def test_a_pending_execution_whose_function_cannot_begin_is_closed(
    me: RegisteredUser, starter: Starter
) -> None:
    """Starting it again under its name would do nothing."""
    execution = start_execution(me, create_workflow(me, definition([node("a", "noop")], "start > a")))
    starter.failed = [(load_row(me, execution).function_call.durable_name, "FAILED")]
    sweeper.sweep("executions")
    assert me.client.get(execution).json["error"]["code"] == "platform_failed"


def test_successive_sweeps_look_at_all_pages_and_begin_again(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_plan(me, "enterprise")
    monkeypatch.setattr(invocation, "PAGE_SIZE", 2)
    pages: list[str] = []
    list_page = starter.list_durable_executions_by_function

    def record(**request: Any) -> dict[str, Any]:
        if request["FunctionName"] == "run-workflow":
            pages.append(request.get("Marker", ""))
        return list_page(**request)

    monkeypatch.setattr(starter, "list_durable_executions_by_function", record)
    execution = run_workflow(me, starter)
    gone = [(str(number) * 64, "FAILED") for number in range(4)]
    starter.failed = [*gone, (load_row(me, execution).function_call.durable_name, "STOPPED")]
    assert [sweeper.sweep("executions") for _ in range(4)] == [0, 0, 1, 0]
    assert pages == ["", "2", "4", ""]


def test_a_position_that_the_platform_refuses_is_dropped(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = run_workflow(me, starter)
    pk, sk = SweepRow.of_durable_executions(settings.run_workflow_function)
    table.put(SweepRow(pk=pk, sk=sk, position="outdated"), lifecycle.ACTOR)
    starter.failed = [(load_row(me, execution).function_call.durable_name, "STOPPED")]
    with pytest.raises(ValueError, match="outdated"):
        sweeper.sweep("executions")
    assert sweeper.sweep("executions") == 1
    assert me.client.get(execution).json["error"]["code"] == "platform_stopped"


def test_a_failed_close_does_not_keep_the_others_open(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    executions = [run_workflow(me, starter), run_agent(me, starter)]
    names = [load_row(me, each).function_call.durable_name for each in executions]
    starter.failed = [("g" * 64, "FAILED"), *[(name, "FAILED") for name in names]]
    with pytest.raises(ValueError):  # the name has letters that IDs do not have
        sweeper.sweep("executions")
    assert [load_row(me, each).status for each in executions] == ["failed", "failed"]
    assert only_execution(me, executions[1].rpartition("/executions/")[0])["errorCode"] == "platform_failed"


def test_the_numbers_of_a_lost_execution_of_an_agent_in_the_trash_are_dropped(
    me: RegisteredUser, starter: Starter
) -> None:
    execution = run_agent(me, starter)
    agent = "/".join(execution.split("/")[:4])
    row = load_row(me, execution)
    assert me.client.delete(agent).status == 204
    starter.failed = [(row.function_call.durable_name, "FAILED")]
    assert sweeper.sweep("executions") == 1
    pk, prefix = EndedExecutionRow.of_agent(UUID(row.organization_id), UUID(id_of(agent)))
    assert list(EndedExecutionRow.query(pk, EndedExecutionRow.sk.startswith(prefix))) == []


def lose_failing(me: RegisteredUser, starter: Starter, **settings: Any) -> tuple[str, str]:
    """Begin an execution of a workflow with an error workflow, and lose it.

    Return the error workflow's ID, and the path of the workflow.
    """
    handler = {"nodes": [node("start", "error")], "connections": []}
    handler_id = id_of(create_workflow(me, handler, "Handler"))
    value = definition([node("a", "noop")], "start > a", errorWorkflowId=handler_id, **settings)
    flow = create_workflow(me, value)
    execution = start_execution(me, flow)
    starter.invocations.clear()
    beginning.begin(load_row(me, execution))
    starter.failed = [(load_row(me, execution).function_call.durable_name, "FAILED")]
    return handler_id, flow


def test_the_error_workflow_of_a_lost_execution_is_started(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_all_outside(monkeypatch)
    handler_id, _ = lose_failing(me, starter)
    assert sweeper.sweep("executions") == 1
    starter.run_pending()
    (handled,) = me.client.get(f"/v1/executions?workflowId={handler_id}").json["items"]
    assert handled["status"] == "completed"


def test_an_error_workflow_that_cannot_be_read_holds_up_nothing(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_all_outside(monkeypatch)
    handler_id, flow = lose_failing(me, starter, concurrency={"limit": 1})
    queued = start_execution(me, flow)
    assert starter.invocations == [] and me.client.get(queued).json["waitsFor"] == "workflow"
    payloads.discard_all(me.organization["id"], f"workflows/{handler_id}/")
    assert sweeper.sweep("executions") == 1
    assert me.client.get(f"/v1/executions?workflowId={handler_id}").json["items"] == []
    assert len(starter.invocations) == 1, "its slot is free"
    assert me.client.get(flow).json["executionCount"] == 1
