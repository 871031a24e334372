"""Workflows as tools of the Model Context Protocol: by hand, and by the protocol's own client library."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client

from tests.agents.mcp_host import served
from tests.agents.runs import Starter
from tests.agents.test_mcp_server import HANDSHAKE, STATELESS, agent, ask, say
from tests.executions.runs import made
from tests.factories import Registered, registered
from tests.organizations.people import key_of
from tests.workflows.definitions import definition, node
from weconnect.agents.mcp import protocol, server, tool_names, workflow_tools

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture
def me(aws: None, starter: Starter) -> Registered:
    return registered()


@pytest.fixture
def at_once(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are over when they were started."""
    invoke = starter.invoke
    monkeypatch.setattr(starter, "invoke", lambda **asked: (invoke(**asked), starter.run_pending()))


def offered(me: Registered, *more: Any, name: str = "Double", **settings: Any) -> str:
    """The tool's name of an active workflow that doubles `n`."""
    value = definition(
        [node("a", "set", values={"double": "{{ n * 2 }}"}), *more],
        "start > a",
        *(f"a > {each['id']}" for each in more),
        **({"offerAsTool": True} | settings),
    )
    value["nodes"][0] = node("start", "manual", inputSchema=SCHEMA)
    path = made(me, value | {"description": "Doubles a number"}, name)
    return tool_names.with_id(name, workflow_tools.WORKFLOW, UUID(path.rpartition("/")[2]))


def listed(client: Any) -> list[str]:
    return [tool["name"] for tool in say(client, "tools/list").json["result"]["tools"]]


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
def test_the_protocols_own_client(me: Registered, at_once: None, mode: str) -> None:
    helper = agent(me)
    name, failing = offered(me), offered(me, node("s", "stop", outcome="failed", message="no"), name="Fails")
    key = key_of(me, "agents:execute", "workflows:execute")

    async def talk(address: str) -> tuple[Any, ...]:
        async with httpx2.AsyncClient(headers=dict(key.headers), trust_env=False) as http:
            transport = streamable_http_client(f"{address}/v1/mcp", http_client=http)
            async with McpClient(transport, mode=mode) as client:
                found = await client.list_tools()
                result = await client.call_tool(name, {"n": 21})
                wrong = await client.call_tool(name, {"n": "x"})
                failed = await client.call_tool(failing, {"n": 1})
                return client.protocol_version, found, result, wrong, failed

    with served() as address:
        version, found, result, wrong, failed = asyncio.run(talk(address))
    assert version == (HANDSHAKE if mode == "legacy" else STATELESS)
    assert [tool.name for tool in found.tools] == ["get_agent_run", helper, "get_workflow_run", failing, name]
    tool = found.tools[-1]
    assert (tool.title, tool.description, tool.input_schema) == ("Double", "Doubles a number", SCHEMA)
    assert (json.loads(result.content[0].text), result.is_error) == ([{"n": 21, "double": 42}], False)
    assert wrong.is_error and "/n" in wrong.content[0].text
    assert failed.is_error and "no" in failed.content[0].text
    runs = me.client.get("/v1/executions").json["items"]
    assert sorted(run["status"] for run in runs) == ["completed", "failed"]
    assert {run["mode"] for run in runs} == {"api"} and all(run["apiKeyId"] for run in runs)


def test_only_active_workflows_that_say_so_are_tools(me: Registered, at_once: None) -> None:
    name, private = offered(me), offered(me, name="Private", offerAsTool=False)
    stranger = registered("stranger@example.com")
    theirs = offered(stranger)
    assert listed(me.client) == ["get_agent_run", "get_workflow_run", name]
    assert listed(stranger.client) == ["get_agent_run", "get_workflow_run", theirs]
    for unknown in (private, theirs):
        answer = say(me.client, "tools/call", {"name": unknown, "arguments": {"n": 1}})
        assert answer.json["error"]["code"] == protocol.INVALID_PARAMS, unknown
    place = f"/v1/workflows/{tool_names.id_in(name)[1]}"
    for way in ("deactivate", "archive"):
        assert me.client.post(f"{place}/{way}").status == 200
        assert listed(me.client) == ["get_agent_run"], way
        answer = say(me.client, "tools/call", {"name": name, "arguments": {"n": 1}})
        assert answer.json["error"]["code"] == protocol.INVALID_PARAMS
    assert me.client.get("/v1/executions").json["items"] == []


def test_it_takes_the_right_to_run_workflows(me: Registered, at_once: None) -> None:
    name = offered(me)
    key = key_of(me, "agents:execute")
    assert listed(key) == ["get_agent_run"]
    for wanted, arguments in ((name, {"n": 1}), ("get_workflow_run", {"executionId": str(UUID(int=1))})):
        answer = say(key, "tools/call", {"name": wanted, "arguments": arguments})
        assert answer.json["error"]["code"] == protocol.INVALID_PARAMS
    assert me.client.get("/v1/executions").json["items"] == []


def test_a_long_run_is_asked_for_again(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WAIT_SECONDS", 0)
    name = offered(me, execution="express")
    begun = ask(me.client, name, n=4)
    ids = begun["structuredContent"]
    assert ids["status"] == "pending" and begun["isError"] is False, "never in the time of this call"
    starter.run_pending()
    done = ask(me.client, "get_workflow_run", executionId=ids["executionId"])
    assert json.loads(done["content"][0]["text"]) == [{"n": 4, "double": 8}]
    stranger = registered("stranger@example.com")
    refused = ask(stranger.client, "get_workflow_run", executionId=ids["executionId"])
    assert refused["isError"] and "No such execution" in refused["content"][0]["text"]
    other = key_of(me, "agents:execute", "workflows:execute")
    assert ask(other, "get_workflow_run", executionId=ids["executionId"])["isError"] is False, (
        "the same person's"
    )
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 0})
    assert limit.status == 200
    over = ask(me.client, name, n=4)
    assert over["isError"] and over["_meta"]["weconnect/code"] == "execution_limit_reached"


def test_pages_of_workflows_follow_those_of_agents(
    me: Registered, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow_tools, "PAGE", 2)
    wanted = [agent(me), *(offered(me, name=f"Flow {number}") for number in range(5))]
    seen, cursor = [], None
    while True:
        result = say(me.client, "tools/list", {"cursor": cursor} if cursor else {}).json["result"]
        seen += [tool["name"] for tool in result["tools"]]
        if not (cursor := result.get("nextCursor")):
            break
    assert sorted(seen) == sorted(["get_agent_run", "get_workflow_run", *wanted])
    answer = say(me.client, "tools/list", {"cursor": "workflows:x"})
    assert answer.json["error"]["code"] == protocol.INVALID_PARAMS


def test_what_is_offered_says_what_it_takes(me: Registered) -> None:
    value = definition([node("a", "noop")], "start > a", offerAsTool=True)
    path = me.client.post("/v1/workflows", {"name": "Flow", **value}).headers["Location"]
    assert me.client.post(f"{path}/activate", {}).json["errors"][0]["code"] == "no_input_schema"
    value["nodes"][0] = node("start", "manual", inputSchema={"type": "array"})
    assert me.client.patch(path, {"nodes": value["nodes"]}).status == 200
    (wrong,) = me.client.post(f"{path}/activate", {}).json["errors"]
    assert wrong["pointer"] == "/nodes/0/parameters/inputSchema" and "an object" in wrong["detail"]
