"""Every provider against a local server that speaks its wire format."""

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.agents.asking import KEY, PROVIDERS, WEATHER, Serve, ask
from tests.agents.fake_model_servers import Call, Drip, Fail, Raw, Say, Script, Slow
from weconnect.agents.models import ProviderError, complete, provider_registry
from weconnect.agents.models.messages import (
    Message,
    ModelReply,
    ModelRequest,
    ModelSettings,
    ToolCall,
    ToolSpec,
)
from weconnect.settings import settings


@pytest.fixture(autouse=True, scope="module")
def no_leaks() -> Iterator[None]:
    """Let whatever was left open say so before this module ends."""
    yield
    gc.collect()


def conversation_on(wire: str, body: Any) -> list[Any]:
    return list(body["contents"] if wire == "google" else body["messages"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_answers_with_text_tokens_and_cached_tokens(provider: str, serve: Serve) -> None:
    server = serve(Say("Hello!", input_tokens=1000, output_tokens=7, cached_tokens=900))
    reply = complete(ask(provider, server, system="Be brief."), KEY)
    assert (reply.text, reply.finish_reason, reply.warnings) == ("Hello!", "stop", [])
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (1000, 7, 900)
    assert "Be brief." in server.asked[0].body.decode()
    assert KEY in "".join(server.asked[0].headers.values())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tool_calls_go_round_and_history_keeps_its_bytes(provider: str, serve: Serve) -> None:
    calls = [
        Call("weather", {"place": "Zürich", "days": 2}, "call_1"),
        Call("weather", {"place": "Bern"}, "call_2"),
    ]
    server = serve(Say("Let me look.", calls=calls), Say("Rain."), Say("Rain."), Say("Bye."))
    request = ask(provider, server, system="Use tools.", tools=[WEATHER])
    first = complete(request, KEY)
    assert first.text == "Let me look."
    assert first.finish_reason == "tool_calls"
    assert [call.arguments for call in first.tool_calls] == [
        {"place": "Zürich", "days": 2},
        {"place": "Bern"},
    ]

    one, two = first.tool_calls
    assert one.id != two.id
    request.messages += [
        Message(role="assistant", content=first.text, tool_calls=first.tool_calls),
        Message(role="tool", content='{"sky": "rain"}', tool_call_id=one.id, tool_name=one.name),
        Message(role="tool", content="no such place", tool_call_id=two.id, tool_name=two.name, is_error=True),
    ]
    assert complete(request, KEY).text == "Rain."
    thawed = ModelRequest.model_validate_json(request.model_dump_json())
    complete(thawed, KEY)
    assert server.asked[1].body == server.asked[2].body

    thawed.messages += [Message(role="assistant", content="Rain."), Message(role="user", content="Thanks")]
    complete(thawed, KEY)
    wire = server.asked[0].wire
    spoken = [[json.dumps(item) for item in conversation_on(wire, asked.json)] for asked in server.asked]
    assert spoken[1][: len(spoken[0])] == spoken[0]
    assert spoken[3][: len(spoken[2])] == spoken[2]
    results = json.dumps(server.asked[1].json, ensure_ascii=False)
    assert "Zürich" in results and "no such place" in results and "rain" in results


def test_a_failed_tool_is_marked_where_the_wire_has_a_mark(serve: Serve) -> None:
    messages = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "x"})]),
        Message(role="tool", content="boom", tool_call_id="c1", tool_name="weather", is_error=True),
    ]
    server = serve(*[Say("ok")] * 4)
    for provider in ("anthropic", "bedrock", "openai", "google"):
        complete(ask(provider, server, messages=messages, tools=[WEATHER]), KEY)
    anthropic, bedrock, openai, google = (asked.json for asked in server.asked)
    assert anthropic["messages"][-1]["content"][0]["is_error"] is True
    assert bedrock["messages"][-1]["content"][0]["toolResult"]["status"] == "error"
    assert json.loads(openai["messages"][-1]["content"]) == {"error": "boom"}
    assert google["contents"][-1]["parts"][0]["functionResponse"]["response"] == {"error": "boom"}


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("openai", ("tools", 0, "function", "parameters")),
        ("openai_compatible", ("tools", 0, "function", "parameters")),
        ("anthropic", ("tools", 0, "input_schema")),
        ("google", ("tools", 0, "functionDeclarations", 0, "parameters_json_schema")),
        ("bedrock", ("toolConfig", "tools", 0, "toolSpec", "inputSchema", "json")),
    ],
)
def test_the_tools_schema_arrives_as_declared(provider: str, path: tuple[Any, ...], serve: Serve) -> None:
    schema = WEATHER.input_schema
    exact = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    server = serve(Say("ok"), Say("ok"))
    for declared in (schema, exact | {"additionalProperties": False}):
        tool = ToolSpec(name="t", input_schema=declared)
        complete(ask(provider, server, tools=[tool]), KEY)
        found = server.asked[-1].json
        for step in path:
            found = found[step]
        assert found == declared
        assert b'"strict"' not in server.asked[-1].body


OPENAI_NAMES = {
    "temperature": "temperature",
    "max_tokens": "max_completion_tokens",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "stop_sequences": "stop",
}
GOOGLE_NAMES = {
    "temperature": "temperature",
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "stop_sequences": "stopSequences",
}
# What each provider's wire calls each setting of the seed; None: it has no place for it, and we say so.
WIRE: dict[str, dict[str, str | None]] = {
    "openai": {**OPENAI_NAMES},
    "openai_compatible": {**OPENAI_NAMES, "max_tokens": "max_tokens"},
    "anthropic": {
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "top_p": "top_p",
        "frequency_penalty": None,
        "presence_penalty": None,
        "stop_sequences": "stop_sequences",
    },
    "google": {**GOOGLE_NAMES},
    "bedrock": {
        "temperature": "temperature",
        "max_tokens": "maxTokens",
        "top_p": "topP",
        "frequency_penalty": None,
        "presence_penalty": None,
        "stop_sequences": "stopSequences",
    },
}
VALUES: dict[str, Any] = {
    "temperature": 0.0,
    "max_tokens": 77,
    "top_p": 0.5,
    "frequency_penalty": 0.25,
    "presence_penalty": -0.5,
    "stop_sequences": ["END", "STOP"],
}
CAMEL = {
    "temperature": "temperature",
    "max_tokens": "maxTokens",
    "top_p": "topP",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "stop_sequences": "stopSequences",
}


@pytest.mark.parametrize("field", sorted(VALUES))
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_setting_reaches_the_wire_or_is_warned_about(provider: str, field: str, serve: Serve) -> None:
    server = serve(Say("ok"))
    reply = complete(ask(provider, server, settings=ModelSettings(**{field: VALUES[field]})), KEY)
    body = server.asked[0].json
    section = {"google": "generationConfig", "bedrock": "inferenceConfig"}.get(provider)
    sent = body.get(section, {}) if section else body
    name = WIRE[provider][field]
    if name:
        assert sent[name] == VALUES[field]
        assert reply.warnings == []
    else:
        assert not {"frequency_penalty", "presence_penalty", "frequencyPenalty", "presencePenalty"} & set(
            sent
        )
        assert len(reply.warnings) == 1
        assert reply.warnings[0].startswith(CAMEL[field])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_registry_lists_the_settings_that_are_sent(provider: str) -> None:
    sent = {CAMEL[field] for field, name in WIRE[provider].items() if name}
    assert set(provider_registry.PROVIDERS[provider].capabilities.settings) == sent
    assert set(WIRE[provider]) == set(ModelSettings.model_fields)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-6.1-sol"),
        ("anthropic", "claude-opus-5-5"),
        ("bedrock", "global.anthropic.claude-opus-5-5"),
    ],
)
def test_a_model_that_takes_no_sampling_settings_says_so(provider: str, model: str, serve: Serve) -> None:
    server = serve(Say("ok"))
    chosen = ModelSettings(temperature=0.2, top_p=0.9, max_tokens=50)
    reply = complete(ask(provider, server, model=model, settings=chosen), KEY)
    assert sorted(warning.split()[0] for warning in reply.warnings) == ["temperature", "topP"]


def test_a_lowered_limit_is_reported(serve: Serve) -> None:
    server = serve(Say("ok"))
    reply = complete(ask("anthropic", server, settings=ModelSettings(max_tokens=10_000_000)), KEY)
    sent = server.asked[0].json["max_tokens"]
    assert sent < 10_000_000
    assert reply.warnings and f"maxTokens was sent as {sent}" in reply.warnings[0]


@pytest.mark.parametrize("provider", ("openai", "anthropic", "google", "bedrock"))
def test_a_known_price_is_counted(provider: str, serve: Serve) -> None:
    server = serve(Say("ok", input_tokens=1000, output_tokens=100))
    cost = complete(ask(provider, server), KEY).cost_micros
    # USD per million tokens = micro-dollars per token, in and out.
    per_token = {"openai": (0.15, 0.6), "anthropic": (1, 5), "google": (0.3, 2.5), "bedrock": (1.1, 5.5)}[
        provider
    ]
    assert cost == round(1000 * per_token[0] + 100 * per_token[1])


def test_a_price_below_a_micro_dollar_is_rounded_up(serve: Serve) -> None:
    server = serve(Say("ok", input_tokens=1, output_tokens=0))
    assert complete(ask("openai", server), KEY).cost_micros == 1


def test_cached_tokens_cost_less(serve: Serve) -> None:
    server = serve(Say("ok", input_tokens=1000), Say("ok", input_tokens=1000, cached_tokens=900))
    full, cached = (complete(ask("anthropic", server), KEY).cost_micros for _ in range(2))
    assert full is not None and cached is not None and 0 < cached < full


def test_an_unknown_price_is_none_and_never_zero(serve: Serve) -> None:
    unknown = _google_without_usage()
    server = serve(Say("ok"), Say("ok"), unknown)
    # The name of a known model says nothing about the price at somebody's own address.
    assert complete(ask("openai_compatible", server, model="gpt-4o-mini"), KEY).cost_micros is None
    assert complete(ask("bedrock", server, model="acme.unheard-of-v1:0"), KEY).cost_micros is None
    assert complete(ask("google", server), KEY).cost_micros is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_to_no_input_was_not_counted(provider: str, serve: Serve) -> None:
    server = serve(Say("ok", input_tokens=0, output_tokens=5))
    assert complete(ask(provider, server), KEY).cost_micros is None


def _google_without_usage() -> Raw:
    content = {"role": "model", "parts": [{"text": "ok"}]}
    return Raw(200, json.dumps({"candidates": [{"content": content, "finishReason": "STOP"}]}).encode())


ERRORS = {
    "rate_limited": ("rate_limited", True),
    "quota": ("rate_limited", False),
    "unauthorized": ("unauthorized", False),
    "context_too_long": ("context_too_long", False),
    "unavailable": ("unavailable", True),
    "invalid_request": ("invalid_request", False),
    "no_such_model": ("invalid_request", False),
}


@pytest.mark.parametrize("meaning", sorted(ERRORS))
@pytest.mark.parametrize("provider", PROVIDERS)
def test_errors_are_mapped_and_not_retried(provider: str, meaning: str, serve: Serve) -> None:
    server = serve(Fail(meaning))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ERRORS[meaning]
    assert len(server.asked) == 1
    assert KEY not in caught.value.message
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_what_a_provider_says_is_passed_on_without_keys(serve: Serve) -> None:
    said = {"message": "Bad value near plainkey42 and sk-proj-0123456789", "type": "invalid_request_error"}
    body = json.dumps({"error": said}).encode()
    server = serve(Raw(400, body), Raw(401, body))
    messages = []
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            complete(ask("openai", server), "plainkey42")
        messages.append(caught.value.message)
    assert messages[0].endswith("Bad value near [key] and [key]")
    assert "Bad value" not in messages[1]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_wait_that_a_provider_asks_for_is_passed_on(provider: str, serve: Serve) -> None:
    server = serve(Fail("rate_limited", retry_after=7))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("provider", "script", "code"),
    [
        ("openai", Fail("content_filtered"), "content_filtered"),
        ("openai", Say(finish="filter"), "content_filtered"),
        ("openai", Say(finish="refusal"), "refused"),
        ("anthropic", Say(finish="refusal"), "refused"),
        ("google", Say(finish="filter"), "content_filtered"),
        ("google", Say(finish="refusal"), "content_filtered"),
        ("bedrock", Say(finish="filter"), "content_filtered"),
    ],
)
def test_a_refusal_is_no_answer_but_is_billed(provider: str, script: Script, code: str, serve: Serve) -> None:
    server = serve(script)
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert isinstance(script, Fail) or (caught.value.billed and caught.value.billed.input_tokens == 100)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cut_answer_is_an_answer(provider: str, serve: Serve) -> None:
    server = serve(Say("Once upon", finish="length"))
    reply = complete(ask(provider, server), KEY)
    assert (reply.text, reply.finish_reason) == ("Once upon", "length")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_slow_provider_ends_at_the_timeout(provider: str, serve: Serve) -> None:
    server = serve(Slow(), Say("ok"))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server, timeout_seconds=0.3), KEY)
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)
    assert len(server.asked) == 1
    assert complete(ask(provider, server), KEY).text == "ok"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_timeout_bounds_the_whole_answer(provider: str, serve: Serve) -> None:
    server = serve(Drip())
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server, timeout_seconds=0.3), KEY)
    assert caught.value.code == "timeout"
    # Nothing goes on reading in the background either.
    assert server.hung_up.wait(20)


@pytest.mark.parametrize(
    "broken",
    [
        Raw(200, b'{"id": "x", '),
        Raw(200, b"<html>hello</html>", "text/html"),
        Raw(200, b"[]"),
        Raw(200, b"{}"),
        Raw(200, b""),
        Raw(502, b"<html>bad gateway</html>", "text/html"),
    ],
    ids=["cut", "html", "list", "empty-object", "nothing", "gateway"],
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_broken_answer_is_unavailable(provider: str, broken: Raw, serve: Serve) -> None:
    server = serve(broken)
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)
    assert len(server.asked) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nobody_there_is_unavailable(provider: str, serve: Serve) -> None:
    server = serve()
    server.server.server_close()
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)


def test_arguments_that_are_no_json_are_kept_for_the_model_to_repair(serve: Serve) -> None:
    server = serve(Say(calls=[Call("weather", raw='{"place": "Bern')]))
    reply = complete(ask("openai", server, tools=[WEATHER]), KEY)
    assert reply.tool_calls[0].arguments == {"INVALID_JSON": '{"place": "Bern'}
    assert reply.warnings == ["The model's arguments for weather are not a JSON object."]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_work_one_after_the_other_and_side_by_side(provider: str, serve: Serve) -> None:
    server = serve(*[Say("ok")] * 10)
    before = set(threading.enumerate())
    assert [complete(ask(provider, server), KEY).text for _ in range(2)] == ["ok", "ok"]
    with ThreadPoolExecutor(4) as pool:
        replies: list[ModelReply] = list(pool.map(lambda _: complete(ask(provider, server), KEY), range(8)))
    assert [reply.text for reply in replies] == ["ok"] * 8
    # The server's threads end when their connections are closed, the library's when its loop is.
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive(), thread.name
    gc.collect()


@pytest.mark.parametrize("provider", ("openai", "anthropic", "google"))
def test_without_a_key_nothing_is_sent(provider: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "sk-of-the-machine")
    server = serve(Say("ok"))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), None)
    assert caught.value.code == "unauthorized"
    assert server.asked == []


def test_a_compatible_endpoint_needs_no_key_and_never_gets_another_ones(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-machine")
    server = serve(Say("ok"))
    assert complete(ask("openai_compatible", server), None).text == "ok"
    assert "sk-of-the-machine" not in str(server.asked[0].headers)


def test_bedrock_without_a_key_signs_as_the_function(serve: Serve) -> None:
    server = serve(Say("ok"))
    assert complete(ask("bedrock", server), None).text == "ok"
    assert server.asked[0].headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


def test_bedrock_without_a_role_is_unauthorized(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(ProviderError) as caught:
        complete(ask("bedrock", serve()), None)
    assert caught.value.code == "unauthorized"


def test_an_address_that_is_not_allowed_is_an_invalid_request(serve: Serve) -> None:
    server = serve(Say("ok"))
    object.__setattr__(settings, "outbound_allowed_hosts", frozenset())
    with pytest.raises(ProviderError) as caught:
        complete(ask("openai_compatible", server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("invalid_request", False)
    assert server.asked == []


def test_unknown_providers_and_missing_addresses_are_refused() -> None:
    for values in ({"provider": "acme"}, {"provider": "openai_compatible"}):
        with pytest.raises(ProviderError) as caught:
            complete(ModelRequest(model="m", messages=[], **values), KEY)
        assert caught.value.code == "invalid_request"


def test_nothing_heavy_is_imported_until_a_model_is_asked() -> None:
    code = (
        "import sys\n"
        "import weconnect.agents.models, weconnect.agents.models.provider_registry as registry\n"
        "assert registry.describe(lambda _: False)\n"
        "heavy = {'pydantic_ai', 'openai', 'anthropic', 'google.genai', 'boto3', 'genai_prices', 'httpx2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).parents[2] / "layers/weconnect"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
