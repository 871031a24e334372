"""Hostile replies of models and responses of servers."""

import json
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.agents.tool_call_helpers import (
    DONE,
    agent_call,
    calculator_calls,
    only_execution,
)
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from weconnect.agents.tools import http_tool, mcp_tool
from weconnect.models import ProviderError
from weconnect.models.messages import ModelReply, ToolCall
from weconnect.outbound.client import OutboundResponse

DEEP = b'{"a":' * 300 + b"1" + b"}" * 300


@pytest.mark.parametrize(
    "text", ['{"a":' * 100_000, '{"a":' * 300 + "1" + "}" * 300, '{"a":NaN}', '{"a":1e999}']
)
def test_an_unusable_json_answer_is_corrected(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = create_agent(me, outputSchema={"type": "object"})
    script_replies(monkeypatch, ModelReply(text=text), ModelReply(text="{}"))
    done = execute(me, starter, path, "go")
    assert (done["status"], done["structuredOutput"]) == ("completed", {})


def test_a_tool_call_nested_too_deeply_is_charged_and_retried(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "calculator")
    call = ToolCall(id="deep", name="calculator", arguments=json.loads(DEEP))
    script_replies(monkeypatch, ModelReply(tool_calls=[call], input_tokens=10, cost_micros=100), DONE)
    done = execute(me, starter, path, "go")
    assert (done["status"], done["inputTokens"], done["cost"]) == ("completed", 20, pytest.approx(0.0002))
    assert "too deeply" in done["steps"][0]["error"]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e9])
def test_an_invalid_retry_after_does_not_break_an_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    path = create_agent(me)
    error = ProviderError("rate_limited", "slowly", retry_after=seconds)
    script_replies(monkeypatch, error, DONE)
    assert execute(me, starter, path, "go")["status"] in ("completed", "failed")


def test_a_nested_execution_gets_no_budget_when_the_cost_is_unknown(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    assert me.client.patch(path, {"limits": {"maxCostUsd": 1}}).status == 200
    unknown = agent_call("6*7?").model_copy(update={"cost_micros": None})
    requests = script_replies(monkeypatch, unknown, DONE, DONE)
    assert execute(me, starter, path, "go")["errorCode"] == "budget_exceeded"
    assert len(requests) == 1 and only_execution(me, expert)["errorCode"] == "budget_exceeded"


def test_twenty_approval_requests_are_awaited_in_parallel(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request announced late would be awaited beyond its own expiry."""
    limits: list[int | None] = []
    parallel = InMemorySteps.parallel

    def record_limit(self: InMemorySteps, name: str, branches: Any, **options: Any) -> Any:
        limits.append(options.get("max_concurrency"))
        return parallel(self, name, branches)

    monkeypatch.setattr(InMemorySteps, "parallel", record_limit)
    script_replies(monkeypatch, calculator_calls(*["1+1"] * 20), DONE)
    assert len(execute(me, starter, guarded, "go")["waitingFor"]) == 20
    assert limits == [20]


def test_json_nested_too_deeply_is_returned_as_text(me: RegisteredUser) -> None:
    result = http_tool._to_result(OutboundResponse(200, {}, DEEP, "https://example.com/"))
    assert result["body"] == DEEP.decode()
    assert mcp_tool._result_value({"structuredContent": json.loads(DEEP)}) == json.dumps(json.loads(DEEP))
    body = b'{"name":"x","outputSchema":{"default":' + DEEP + b"}}"
    refused = me.client.call("POST", "/v1/agents", raw=body.decode())
    assert (refused.status, refused.json["code"]) == (400, "malformed_json")
