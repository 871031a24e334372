"""Queued executions whose workflow, agent or user is gone: cancelled at once, and else when they begin."""

from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.gateway import Client
from tests.organizations.organization_helpers import (
    client_with_new_key,
    member_path,
    register_member,
    set_plan,
)
from tests.workflows.definitions import definition, node
from weconnect.executions import closing
from weconnect.workflows.executions.rows import WorkflowExecutionRow

FLOW = definition([node("a", "noop")], "start > a")
CLOSINGS = {
    "deactivated": ("POST", "/deactivate", None),
    "archived": ("POST", "/archive", None),
    "in the trash": ("DELETE", "", None),
    "inactive agent": ("PATCH", "", {"isActive": False}),
    "agent in the trash": ("DELETE", "", None),
}
CODES = {
    "deactivated": "workflow_inactive",
    "archived": "workflow_inactive",
    "in the trash": "workflow_not_found",
    "inactive agent": "agent_inactive",
    "agent in the trash": "agent_not_found",
}


def start_queued(me: RegisteredUser, client: Client, path: str) -> str:
    """Start an execution that is queued behind another one, and return its path."""
    set_plan(me, "free", max_concurrent_executions=1)
    start_execution(me, create_workflow(me, FLOW, "First"))
    response = client.post(f"{path}/executions", {"input": "1"})
    assert response.json["waitsFor"] == "organization", response.text
    return str(response.headers["Location"])


def close(me: RegisteredUser, path: str, how: str) -> None:
    method, suffix, body = CLOSINGS[how]
    assert me.client.call(method, path + suffix, body).status in (200, 204)


def create_target(me: RegisteredUser, how: str) -> str:
    return create_agent(me) if "agent" in how else create_workflow(me, FLOW)


def outcome(me: RegisteredUser, execution: str) -> tuple[str, Any]:
    """Return the status of an execution with the code of its error; agents' show the message alone."""
    shown = me.client.get(execution).json
    error = shown.get("error")
    return shown["status"], error["code"] if isinstance(error, dict) else shown.get("errorCode")


@pytest.mark.parametrize("how", CLOSINGS)
def test_queued_executions_are_cancelled_when_their_workflow_or_agent_is_closed(
    me: RegisteredUser, starter: Starter, how: str
) -> None:
    path = create_target(me, how)
    execution = start_queued(me, me.client, path)
    close(me, path, how)
    assert me.client.get(execution).json["status"] == "cancelled"


@pytest.mark.parametrize("how", ["deactivated", "archived", "in the trash"])
def test_the_parent_of_a_queued_execution_wakes_when_its_workflow_is_closed(
    me: RegisteredUser, starter: Starter, how: str
) -> None:
    waiting = [node("w", "wait", until="callback")]
    flow = create_workflow(me, definition(waiting, "start > w", concurrency={"limit": 1}))
    start_execution(me, flow)
    calling = definition([node("sub", "subworkflow", workflowId=flow.rpartition("/")[2])], "start > sub")
    caller = start_execution(me, create_workflow(me, calling, "Caller"))
    starter.run_pending()
    assert outcome(me, caller)[0] == "waiting"
    close(me, flow, how)
    assert outcome(me, caller) == ("failed", "subworkflow_failed")


@pytest.mark.parametrize("how", CLOSINGS)
def test_one_that_was_missed_is_cancelled_when_it_begins(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(closing, "cancel_queued", lambda *_: None)
    path = create_target(me, how)
    execution = start_queued(me, me.client, path)
    close(me, path, how)
    starter.run_pending()
    status, code = outcome(me, execution)
    assert status == "cancelled" and code in (CODES[how], None)


@pytest.mark.parametrize("kind", ["workflow", "agent"])
def test_a_queued_execution_of_a_removed_member_is_cancelled(
    me: RegisteredUser, starter: Starter, kind: str
) -> None:
    member = register_member(me, "member")
    execution = start_queued(me, member.client, create_target(me, kind))
    assert me.client.delete(member_path(me, member)).status == 204
    starter.run_pending()
    status, code = outcome(me, execution)
    assert status == "cancelled" and code in ("not_a_member", None)


def test_a_queued_execution_of_a_revoked_key_is_cancelled(me: RegisteredUser, starter: Starter) -> None:
    key = client_with_new_key(me, "workflows:execute")
    execution = start_queued(me, key, create_workflow(me, FLOW))
    (item,) = me.client.get("/v1/api-keys").json["items"]
    assert me.client.delete(f"/v1/api-keys/{item['id']}").status == 204
    starter.run_pending()
    assert outcome(me, execution) == ("cancelled", "api_key_not_found")


def test_an_owner_takes_over_the_queued_execution_of_an_event(me: RegisteredUser, starter: Starter) -> None:
    member = register_member(me, "member")
    execution = start_queued(me, member.client, create_workflow(me, FLOW))
    organization_id, execution_id = UUID(me.organization["id"]), UUID(execution.rpartition("/")[2])
    row = WorkflowExecutionRow.get(*WorkflowExecutionRow.at(organization_id, execution_id))
    row.update(actions=[WorkflowExecutionRow.mode.set("event")])
    assert me.client.delete(member_path(me, member)).status == 204
    starter.run_pending()
    shown = me.client.get(execution).json
    assert (shown["status"], shown["userId"]) == ("completed", me.user["id"])
