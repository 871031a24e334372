"""Retries of executions, error workflows, subworkflows and agents."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import (
    create_workflow,
    execute_workflow,
    http_node,
    statuses_by_path,
)
from tests.factories import RegisteredUser
from tests.workflows.definitions import connect, definition, node
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse


def test_a_retry_from_the_failed_node_reuses_the_outputs_of_completed_nodes(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = definition(
        [http_node("a", "https://x/ok"), http_node("b", "https://x/status/503")], "start > a", "a > b"
    )
    failed = execute_workflow(me, starter, value, {"n": 1})
    assert failed["status"] == "failed"
    calls.clear()

    def succeed(method: str, url: str, **options: Any) -> OutboundResponse:
        calls.append((url, ""))
        return OutboundResponse(200, {}, b"fine", url)

    monkeypatch.setattr(outbound, "send", succeed)
    again = me.client.post(f"/v1/executions/{failed['id']}/retry")
    assert again.status == 202 and again.json["retryOf"] == failed["id"] and again.json["retryCount"] == 1
    starter.run_pending()
    done = me.client.get(again.headers["Location"]).json
    assert done["status"] == "completed" and [url for url, _ in calls] == ["https://x/status/503"]
    assert [each["retriedFrom"] for each in done["nodes"]] == [None, failed["id"], None]
    whole = me.client.post(f"/v1/executions/{failed['id']}/retry", {"from": "start"})
    starter.run_pending()
    assert me.client.get(whole.headers["Location"]).json["input"] == {"n": 1} and len(calls) == 3


def test_an_error_workflow_is_started_once(me: RegisteredUser, starter: Starter) -> None:
    handling = {
        "nodes": [node("start", "error"), node("a", "stop", outcome="failed", message="{{ error.code }}")],
        "connections": [connect("start > a")],
    }
    handler = create_workflow(me, handling, "Handler").rpartition("/")[2]
    me.client.patch(f"/v1/workflows/{handler}", {"settings": {"errorWorkflowId": handler}})
    me.client.post(f"/v1/workflows/{handler}/activate", {})
    failing = definition([node("s", "stop", outcome="failed")], "start > s", errorWorkflowId=handler)
    failed = execute_workflow(me, starter, failing)
    handled = me.client.get(f"/v1/executions?workflowId={handler}").json["items"]
    assert [(each["parentExecutionId"], each["mode"], each["error"]["message"]) for each in handled] == [
        (failed["id"], "event", "stopped")
    ]


def test_an_error_workflow_begins_with_its_enabled_error_trigger(
    me: RegisteredUser, starter: Starter
) -> None:
    nodes = [node("by_hand", "manual"), node("off", "error", isEnabled=False), node("on", "error")]
    nodes.append(node("code", "set", values={"code": "{{ error.code }}"}))
    connections = [connect(f"{trigger} > code") for trigger in ("by_hand", "off", "on")]
    handler = create_workflow(me, {"nodes": nodes, "connections": connections}, "Handler").rpartition("/")[2]
    execute_workflow(
        me, starter, definition([node("s", "stop", outcome="failed")], "start > s", errorWorkflowId=handler)
    )
    (handled,) = me.client.get(f"/v1/executions?workflowId={handler}").json["items"]
    handled = me.client.get(f"/v1/executions/{handled['id']}").json
    expected = {"by_hand": "skipped", "off": "skipped", "on": "completed", "code": "completed"}
    assert statuses_by_path(handled) == expected
    assert handled["output"][0]["code"] == "stopped"


def test_an_error_workflow_without_an_error_trigger_begins_with_its_event_trigger(
    me: RegisteredUser, starter: Starter
) -> None:
    nodes = [node("by_hand", "manual"), node("on", "event", types=["order.created"]), node("a", "noop")]
    connections = [connect("by_hand > a"), connect("on > a")]
    handler = create_workflow(me, {"nodes": nodes, "connections": connections}, "Handler").rpartition("/")[2]
    execute_workflow(
        me, starter, definition([node("s", "stop", outcome="failed")], "start > s", errorWorkflowId=handler)
    )
    (handled,) = me.client.get(f"/v1/executions?workflowId={handler}").json["items"]
    handled = me.client.get(f"/v1/executions/{handled['id']}").json
    assert statuses_by_path(handled) == {"by_hand": "skipped", "on": "completed", "a": "completed"}


def test_a_subworkflow_is_an_execution_of_its_own(me: RegisteredUser, starter: Starter) -> None:
    inner = create_workflow(
        me, definition([node("a", "set", values={"double": "{{ n * 2 }}"})], "start > a"), "Inner"
    )
    value = definition(
        [node("sub", "subworkflow", workflowId=inner.rpartition("/")[2]), node("b", "noop")],
        "start > sub",
        "sub > b",
    )
    execution = execute_workflow(me, starter, value, [{"n": 1}, {"n": 2}])
    assert execution["output"] == [{"n": 1, "double": 2}, {"n": 2, "double": 4}]
    (child,) = me.client.get("/v1/executions?mode=subworkflow").json["items"]
    assert child["parentExecutionId"] == execution["id"]
    me.client.post(f"{inner}/deactivate")
    failed = execute_workflow(me, starter, value, name="Second")
    assert failed["error"]["code"] == "workflow_inactive"


def test_an_agents_execution_is_part_of_the_workflows(me: RegisteredUser, starter: Starter) -> None:
    agent = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    me.client.post(f"{agent}/tools", {"toolName": "calculator"})
    value = definition(
        [node("ask", "agent", agentId=agent.rpartition("/")[2], input="what is {{ a }} * {{ b }}?")],
        "start > ask",
    )
    execution = execute_workflow(me, starter, value, {"a": 17, "b": 23})
    assert execution["status"] == "completed", execution["error"]
    assert "391" in execution["output"][0]["output"]
    inner = me.client.get(f"{agent}/executions/{execution['output'][0]['executionId']}").json
    assert inner["status"] == "completed" and inner["parentExecutionId"] == execution["id"]
