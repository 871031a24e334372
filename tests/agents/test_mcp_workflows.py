"""Workflows as tools of the Model Context Protocol: with plain requests, and with the reference client."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client

from tests.agents.execution_helpers import Starter, execute_immediately
from tests.agents.http_gateway import serve_gateway
from tests.agents.mcp_requests import HANDSHAKE, STATELESS, call_tool, create_agent_tool, id_in, send_request
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser, register
from tests.organizations.organization_helpers import client_with_new_key
from tests.workflows.definitions import definition, node
from weconnect.agents.mcp import protocol, server, tool_names, workflow_tools

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


@pytest.fixture
def immediate(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finish executions before the call that starts them returns."""
    execute_immediately(starter, monkeypatch)


def offer_workflow(me: RegisteredUser, *more: Any, name: str = "Double", **settings: Any) -> str:
    """Create an active workflow that doubles `n` and is offered as a tool; return the tool's name."""
    value = definition(
        [node("a", "set", values={"double": "{{ n * 2 }}"}), *more],
        "start > a",
        *(f"a > {each['id']}" for each in more),
        **({"offerAsTool": True} | settings),
    )
    value["nodes"][0] = node("start", "manual", inputSchema=SCHEMA)
    path = create_workflow(me, value | {"description": "Doubles a number"}, name)
    return tool_names.with_id(name, workflow_tools.WORKFLOW, UUID(path.rpartition("/")[2]))


def list_tool_names(client: Any) -> list[str]:
    return [tool["name"] for tool in send_request(client, "tools/list").json["result"]["tools"]]


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
def test_the_reference_client_calls_workflows(me: RegisteredUser, immediate: None, mode: str) -> None:
    helper = create_agent_tool(me)
    name, failing = (
        offer_workflow(me),
        offer_workflow(me, node("s", "stop", outcome="failed", message="no"), name="Fails"),
    )
    key = client_with_new_key(me, "agents:execute", "workflows:execute")

    async def talk(address: str) -> tuple[Any, ...]:
        async with httpx2.AsyncClient(headers=dict(key.headers), trust_env=False) as http:
            transport = streamable_http_client(f"{address}/v1/mcp", http_client=http)
            async with McpClient(transport, mode=mode) as client:
                listing = await client.list_tools()
                result = await client.call_tool(name, {"n": 21})
                wrong = await client.call_tool(name, {"n": "x"})
                failed = await client.call_tool(failing, {"n": 1})
                return client.protocol_version, listing, result, wrong, failed

    with serve_gateway() as address:
        version, listing, result, wrong, failed = asyncio.run(talk(address))
    assert version == (HANDSHAKE if mode == "legacy" else STATELESS)
    assert [tool.name for tool in listing.tools] == [
        "get_agent_run",
        helper,
        "get_workflow_run",
        failing,
        name,
    ]
    tool = listing.tools[-1]
    assert (tool.title, tool.description, tool.input_schema) == ("Double", "Doubles a number", SCHEMA)
    assert (json.loads(result.content[0].text), result.is_error) == ([{"n": 21, "double": 42}], False)
    assert wrong.is_error and "/n" in wrong.content[0].text
    assert failed.is_error and "no" in failed.content[0].text
    executions = me.client.get("/v1/executions").json["items"]
    assert sorted(run["status"] for run in executions) == ["completed", "failed"]
    assert {run["mode"] for run in executions} == {"api"} and all(run["apiKeyId"] for run in executions)


def test_only_active_offered_workflows_are_tools(me: RegisteredUser, immediate: None) -> None:
    name, private = offer_workflow(me), offer_workflow(me, name="Private", offerAsTool=False)
    stranger = register("stranger@example.com")
    theirs = offer_workflow(stranger)
    assert list_tool_names(me.client) == ["get_agent_run", "get_workflow_run", name]
    assert list_tool_names(stranger.client) == ["get_agent_run", "get_workflow_run", theirs]
    for unknown in (private, theirs):
        response = send_request(me.client, "tools/call", {"name": unknown, "arguments": {"n": 1}})
        assert response.json["error"]["code"] == protocol.INVALID_PARAMS, unknown
    path = f"/v1/workflows/{id_in(name)}"
    for action in ("deactivate", "archive"):
        assert me.client.post(f"{path}/{action}").status == 200
        assert list_tool_names(me.client) == ["get_agent_run"], action
        response = send_request(me.client, "tools/call", {"name": name, "arguments": {"n": 1}})
        assert response.json["error"]["code"] == protocol.INVALID_PARAMS
    assert me.client.get("/v1/executions").json["items"] == []


def test_workflow_tools_need_the_permission_to_execute_workflows(me: RegisteredUser, immediate: None) -> None:
    name = offer_workflow(me)
    key = client_with_new_key(me, "agents:execute")
    assert list_tool_names(key) == ["get_agent_run"]
    for names, arguments in ((name, {"n": 1}), ("get_workflow_run", {"executionId": str(UUID(int=1))})):
        response = send_request(key, "tools/call", {"name": names, "arguments": arguments})
        assert response.json["error"]["code"] == protocol.INVALID_PARAMS
    assert me.client.get("/v1/executions").json["items"] == []


def test_the_result_of_a_long_execution_can_be_fetched_later(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WAIT_SECONDS", 0)
    name = offer_workflow(me, execution="express")
    result = call_tool(me.client, name, n=4)
    ids = result["structuredContent"]
    assert ids["status"] == "pending" and result["isError"] is False, "not executed within this call"
    starter.run_pending()
    done = call_tool(me.client, "get_workflow_run", executionId=ids["executionId"])
    assert json.loads(done["content"][0]["text"]) == [{"n": 4, "double": 8}]
    stranger = register("stranger@example.com")
    refused = call_tool(stranger.client, "get_workflow_run", executionId=ids["executionId"])
    assert refused["isError"] and "Execution not found" in refused["content"][0]["text"]
    other = client_with_new_key(me, "agents:execute", "workflows:execute")
    assert call_tool(other, "get_workflow_run", executionId=ids["executionId"])["isError"] is False, (
        "the same user"
    )
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 0})
    assert limit.status == 200
    over = call_tool(me.client, name, n=4)
    assert over["isError"] and over["_meta"]["weconnect/code"] == "execution_limit_reached"


def test_pages_of_workflows_follow_those_of_agents(
    me: RegisteredUser, immediate: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow_tools, "PAGE_SIZE", 2)
    names = [create_agent_tool(me), *(offer_workflow(me, name=f"Flow {number}") for number in range(5))]
    seen, cursor = [], None
    while True:
        result = send_request(me.client, "tools/list", {"cursor": cursor} if cursor else {}).json["result"]
        seen += [tool["name"] for tool in result["tools"]]
        if not (cursor := result.get("nextCursor")):
            break
    assert sorted(seen) == sorted(["get_agent_run", "get_workflow_run", *names])
    response = send_request(me.client, "tools/list", {"cursor": "workflows:x"})
    assert response.json["error"]["code"] == protocol.INVALID_PARAMS


def test_an_offered_workflow_must_declare_its_input_schema(me: RegisteredUser) -> None:
    value = definition([node("a", "noop")], "start > a", offerAsTool=True)
    path = me.client.post("/v1/workflows", {"name": "Flow", **value}).headers["Location"]
    assert me.client.post(f"{path}/activate", {}).json["errors"][0]["code"] == "no_input_schema"
    value["nodes"][0] = node("start", "manual", inputSchema={"type": "array"})
    assert me.client.patch(path, {"nodes": value["nodes"]}).status == 200
    (wrong,) = me.client.post(f"{path}/activate", {}).json["errors"]
    assert wrong["pointer"] == "/nodes/0/parameters/inputSchema" and "an object" in wrong["detail"]
