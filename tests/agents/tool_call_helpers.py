"""Scripted tool calls and decisions about them, for tests of executions with approvals and nested executions."""

from datetime import timedelta
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute
from tests.factories import RegisteredUser
from tests.gateway import ApiResponse, Client
from weconnect import clock
from weconnect.models.messages import ModelReply, ToolCall


def calculator_calls(*expressions: str, tool: str = "calculator") -> ModelReply:
    """Return a reply that calls the calculator with each expression."""
    calls = [
        ToolCall(id=f"call-{number}", name=tool, arguments={"expression": expression})
        for number, expression in enumerate(expressions)
    ]
    return ModelReply(tool_calls=calls, input_tokens=10, output_tokens=5, cost_micros=100)


DONE = ModelReply(text="done", input_tokens=10, output_tokens=5, cost_micros=100)


def agent_call(text: str, tool: str = "expert", **more: str) -> ModelReply:
    """Return a reply that asks another agent."""
    call = ToolCall(id="ask", name=tool, arguments={"input": text, **more})
    return ModelReply(tool_calls=[call], input_tokens=10, output_tokens=5, cost_micros=100)


def start_and_suspend(
    me: RegisteredUser, starter: Starter, path: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Start an execution that suspends; return it with its one approval request."""
    execution = execute(me, starter, path, "work it out")
    assert execution["status"] == "waiting", execution
    (approval,) = me.client.get("/v1/approvals").json["items"]
    assert execution["waitingFor"] == [approval["id"]]
    return execution, approval


def decide(client: Client, approval: dict[str, Any], **decision: Any) -> ApiResponse:
    """Decide about an approval request; approves unless `decision` says otherwise."""
    return client.post(f"/v1/approvals/{approval['id']}/decide", {"decision": "approve", **decision})


def require_approval(me: RegisteredUser, path: str, name: str = "calculator", **fields: Any) -> None:
    """Give an agent a tool whose calls need an approval."""
    approval = {"expiresInSeconds": 604_800}
    tool = {"toolName": name, "requiresApproval": True, "approval": approval, **fields}
    assert me.client.post(f"{path}/tools", tool).status == 201


def create_guarded_agent(me: RegisteredUser) -> str:
    """Create an agent whose calculator needs an approval; return its path."""
    path = create_agent(me)
    require_approval(me, path)
    return path


def create_guarded_pair(me: RegisteredUser) -> tuple[str, str]:
    """Create an agent that asks another one, whose calculator needs an approval; return both paths."""
    expert = me.client.post("/v1/agents", {"name": "Expert"}).json["id"]
    require_approval(me, f"/v1/agents/{expert}")
    path = create_agent(me)
    tool = {"toolName": "expert", "toolType": "agent", "configuration": {"agentId": expert}}
    assert me.client.post(f"{path}/tools", tool).status == 201
    return path, f"/v1/agents/{expert}"


def only_execution(me: RegisteredUser, path: str) -> dict[str, Any]:
    """Return the one execution of an agent."""
    (execution,) = me.client.get(f"{path}/executions").json["items"]
    return dict(execution)


def move_clock(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    """Stop the clock at a later time; `delta` is that of a timedelta."""
    moment = clock.now() + timedelta(**delta)
    monkeypatch.setattr(clock, "now", lambda: moment)
