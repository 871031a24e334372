"""What one model request may use and cost at most: never less than what it did use and cost."""

import json
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.asking import KEY, PROVIDERS, WEATHER, Serve, ask
from tests.agents.fake_model_servers import Asked, Say
from weconnect.agents.models import complete
from weconnect.agents.models.messages import Message, ModelRequest, ModelSettings, ToolCall, ToolSpec
from weconnect.agents.models.pricing import CLAUDE_MAX_TOKENS, FRAME_TOKENS, UNKNOWN_WINDOW, Bound, bound

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


def said_in(asked: Asked) -> int:
    """As many tokens as a tokenizer could make of all that is said in a request: one for each byte."""
    return sum(len(text.encode()) for text in _texts(asked.json))


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
    provider: str, messages: list[Message], structured: bool, serve: Serve
) -> None:
    """The server counts a token for each byte it was sent and spends all the output that it was allowed."""
    server = serve(Say("ok"), Say("ok"))
    request = ask(
        provider,
        server,
        system="Antworte kurz.",
        messages=messages,
        tools=[WEATHER],
        settings=ModelSettings(max_tokens=333),
        output_schema=SCHEMA if structured else None,
    )
    most = bound(request)
    complete(request, KEY)
    server.script = [Say("ok", input_tokens=said_in(server.asked[0]), output_tokens=333)]
    reply = complete(request, KEY)
    assert 0 < reply.input_tokens + reply.output_tokens <= most.tokens
    assert (most.micros is None) == (reply.cost_micros is None) == (provider == "openai_compatible")
    assert reply.cost_micros is None or 0 < reply.cost_micros <= (most.micros or 0)


@pytest.mark.parametrize("provider", ("openai", "anthropic", "google", "bedrock"))
def test_no_discount_for_cached_tokens(provider: str, serve: Serve) -> None:
    server = serve(Say("ok", input_tokens=900, cached_tokens=900, output_tokens=9))
    request = ask(provider, server, settings=ModelSettings(max_tokens=9))
    cached = complete(request, KEY).cost_micros
    assert cached is not None and cached < (bound(request).micros or 0)


def test_what_openai_writes_to_its_cache_and_its_dearer_tier_are_within() -> None:
    request = ModelRequest(provider="openai", model="gpt-6.1-sol", messages=[])
    request.settings.max_tokens = 1000
    # USD per million in the tier `priority`: 5 for input that is written to the cache, 20 for output.
    assert bound(request).micros == 5 * FRAME_TOKENS + 5 * 64 + 20 * 1000


def test_a_dearer_answer_of_openai_stays_within(serve: Serve) -> None:
    server = serve(Say("ok", input_tokens=500, output_tokens=9, service_tier="priority"))
    request = ask("openai", server, settings=ModelSettings(max_tokens=9))
    cost = complete(request, KEY).cost_micros
    assert cost is not None and cost <= (bound(request).micros or 0)


def test_output_without_a_limit_is_bounded_by_what_is_sent_or_by_the_window(serve: Serve) -> None:
    server = serve(Say("ok"), Say("ok"))
    for provider in ("anthropic", "bedrock"):
        request = ask(provider, server)
        complete(request, KEY)
        body = server.asked[-1].json
        assert body.get("max_tokens", body.get("inferenceConfig", {}).get("maxTokens")) == CLAUDE_MAX_TOKENS
        assert CLAUDE_MAX_TOKENS < bound(request).tokens < CLAUDE_MAX_TOKENS + 3000
    openai = ask("openai", server)
    assert 128_000 < bound(openai).tokens < 131_000
    assert bound(openai.model_copy(update={"model": "gpt-4.1"})).tokens > 1_000_000
    unknown = bound(ask("openai", server, model="a-model-of-tomorrow"))
    assert (unknown.tokens > UNKNOWN_WINDOW, unknown.micros) == (True, None)


def test_a_compatible_address_of_the_price_list_has_a_window_and_a_price() -> None:
    request = ModelRequest(
        provider="openai_compatible",
        model="grok-4-fast-reasoning",
        messages=[],
        base_url="https://api.x.ai/v1",
    )
    most = bound(request)
    assert 2_000_000 < most.tokens < 2_010_000 and most.micros
    elsewhere = bound(request.model_copy(update={"base_url": "https://models.example.com/v1"}))
    assert elsewhere.tokens > UNKNOWN_WINDOW and elsewhere.micros is None


def test_no_model_of_the_price_list_has_a_larger_window() -> None:
    windows = [model.context_window or 0 for list_ in get_snapshot().providers for model in list_.models]
    assert max(windows) <= UNKNOWN_WINDOW


def test_the_embedded_rules_cost_nothing() -> None:
    request = ModelRequest(provider="embedded", model="embedded", messages=CONVERSATION, tools=[WEATHER])
    assert bound(request) == Bound(0, 0)


@given(text=st.text(max_size=300), more=st.text(min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_more_text_never_has_a_smaller_bound(text: str, more: str) -> None:
    def of(content: str, **changes: Any) -> int:
        messages = [Message(role="user", content=content)]
        limit = ModelSettings(max_tokens=1)
        request = ModelRequest(
            provider="openai", model="gpt-4o-mini", messages=messages, settings=limit, **changes
        )
        return bound(request).tokens

    least = of(text)
    assert least > len(text.encode(errors="surrogatepass")) + FRAME_TOKENS
    assert of(text + more) > least
    assert of(text, system=more) > least
    assert of(text, tools=[ToolSpec(name="t", description=more)]) > least
    assert of(text, output_schema={"type": "object", "description": more}) > least


def test_a_call_of_a_tool_counts() -> None:
    request = ModelRequest(provider="openai", model="gpt-4o-mini", messages=CONVERSATION[:1])
    called = request.model_copy(update={"messages": CONVERSATION[:2]})
    assert bound(called).tokens > bound(request).tokens
