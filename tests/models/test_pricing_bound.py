"""The upper bound for tokens and cost of a model request is never below what the request uses and costs."""

import json
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.fake_model_servers import RecordedRequest, Say
from tests.models.provider_requests import KEY, PROVIDERS, WEATHER, StartServer, build_request
from weconnect.models import send_request
from weconnect.models.messages import Message, ModelRequest, ModelSettings, ToolCall, ToolSpec
from weconnect.models.pricing import CLAUDE_MAX_TOKENS, FRAME_TOKENS, UNKNOWN_WINDOW, CostBound, compute_bound

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CONVERSATION = [
    Message(role="user", content="Wie ist das Wetter in Zürich? 🌧️"),
    Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "Zürich"})]),
    Message(role="tool", content='{"sky": "Regen"}', tool_call_id="c1", tool_name="weather"),
]


def count_bytes(request: RecordedRequest) -> int:
    """Return the bytes of all texts in a request: a tokenizer makes at most one token of each."""
    return sum(len(text.encode()) for text in _texts(request.json))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in [key, *_texts(inner)]]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value if isinstance(value, str) else json.dumps(value)]


@pytest.mark.parametrize("structured", [False, True], ids=["text", "schema"])
@pytest.mark.parametrize("messages", [CONVERSATION[:1], CONVERSATION], ids=["question", "conversation"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_request_uses_more_than_its_bound(
    provider: str, messages: list[Message], structured: bool, start_server: StartServer
) -> None:
    """The server counts a token for each byte and uses all the output that it is allowed."""
    server = start_server(Say("ok"), Say("ok"))
    request = build_request(
        provider,
        server,
        system="Antworte kurz.",
        messages=messages,
        tools=[WEATHER],
        settings=ModelSettings(max_tokens=333),
        output_schema=SCHEMA if structured else None,
    )
    bound = compute_bound(request)
    send_request(request, KEY)
    server.script = [Say("ok", input_tokens=count_bytes(server.requests[0]), output_tokens=333)]
    reply = send_request(request, KEY)
    assert 0 < reply.input_tokens + reply.output_tokens <= bound.tokens
    assert (bound.cost_micros is None) == (reply.cost_micros is None) == (provider == "openai_compatible")
    assert reply.cost_micros is None or 0 < reply.cost_micros <= (bound.cost_micros or 0)


@pytest.mark.parametrize("provider", ("openai", "anthropic", "google", "bedrock"))
def test_no_discount_for_cached_tokens(provider: str, start_server: StartServer) -> None:
    server = start_server(Say("ok", input_tokens=900, cached_tokens=900, output_tokens=9))
    request = build_request(provider, server, settings=ModelSettings(max_tokens=9))
    cached = send_request(request, KEY).cost_micros
    assert cached is not None and cached < (compute_bound(request).cost_micros or 0)


def test_the_bound_includes_openais_cache_writes_and_priority_tier() -> None:
    request = ModelRequest(provider="openai", model="gpt-6.1-sol", messages=[])
    request.settings.max_tokens = 1000
    # USD per million in the tier `priority`: 5 for input that is written to the cache, 20 for output.
    assert compute_bound(request).cost_micros == 5 * FRAME_TOKENS + 5 * 64 + 20 * 1000


def test_a_reply_in_openais_priority_tier_is_within_the_bound(start_server: StartServer) -> None:
    server = start_server(Say("ok", input_tokens=500, output_tokens=9, service_tier="priority"))
    request = build_request("openai", server, settings=ModelSettings(max_tokens=9))
    cost = send_request(request, KEY).cost_micros
    assert cost is not None and cost <= (compute_bound(request).cost_micros or 0)


def test_output_without_a_limit_is_bounded_by_our_limit_or_the_window(start_server: StartServer) -> None:
    server = start_server(Say("ok"), Say("ok"))
    for provider in ("anthropic", "bedrock"):
        request = build_request(provider, server)
        send_request(request, KEY)
        body = server.requests[-1].json
        assert body.get("max_tokens", body.get("inferenceConfig", {}).get("maxTokens")) == CLAUDE_MAX_TOKENS
        assert CLAUDE_MAX_TOKENS < compute_bound(request).tokens < CLAUDE_MAX_TOKENS + 3000
    openai = build_request("openai", server)
    assert 128_000 < compute_bound(openai).tokens < 131_000
    assert compute_bound(openai.model_copy(update={"model": "gpt-4.1"})).tokens > 1_000_000
    unknown = compute_bound(build_request("openai", server, model="a-model-of-tomorrow"))
    assert (unknown.tokens > UNKNOWN_WINDOW, unknown.cost_micros) == (True, None)


def test_a_listed_compatible_address_has_a_window_and_a_price() -> None:
    request = ModelRequest(
        provider="openai_compatible",
        model="grok-4-fast-reasoning",
        messages=[],
        base_url="https://api.x.ai/v1",
    )
    bound = compute_bound(request)
    assert 2_000_000 < bound.tokens < 2_010_000 and bound.cost_micros
    elsewhere = compute_bound(request.model_copy(update={"base_url": "https://models.example.com/v1"}))
    assert elsewhere.tokens > UNKNOWN_WINDOW and elsewhere.cost_micros is None


def test_no_listed_model_has_a_larger_window() -> None:
    windows = [model.context_window or 0 for list_ in get_snapshot().providers for model in list_.models]
    assert max(windows) <= UNKNOWN_WINDOW


def test_the_embedded_model_costs_nothing() -> None:
    request = ModelRequest(provider="embedded", model="embedded", messages=CONVERSATION, tools=[WEATHER])
    assert compute_bound(request) == CostBound(0, 0)


@given(text=st.text(max_size=300), more=st.text(min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_more_text_has_a_larger_bound(text: str, more: str) -> None:
    def bound_tokens(content: str, **changes: Any) -> int:
        messages = [Message(role="user", content=content)]
        limit = ModelSettings(max_tokens=1)
        request = ModelRequest(
            provider="openai", model="gpt-4o-mini", messages=messages, settings=limit, **changes
        )
        return compute_bound(request).tokens

    smallest = bound_tokens(text)
    assert smallest > len(text.encode(errors="surrogatepass")) + FRAME_TOKENS
    assert bound_tokens(text + more) > smallest
    assert bound_tokens(text, system=more) > smallest
    assert bound_tokens(text, tools=[ToolSpec(name="t", description=more)]) > smallest
    assert bound_tokens(text, output_schema={"type": "object", "description": more}) > smallest


def test_tool_calls_count() -> None:
    request = ModelRequest(provider="openai", model="gpt-4o-mini", messages=CONVERSATION[:1])
    with_call = request.model_copy(update={"messages": CONVERSATION[:2]})
    assert compute_bound(with_call).tokens > compute_bound(request).tokens
