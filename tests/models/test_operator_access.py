"""Models at the operator's cost: off by default, allowed by provider and plan, on every way to a model."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.executions.execution_helpers import execute_workflow
from tests.factories import RegisteredUser, register
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect import models
from weconnect.models import deployment_keys
from weconnect.models.messages import ModelReply, ModelRequest, ToolCall
from weconnect.models.provider_registry import PROVIDERS
from weconnect.settings import settings

ALL = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "google": "g", "bedrock": "b"}


@pytest.fixture
def me(aws: None, monkeypatch: pytest.MonkeyPatch) -> RegisteredUser:
    keys = {provider: f"key of {provider}" for provider in PROVIDERS}
    monkeypatch.setattr(deployment_keys._secret, "_value", keys)
    return register()


def allow(monkeypatch: pytest.MonkeyPatch, *entries: str) -> None:
    """Set what the operator pays for."""
    monkeypatch.setitem(settings.__dict__, "operator_models", frozenset(entries))


def assert_refused(code: str, message: str, provider: str) -> None:
    assert code == "provider_not_allowed"
    assert f"ask the operator to add {provider} to OperatorModels" in message
    assert "baseUrl of a server of your own" in message


@pytest.mark.parametrize("provider", ALL)
def test_an_agent_uses_no_model_at_the_operators_cost_by_default(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    allow(monkeypatch)
    requests = script_replies(monkeypatch, ModelReply(text="no"))
    agent = create_agent(me, provider=provider, model=ALL[provider])
    execution = execute(me, starter, agent, "hello")
    assert execution["status"] == "failed" and requests == []
    assert_refused(execution["errorCode"], execution["error"], provider)


def test_an_agent_uses_the_providers_of_its_plan(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, "openai:pro", "anthropic:*")
    requests = script_replies(monkeypatch, *[ModelReply(text="yes")] * 3)
    agents = {
        name: create_agent(me, name=name, provider=name, model=model)
        for name, model in ALL.items()
        if name in ("openai", "anthropic", "bedrock")
    }
    statuses = {}
    for plan in ("free", "pro"):
        set_plan(me, plan)
        for name, path in agents.items():
            statuses[plan, name] = execute(me, starter, path, "hello")["status"]
    allowed = [key for key, status in statuses.items() if status == "completed"]
    assert allowed == [("free", "anthropic"), ("pro", "openai"), ("pro", "anthropic")]
    assert [request.provider for request in requests] == ["anthropic", "openai", "anthropic"]


def test_a_server_of_ones_own_and_the_built_in_rules_need_no_permission(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch)
    assert execute(me, starter, create_agent(me), "hello")["status"] == "completed"
    requests = script_replies(monkeypatch, ModelReply(text="yes"))
    own = {"provider": "openai_compatible", "model": "llama", "baseUrl": "http://127.0.0.1:11434/v1"}
    assert execute(me, starter, create_agent(me, name="Own", **own), "hello")["status"] == "completed"
    assert len(requests) == 1


def test_an_agent_that_another_calls_is_refused_as_well(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, "openai:*")
    inner = create_agent(me, name="Inner", provider="bedrock", model="b").rpartition("/")[2]
    outer = create_agent(me, name="Outer", provider="openai", model="gpt-4o-mini")
    tool = {"toolName": "ask", "toolType": "agent", "configuration": {"agentId": inner}}
    created = me.client.post(f"{outer}/tools", tool)
    assert created.status == 201, created.text
    call = ToolCall(id="1", name="ask", arguments={"input": "hello"})
    requests = script_replies(monkeypatch, ModelReply(tool_calls=[call]), ModelReply(text="it said no"))
    execute(me, starter, outer, "hello")
    assert [request.provider for request in requests] == ["openai", "openai"]
    assert "does not pay for bedrock" in requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("type", "parameters"),
    [
        ("prompt", {"prompt": "x"}),
        ("classify", {"text": "x", "labels": {"one": "", "two": ""}}),
        ("extract", {"text": "x", "outputSchema": {"type": "object", "properties": {"a": {}}}}),
    ],
)
def test_a_node_uses_the_providers_of_its_plan(
    me: RegisteredUser,
    starter: Starter,
    monkeypatch: pytest.MonkeyPatch,
    type: str,
    parameters: dict[str, Any],
) -> None:
    allow(monkeypatch, "openai:pro")
    sent: list[tuple[ModelRequest, str | None]] = []

    def send_request(request: ModelRequest, key: str | None) -> ModelReply:
        sent.append((request, key))
        return ModelReply(text='{"label": "one"}')

    monkeypatch.setattr(models, "send_request", send_request)
    model = {"provider": "openai", "model": "gpt-4o-mini"}
    flow = definition([node("ask", type, parameters=parameters | model)], "start > ask")
    set_plan(me, "free")
    refused = execute_workflow(me, starter, flow, {}, name="Free")
    assert_refused(refused["error"]["code"], refused["error"]["message"], "openai")
    assert sent == []
    set_plan(me, "pro")
    assert execute_workflow(me, starter, flow, {}, name="Pro")["status"] == "completed"
    assert [key for _, key in sent] == ["key of openai"]


def test_the_list_of_providers_says_what_the_plan_may_use(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, "openai:pro", "bedrock:pro", "google:free")
    monkeypatch.setattr(deployment_keys._secret, "_value", {"openai": "k", "anthropic": "k"})
    set_plan(me, "pro")
    providers = me.client.get("/v1/model-providers").json["items"]
    assert {item["id"] for item in providers if item["hasKey"]} == {"openai", "bedrock"}
    set_plan(me, "free")
    providers = me.client.get("/v1/model-providers").json["items"]
    assert {item["id"] for item in providers if item["hasKey"]} == set(), "google has no key"
