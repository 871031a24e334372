"""Calls that the operator pays for, with the roles of the functions: vectors of memories, and models on Bedrock."""

import dataclasses
import io
import json
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict

from tests.agents.execution_helpers import Starter, create_agent, execute
from tests.executions.execution_helpers import create_workflow, execute_workflow
from tests.factories import RegisteredUser
from tests.models.fake_model_servers import FakeModels, Say
from tests.models.provider_requests import StartServer
from tests.workflows.definitions import definition, node
from weconnect.agents.memory import lexicon
from weconnect.agents.memory.embedders import bedrock
from weconnect.models import deployment_keys
from weconnect.outbound import client as outbound
from weconnect.settings import settings

TEAL = "My favourite colour is teal"
VECTOR = [1.0] * 256


@pytest.fixture(params=["bedrock", "openai"])
def texts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let vectors come from a vendor that responds in this process; return the texts that it was asked for.

    Searches ask the vector index, too, as if an agent had more memories than they read.
    """
    seen: list[str] = []

    def respond(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        seen.append(json.loads(request.body)["inputText"])
        body = io.BytesIO(json.dumps({"embedding": VECTOR}).encode())
        return AWSResponse(request.url, 200, HeadersDict({"content-type": "application/json"}), body)

    def send(method: str, url: str, **sent: Any) -> outbound.OutboundResponse:
        seen.extend(sent["json"]["input"])
        data = [{"index": index, "embedding": VECTOR} for index in range(len(sent["json"]["input"]))]
        return outbound.OutboundResponse(200, {}, json.dumps({"data": data}).encode(), url)

    client = boto3.client("bedrock-runtime")
    client.meta.events.register_first("before-send.bedrock-runtime.InvokeModel", respond)
    monkeypatch.setattr(bedrock, "client", lambda: client)
    monkeypatch.setattr(outbound, "send", send)
    monkeypatch.setattr(deployment_keys._secret, "_value", {"openai": "key"})
    monkeypatch.setitem(settings.__dict__, "embedder", request.param)
    load = lexicon.load
    monkeypatch.setattr(lexicon, "load", lambda *of: dataclasses.replace(load(*of), is_complete=False))
    return seen


def test_memories_that_a_caller_writes_and_searches(me: RegisteredUser, texts: list[str]) -> None:
    agent = create_agent(me)
    assert me.client.post(f"{agent}/memories", {"content": TEAL}).status == 201
    assert me.client.post(f"{agent}/memories/search", {"query": "colours"}).json["items"]
    assert texts == [TEAL, "colours"]


def test_memories_that_the_test_of_a_tool_searches(me: RegisteredUser, texts: list[str]) -> None:
    agent = create_agent(me)
    tool = me.client.post(f"{agent}/tools", {"toolName": "memory_search"}).headers["Location"]
    tested = me.client.post(f"{tool}/test", {"arguments": {"query": "colours"}})
    assert tested.status == 200 and texts == ["colours"], tested.text


def test_memories_that_an_agent_writes_and_searches(
    me: RegisteredUser, starter: Starter, texts: list[str]
) -> None:
    agent = create_agent(me, "memory_search", "memory_save")
    assert execute(me, starter, agent, f"Remember that {TEAL}")["metadata"]["toolsUsed"] == ["memory_save"]
    assert execute(me, starter, agent, "What is my favourite colour?")["metadata"]["toolsUsed"] == [
        "memory_search"
    ]
    assert len(texts) >= 2


@pytest.mark.parametrize("path", ["executions?durable", "executions?express", "nodes/m/test"])
def test_memories_that_a_node_searches(
    me: RegisteredUser, starter: Starter, texts: list[str], path: str
) -> None:
    agent_id = create_agent(me).rpartition("/")[2]
    search = node("m", "memory_search", agentId=agent_id, query="colours")
    path, _, execution = path.partition("?")
    flow = create_workflow(me, definition([search], "start > m", execution=execution or "auto"))
    assert me.client.post(f"{flow}/{path}", {}).status in (200, 202)
    starter.run_pending()
    assert texts == ["colours"]


def test_models_that_agents_and_nodes_use(
    me: RegisteredUser, starter: Starter, start_server: StartServer
) -> None:
    server: FakeModels = start_server(Say("one"), Say("two"))
    model = {"provider": "bedrock", "model": "global.anthropic.claude-opus-5-5"}
    assert execute(me, starter, create_agent(me, **model), "hello")["output"] == "one"
    flow = definition([node("p", "prompt", prompt="x", **model)], "start > p")
    assert execute_workflow(me, starter, flow)["status"] == "completed"
    assert len(server.requests) == 2
