"""What one feature does to another: shares, gates, events, children, retries, deletions, through the real handlers."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran
from tests.executions.test_event_triggers import deliver, event_runs, listening, messages, raised
from tests.factories import Registered
from tests.gateway import Client
from tests.organizations.people import code, colleague, member_path, on_plan, path
from tests.organizations.test_erasure import rows_with
from tests.recorded import Recorded
from tests.workflows.definitions import connect, definition, node
from tests.workflows.test_shares import person_of, shared
from tests.workflows.test_variables import CANARY, variable
from weconnect.db import table
from weconnect.executions import event_starts, sweeper
from weconnect.executions.concurrency import admission
from weconnect.executions.lifecycle import Place
from weconnect.executions.rows import ExecutionRow
from weconnect.expressions.rendering import ExpressionError
from weconnect.organizations.rows import OrganizationRow
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.trash import purge
from weconnect.workflows.engine.execution_loop import run_workflow

FAILS = definition([node("s", "stop", outcome="failed")], "start > s")
HANDLER = {"nodes": [node("on", "error"), node("a", "noop")], "connections": [connect("on > a")]}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Requests to the outside: the address, and everything else."""
    seen: list[tuple[str, Any]] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen.append((url, options))
        return OutboundResponse(200, {}, b"x", url)

    monkeypatch.setattr(outbound, "send", send)
    return seen


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def limited(me: Registered, name: str = "Limited", **concurrency: Any) -> str:
    """A workflow whose runs wait for a callback, one at a time."""
    nodes = [node("w", "wait", until="callback")]
    return made(me, definition(nodes, "start > w", concurrency={"limit": 1, **concurrency}), name)


def calling(me: Registered, flow: str, **more: Any) -> str:
    return made(
        me, definition([node("sub", "subworkflow", workflowId=id_of(flow), **more)], "start > sub"), "Caller"
    )


def status(me: Registered, run: str) -> tuple[str, str | None]:
    found = me.client.get(run).json
    return found["status"], found.get("waitsFor")


def runs_of(me: Registered, mode: str) -> list[Any]:
    return list(me.client.get(f"/v1/executions?mode={mode}").json["items"])


def purged(me: Registered, flow: str) -> None:
    """Delete a workflow for good, as the stream's record then has it."""
    assert me.client.delete(flow).status == me.client.delete(f"{flow}?purge=true").status == 204
    assert purge.purge({"pk": f"ORG#{me.organization['id']}", "sk": f"TRASH#WORKFLOW#{id_of(flow)}"})


# Shares and secrets


@pytest.mark.parametrize("kind", ["guest", "viewer"])
def test_who_may_only_run_it_chooses_no_address_for_its_secrets(
    me: Registered, starter: Starter, sent: list[tuple[str, Any]], kind: str
) -> None:
    """What a node gets from others is the definition's in a run, and the tester's in a test."""
    variable(me, "token", CANARY, "secret")
    url = "{{ $nodes.config.output.url }}"
    nodes = [
        node("config", "set", values={"url": "https://good.example"}),
        node("call", "http_request", url=url, headers={"X-Api-Key": "{{ $vars.token }}"}),
    ]
    flow = made(me, definition(nodes, "start > config", "config > call"))
    person = person_of(kind, me)
    shared(me, flow, person, "execute")
    body = {"nodes": {"config": {"main": [{"url": "https://evil.example"}]}}}
    answer = person.client.post(f"{flow}/nodes/call/test", body)
    assert code(answer) == (403, "share_too_low") and sent == []
    person.client.post(f"{flow}/executions", {"input": {"url": "https://evil.example"}})
    starter.run_pending()
    assert [url for url, _ in sent] == ["https://good.example"]


# Retries


@pytest.mark.parametrize("change", ["archive", "deactivate"])
def test_no_run_begins_again_of_a_workflow_that_was_put_away(
    me: Registered, starter: Starter, change: str
) -> None:
    flow = made(me, FAILS)
    run, tried = begun(me, flow), begun(me, flow, mode="test")
    starter.run_pending()
    me.client.post(f"{flow}/{change}")
    assert code(me.client.post(f"{run}/retry", {})) == (409, "workflow_inactive")
    assert me.client.post(f"{tried}/retry", {}).status == (409 if change == "archive" else 202)


def test_a_childs_retry_needs_a_place_of_its_own(me: Registered, starter: Starter) -> None:
    ran(
        me,
        starter,
        definition([node("s", "subworkflow", workflowId=id_of(made(me, FAILS)))], "start > s"),
        name="C",
    )
    (child,) = runs_of(me, "subworkflow")
    on_plan(me, "free", max_concurrent_executions=1)
    begun(me, limited(me))
    retried = me.client.post(f"/v1/executions/{child['id']}/retry", {})
    assert (retried.status, retried.json["waitsFor"]) == (202, "organization")


def test_a_retried_error_workflow_calls_no_other(me: Registered, starter: Starter) -> None:
    handler = made(
        me, HANDLER | {"nodes": [node("on", "error"), node("a", "stop", outcome="failed")]}, "Handler"
    )
    settings = {"errorWorkflowId": id_of(handler)}
    assert me.client.patch(handler, {"settings": settings}).status == 200
    assert me.client.post(f"{handler}/activate", {}).status == 200
    ran(me, starter, FAILS | {"settings": settings})
    (handling,) = event_runs(me)
    assert me.client.post(f"/v1/executions/{handling['id']}/retry", {}).status == 202
    starter.run_pending()
    assert [run["status"] for run in event_runs(me)] == ["failed", "failed"]


# Gates


def test_an_organization_in_the_trash_lets_none_in(me: Registered, starter: Starter) -> None:
    on_plan(me, "enterprise", max_concurrent_executions=1)
    flow = made(me, definition([node("a", "noop")], "start > a"))
    runs = [begun(me, flow) for _ in range(3)]
    assert me.client.delete(path(me)).status == 204
    sweeper.sweep()
    assert len({request["DurableExecutionName"] for request in starter.asked}) == 1
    assert [bool(row_of(me, run).queued_at) for run in runs] == [False, True, True]


def row_of(me: Registered, run: str) -> ExecutionRow:
    at = ExecutionRow.at(UUID(me.organization["id"]), UUID(id_of(run)))
    return table.need(ExecutionRow, at, "execution")


def test_the_newest_is_the_one_that_began_last(me: Registered, starter: Starter) -> None:
    """A child's id has the time of the run that started it, which may have begun long before."""
    flow = limited(me, policy="cancel_running")
    caller = begun(me, calling(me, flow))
    first = begun(me, flow)
    starter.asked.reverse()
    starter.run_pending()
    (child,) = runs_of(me, "subworkflow")
    assert status(me, first)[0] == "cancelled" and child["status"] == "waiting"
    assert status(me, caller)[0] == "waiting"


def test_a_purged_workflow_leaves_no_gate_and_nobody_waiting(me: Registered, starter: Starter) -> None:
    flow = limited(me, key="{{ $trigger.customer }}")
    runs = [begun(me, flow, {"customer": "jo@example.com"}) for _ in range(3)]
    caller = begun(me, calling(me, flow))
    starter.run_pending()
    queued = begun(me, flow)
    assert [status(me, run)[0] for run in (*runs, caller)] == ["waiting", "pending", "pending", "waiting"]
    assert status(me, queued) == ("pending", "workflow")
    purged(me, flow)
    left = rows_with(f"#WORKFLOW#{id_of(flow)}")
    assert not [place for place in left if "PLACES" in place or "QUEUE" in place], left
    for run in (*runs[1:], queued):
        admission.invoke(row_of(me, run))  # as the sweeper does half a minute later
    starter.run_pending()
    ended = [me.client.get(run).json for run in (*runs[1:], queued)]
    assert [(run["status"], run["error"]["code"]) for run in ended] == [("failed", "workflow_gone")] * 3
    assert me.client.post(f"{runs[0]}/cancel").json["status"] == "cancelled"


def test_a_run_that_took_too_long_for_its_caller_keeps_no_place(me: Registered, starter: Starter) -> None:
    flow = limited(me)
    run = begun(me, calling(me, flow))
    starter.asked.clear()
    steps = Recorded()
    steps.sent["sub~1/run"] = None  # its time is over
    run_workflow(steps, Place(UUID(me.organization["id"]), UUID(id_of(run))))
    assert me.client.get(run).json["error"]["code"] == "subworkflow_timeout"
    assert [child["status"] for child in runs_of(me, "subworkflow")] == ["cancelled"]
    assert status(me, begun(me, flow)) == ("pending", None)


def test_two_that_wait_for_each_other_end_with_one_callers_patience(me: Registered, starter: Starter) -> None:
    flows = [limited(me, name=name) for name in ("A", "B")]
    for name, flow, other in (("a", *flows), ("b", *reversed(flows))):
        sub = node(name, "subworkflow", workflowId=id_of(other))
        value = definition([sub], f"start > {name}", concurrency={"limit": 1})
        assert me.client.patch(flow, value).status == 200
        assert me.client.post(f"{flow}/activate", {}).status == 200
    runs = [begun(me, flow) for flow in flows]
    starter.run_pending()
    sweeper.sweep()
    assert [status(me, run)[0] for run in runs] == ["waiting"] * 2 and starter.asked == []
    assert [child["waitsFor"] for child in runs_of(me, "subworkflow")] == ["workflow"] * 2
    request, steps = starter.waiting.pop(0)
    steps.sent["a~1/run"] = None  # its time is over
    starter._carry(request, steps)
    children = {child["parentExecutionId"]: child for child in runs_of(me, "subworkflow")}
    assert [children[id_of(run)]["status"] for run in runs] == ["cancelled", "pending"]
    assert children[id_of(runs[1])]["waitsFor"] is None, "it was let in"


@pytest.mark.parametrize(
    "key",
    [
        "{{ $decodeUrl('%ED%A0%80') }}",
        "{{ $trigger.half }}",
        '{{ $pad("", 10000000, "#") }}',
        "{{ ($f := function() { $f() }; $f()) }}",
    ],
)
def test_no_key_is_our_fault(me: Registered, starter: Starter, key: str) -> None:
    flow = limited(me, key=key)
    for _ in range(2):
        answer = me.client.post(f"{flow}/executions", {"input": {"half": "\u2028\x00"}})
        assert code(answer) in ((202, None), (422, "concurrency_key_failed")), answer.text


# What began by itself


def test_a_deleted_run_does_not_begin_again(
    me: Registered,
    starter: Starter,
    queue_of_events: str,
) -> None:
    """Neither by its event, which the queue may deliver again, nor by the run whose error it handled."""
    listening(me, "order.created")
    raised(me, "order.created")
    (body,) = messages(queue_of_events)
    deliver(body)
    handler = made(me, HANDLER, "Handler")
    failed = ran(me, starter, FAILS | {"settings": {"errorWorkflowId": id_of(handler)}})
    found = event_runs(me)
    assert len(found) == 2
    for run in found:
        assert me.client.delete(f"/v1/executions/{run['id']}").status == 204
    assert deliver(body) == {"batchItemFailures": []}
    sweeper.close(UUID(me.organization["id"]).hex + UUID(failed["id"]).hex, "SUCCEEDED", "")
    assert event_runs(me) == [] and starter.asked == []


def test_events_of_who_left_go_on_in_an_owners_name(
    me: Registered,
    starter: Starter,
    queue_of_events: str,
) -> None:
    person = colleague(me, "admin")
    listening(person, "order.created")
    for expected in (person, me):
        raised(me, "order.created")
        assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
        assert event_runs(me)[0]["userId"] == expected.user["id"]
        me.client.delete(member_path(me, person))
    assert len(event_runs(me)) == 2


def test_no_event_begins_a_run_while_the_organization_is_not_active(
    me: Registered,
    starter: Starter,
    queue_of_events: str,
) -> None:
    listening(me, "order.created")
    raised(me, "order.created")
    row = OrganizationRow.get(*OrganizationRow.at(me.organization["id"]))
    table.change(row, {"is_active": False}, {})
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    table.change(row, {"is_active": True}, {})
    assert event_runs(me) == []


def test_slow_conditions_end_the_patience_with_their_event(
    me: Registered,
    starter: Starter,
    queue_of_events: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or the function's time would be over, and what comes with the event would be tried again and given up."""
    seconds, tried = [0.0], []

    def evaluate(expression: str, *_: Any) -> Any:
        tried.append(expression)
        seconds[0] += 3
        raise ExpressionError("Took longer than 3 s", expression)

    for number in range(8):
        listening(me, "order.created", name=f"Bomb {number}", condition="data.n > 1")
    monkeypatch.setattr(event_starts, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(event_starts.expressions, "evaluate", evaluate)
    raised(me, "order.created")
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    assert len(tried) == 4 and event_runs(me) == []


# Links


@pytest.mark.parametrize("token", ["%00", "%ED%A0%80", "%F0%9F%98%80", "..", "%2e%2e%2f", "x" * 500])
def test_no_token_of_a_link_is_our_fault(aws: None, token: str) -> None:
    assert Client().get(f"/v1/shared/{token}").status in (404, 422)
