"""Features in combination: shares, concurrency limits, events, children, retries and deletions."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.executions.test_event_triggers import (
    deliver,
    list_event_executions,
    publish_event,
    receive_messages,
    subscribe_workflow,
)
from tests.factories import RegisteredUser
from tests.gateway import Client
from tests.in_memory_steps import InMemorySteps
from tests.organizations.organization_helpers import (
    member_path,
    organization_path,
    register_member,
    set_plan,
    status_and_code,
)
from tests.organizations.test_erasure import rows_with
from tests.workflows.definitions import connect, definition, node
from tests.workflows.test_shares import person_of, shared
from tests.workflows.test_variables import CANARY, create_variable
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.executions import sweeper
from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.organizations.rows import OrganizationRow
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.trash import purge
from weconnect.workflows.engine.execution_loop import run_workflow
from weconnect.workflows.executions import event_starts
from weconnect.workflows.executions.rows import ExecutionKey, WorkflowExecutionRow

FAILS = definition([node("s", "stop", outcome="failed")], "start > s")
HANDLER = {"nodes": [node("on", "error"), node("a", "noop")], "connections": [connect("on > a")]}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Record the outbound requests: the URL, and everything else as text."""
    seen: list[tuple[str, Any]] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen.append((url, options))
        return OutboundResponse(200, {}, b"x", url)

    monkeypatch.setattr(outbound, "send", send)
    return seen


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def limited_workflow(me: RegisteredUser, name: str = "Limited", **concurrency: Any) -> str:
    """Create a workflow whose executions wait for a callback, at most one of them open."""
    nodes = [node("w", "wait", until="callback")]
    return create_workflow(me, definition(nodes, "start > w", concurrency={"limit": 1, **concurrency}), name)


def calling_workflow(me: RegisteredUser, flow: str, **more: Any) -> str:
    return create_workflow(
        me, definition([node("sub", "subworkflow", workflowId=id_of(flow), **more)], "start > sub"), "Caller"
    )


def status(me: RegisteredUser, execution: str) -> tuple[str, str | None]:
    execution_json = me.client.get(execution).json
    return execution_json["status"], execution_json.get("waitsFor")


def list_executions(me: RegisteredUser, mode: str) -> list[Any]:
    return list(me.client.get(f"/v1/executions?mode={mode}").json["items"])


def purge_workflow(me: RegisteredUser, flow: str) -> None:
    """Delete a workflow for good, and return its key as the stream's record has it."""
    assert me.client.delete(flow).status == me.client.delete(f"{flow}?purge=true").status == 204
    assert purge.purge({"pk": f"ORG#{me.organization['id']}", "sk": f"TRASH#WORKFLOW#{id_of(flow)}"})


# Shares and secrets


@pytest.mark.parametrize("kind", ["guest", "viewer"])
def test_someone_who_may_only_execute_a_workflow_cannot_choose_where_its_secrets_are_sent(
    me: RegisteredUser, starter: Starter, sent: list[tuple[str, Any]], kind: str
) -> None:
    """In an execution a node's items come from the definition, in a node test from the tester."""
    create_variable(me, "token", CANARY, "secret")
    url = "{{ $nodes.config.output.url }}"
    nodes = [
        node("config", "set", values={"url": "https://good.example"}),
        node("call", "http_request", url=url, headers={"X-Api-Key": "{{ $vars.token }}"}),
    ]
    flow = create_workflow(me, definition(nodes, "start > config", "config > call"))
    person = person_of(kind, me)
    shared(me, flow, person, "execute")
    body = {"nodes": {"config": {"main": [{"url": "https://evil.example"}]}}}
    answer = person.client.post(f"{flow}/nodes/call/test", body)
    assert status_and_code(answer) == (403, "share_too_low") and sent == []
    person.client.post(f"{flow}/executions", {"input": {"url": "https://evil.example"}})
    starter.run_pending()
    assert [url for url, _ in sent] == ["https://good.example"]


# Retries


@pytest.mark.parametrize("change", ["archive", "deactivate"])
def test_executions_of_an_archived_workflow_cannot_be_retried(
    me: RegisteredUser, starter: Starter, change: str
) -> None:
    flow = create_workflow(me, FAILS)
    execution, tried = start_execution(me, flow), start_execution(me, flow, mode="test")
    starter.run_pending()
    me.client.post(f"{flow}/{change}")
    assert status_and_code(me.client.post(f"{execution}/retry", {})) == (409, "workflow_inactive")
    assert me.client.post(f"{tried}/retry", {}).status == (409 if change == "archive" else 202)


def test_the_retry_of_a_child_needs_a_slot_of_its_own(me: RegisteredUser, starter: Starter) -> None:
    execute_workflow(
        me,
        starter,
        definition([node("s", "subworkflow", workflowId=id_of(create_workflow(me, FAILS)))], "start > s"),
        name="C",
    )
    (child,) = list_executions(me, "subworkflow")
    set_plan(me, "free", max_concurrent_executions=1)
    start_execution(me, limited_workflow(me))
    retried = me.client.post(f"/v1/executions/{child['id']}/retry", {})
    assert (retried.status, retried.json["waitsFor"]) == (202, "organization")


def test_a_retried_error_workflow_starts_no_further_error_workflow(
    me: RegisteredUser, starter: Starter
) -> None:
    handler = create_workflow(
        me, HANDLER | {"nodes": [node("on", "error"), node("a", "stop", outcome="failed")]}, "Handler"
    )
    settings = {"errorWorkflowId": id_of(handler)}
    assert me.client.patch(handler, {"settings": settings}).status == 200
    assert me.client.post(f"{handler}/activate", {}).status == 200
    execute_workflow(me, starter, FAILS | {"settings": settings})
    (handling,) = list_event_executions(me)
    assert me.client.post(f"/v1/executions/{handling['id']}/retry", {}).status == 202
    starter.run_pending()
    assert [execution["status"] for execution in list_event_executions(me)] == ["failed", "failed"]


# Gates


def test_nothing_is_admitted_while_the_organization_is_in_the_trash(
    me: RegisteredUser, starter: Starter
) -> None:
    set_plan(me, "enterprise", max_concurrent_executions=1)
    flow = create_workflow(me, definition([node("a", "noop")], "start > a"))
    executions = [start_execution(me, flow) for _ in range(3)]
    assert me.client.delete(organization_path(me)).status == 204
    sweeper.sweep()
    assert len({request["DurableExecutionName"] for request in starter.invocations}) == 1
    assert [bool(row_of(me, execution).queued_at) for execution in executions] == [False, True, True]


def row_of(me: RegisteredUser, execution: str) -> WorkflowExecutionRow:
    at = WorkflowExecutionRow.at(UUID(me.organization["id"]), UUID(id_of(execution)))
    return table.require(WorkflowExecutionRow, at, NotFound)


def test_cancel_running_keeps_the_execution_that_was_created_last(
    me: RegisteredUser, starter: Starter
) -> None:
    """The ID of a child has the time of its parent, which may have started long before."""
    flow = limited_workflow(me, policy="cancel_running")
    caller = start_execution(me, calling_workflow(me, flow))
    first = start_execution(me, flow)
    starter.invocations.reverse()
    starter.run_pending()
    (child,) = list_executions(me, "subworkflow")
    assert status(me, first)[0] == "cancelled" and child["status"] == "waiting"
    assert status(me, caller)[0] == "waiting"


def test_purging_a_workflow_deletes_its_semaphores_and_wakes_waiting_parents(
    me: RegisteredUser, starter: Starter
) -> None:
    flow = limited_workflow(me, key="{{ $trigger.customer }}")
    executions = [start_execution(me, flow, {"customer": "jo@example.com"}) for _ in range(3)]
    caller = start_execution(me, calling_workflow(me, flow))
    starter.run_pending()
    queued = start_execution(me, flow)
    assert [status(me, execution)[0] for execution in (*executions, caller)] == [
        "waiting",
        "pending",
        "pending",
        "waiting",
    ]
    assert status(me, queued) == ("pending", "workflow")
    purge_workflow(me, flow)
    left = rows_with(f"#WORKFLOW#{id_of(flow)}")
    assert not [sort_key for sort_key in left if "SLOTS" in sort_key or "QUEUE" in sort_key], left
    starter.run_pending()
    ended = [me.client.get(execution).json for execution in (*executions[1:], queued)]
    assert [(execution["status"], execution["error"]["code"]) for execution in ended] == [
        ("cancelled", "cancelled")
    ] * 3
    assert me.client.post(f"{executions[0]}/cancel").json["status"] == "cancelled"


def test_an_express_execution_that_timed_out_frees_its_slot(me: RegisteredUser, starter: Starter) -> None:
    flow = limited_workflow(me)
    execution = start_execution(me, calling_workflow(me, flow))
    starter.invocations.clear()
    steps = InMemorySteps()
    steps.callback_values["sub~1/run"] = None  # its time is over
    run_workflow(steps, ExecutionKey(UUID(me.organization["id"]), UUID(id_of(execution))))
    assert me.client.get(execution).json["error"]["code"] == "subworkflow_timeout"
    assert [child["status"] for child in list_executions(me, "subworkflow")] == ["cancelled"]
    assert status(me, start_execution(me, flow)) == ("pending", None)


def test_two_workflows_that_wait_for_each_other_end_when_one_times_out(
    me: RegisteredUser, starter: Starter
) -> None:
    flows = [limited_workflow(me, name=name) for name in ("A", "B")]
    for name, flow, other in (("a", *flows), ("b", *reversed(flows))):
        sub = node(name, "subworkflow", workflowId=id_of(other))
        value = definition([sub], f"start > {name}", concurrency={"limit": 1})
        assert me.client.patch(flow, value).status == 200
        assert me.client.post(f"{flow}/activate", {}).status == 200
    executions = [start_execution(me, flow) for flow in flows]
    starter.run_pending()
    sweeper.sweep()
    assert [status(me, execution)[0] for execution in executions] == [
        "waiting"
    ] * 2 and starter.invocations == []
    assert [child["waitsFor"] for child in list_executions(me, "subworkflow")] == ["workflow"] * 2
    request, steps = starter.suspended.pop(0)
    steps.callback_values["a~1/run"] = None  # its time is over
    starter._execute(request, steps)
    children = {child["parentExecutionId"]: child for child in list_executions(me, "subworkflow")}
    assert [children[id_of(execution)]["status"] for execution in executions] == ["cancelled", "pending"]
    assert children[id_of(executions[1])]["waitsFor"] is None, "it was admitted"


@pytest.mark.parametrize(
    "key",
    [
        "{{ $decodeUrl('%ED%A0%80') }}",
        "{{ $trigger.half }}",
        '{{ $pad("", 10000000, "#") }}',
        "{{ ($f := function() { $f() }; $f()) }}",
    ],
)
def test_no_concurrency_key_causes_an_internal_error(me: RegisteredUser, starter: Starter, key: str) -> None:
    flow = limited_workflow(me, key=key)
    for _ in range(2):
        answer = me.client.post(f"{flow}/executions", {"input": {"half": "\u2028\x00"}})
        assert status_and_code(answer) in ((202, None), (422, "concurrency_key_failed")), answer.text


# What began by itself


def test_a_deleted_execution_is_not_started_again(
    me: RegisteredUser,
    starter: Starter,
    queue_of_events: str,
) -> None:
    """Neither by its event, which the queue may deliver again, nor by the execution whose error it handled."""
    subscribe_workflow(me, "order.created")
    publish_event(me, "order.created")
    (body,) = receive_messages(queue_of_events)
    deliver(body)
    handler = create_workflow(me, HANDLER, "Handler")
    failed = execute_workflow(me, starter, FAILS | {"settings": {"errorWorkflowId": id_of(handler)}})
    executions = list_event_executions(me)
    assert len(executions) == 2
    for execution in executions:
        assert me.client.delete(f"/v1/executions/{execution['id']}").status == 204
    assert deliver(body) == {"batchItemFailures": []}
    sweeper.close(UUID(me.organization["id"]).hex + UUID(failed["id"]).hex, "SUCCEEDED", "")
    assert list_event_executions(me) == [] and starter.invocations == []


def test_an_owner_takes_over_the_event_triggers_of_a_member_who_left(
    me: RegisteredUser,
    starter: Starter,
    queue_of_events: str,
) -> None:
    person = register_member(me, "admin")
    subscribe_workflow(person, "order.created")
    for expected in (person, me):
        publish_event(me, "order.created")
        assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
        assert list_event_executions(me)[0]["userId"] == expected.user["id"]
        me.client.delete(member_path(me, person))
    assert len(list_event_executions(me)) == 2


def test_no_event_starts_an_execution_while_the_organization_is_inactive(
    me: RegisteredUser,
    starter: Starter,
    queue_of_events: str,
) -> None:
    subscribe_workflow(me, "order.created")
    publish_event(me, "order.created")
    row = OrganizationRow.get(*OrganizationRow.at(me.organization["id"]))
    table.change(row, {"is_active": False}, {})
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    table.change(row, {"is_active": True}, {})
    assert list_event_executions(me) == []


def test_an_event_with_many_slow_conditions_is_given_up_early(
    me: RegisteredUser,
    starter: Starter,
    queue_of_events: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the function would time out, and the other events of its batch would be retried and given up."""
    seconds, tried = [0.0], []

    def evaluate(expression: str, *_: Any) -> Any:
        tried.append(expression)
        seconds[0] += 3
        raise ExpressionError("Took longer than 3 s", expression)

    for number in range(8):
        subscribe_workflow(me, "order.created", name=f"Bomb {number}", condition="data.n > 1")
    monkeypatch.setattr(event_starts, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(rendering, "evaluate", evaluate)
    publish_event(me, "order.created")
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    assert len(tried) == 4 and list_event_executions(me) == []


# Links


@pytest.mark.parametrize("token", ["%00", "%ED%A0%80", "%F0%9F%98%80", "..", "%2e%2e%2f", "x" * 500])
def test_no_link_token_causes_an_internal_error(aws: None, token: str) -> None:
    assert Client().get(f"/v1/shared/{token}").status in (404, 422)
