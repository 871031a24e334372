"""Requests to every provider, on a local server that speaks the provider's format."""

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

from tests.models.fake_model_servers import Call, Drip, Fail, Raw, Say, Script, Slow
from tests.models.provider_requests import KEY, PROVIDERS, WEATHER, StartServer, build_request
from weconnect.models import ProviderError, provider_registry, send_request
from weconnect.models.messages import Message, ModelReply, ModelRequest, ModelSettings, ToolCall, ToolSpec
from weconnect.settings import settings


@pytest.fixture(autouse=True, scope="module")
def no_leaks() -> Iterator[None]:
    """Collect garbage at the end of this module, so that anything left open is reported here."""
    yield
    gc.collect()


def read_conversation(format: str, body: Any) -> list[Any]:
    return list(body["contents"] if format == "google" else body["messages"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_reply_has_text_tokens_and_cached_tokens(provider: str, start_server: StartServer) -> None:
    server = start_server(Say("Hello!", input_tokens=1000, output_tokens=7, cached_tokens=900))
    reply = send_request(build_request(provider, server, system="Be brief."), KEY)
    assert (reply.text, reply.finish_reason, reply.warnings) == ("Hello!", "stop", [])
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (1000, 7, 900)
    assert "Be brief." in server.requests[0].body.decode()
    assert KEY in "".join(server.requests[0].headers.values())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tool_results_are_sent_and_the_history_keeps_its_bytes(
    provider: str, start_server: StartServer
) -> None:
    calls = [
        Call("weather", {"place": "Zürich", "days": 2}, "call_1"),
        Call("weather", {"place": "Bern"}, "call_2"),
    ]
    server = start_server(Say("Let me look.", calls=calls), Say("Rain."), Say("Rain."), Say("Bye."))
    request = build_request(provider, server, system="Use tools.", tools=[WEATHER])
    first = send_request(request, KEY)
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
    assert send_request(request, KEY).text == "Rain."
    restored = ModelRequest.model_validate_json(request.model_dump_json())
    send_request(restored, KEY)
    assert server.requests[1].body == server.requests[2].body

    restored.messages += [Message(role="assistant", content="Rain."), Message(role="user", content="Thanks")]
    send_request(restored, KEY)
    format = server.requests[0].format
    conversations = [
        [json.dumps(item) for item in read_conversation(format, recorded.json)]
        for recorded in server.requests
    ]
    assert conversations[1][: len(conversations[0])] == conversations[0]
    assert conversations[3][: len(conversations[2])] == conversations[2]
    results = json.dumps(server.requests[1].json, ensure_ascii=False)
    assert "Zürich" in results and "no such place" in results and "rain" in results


def test_a_failed_tool_is_marked_as_the_provider_requires(start_server: StartServer) -> None:
    messages = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "x"})]),
        Message(role="tool", content="boom", tool_call_id="c1", tool_name="weather", is_error=True),
    ]
    server = start_server(*[Say("ok")] * 4)
    for provider in ("anthropic", "bedrock", "openai", "google"):
        send_request(build_request(provider, server, messages=messages, tools=[WEATHER]), KEY)
    anthropic, bedrock, openai, google = (request.json for request in server.requests)
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
def test_a_tools_schema_is_sent_as_declared(
    provider: str, path: tuple[Any, ...], start_server: StartServer
) -> None:
    schema = WEATHER.input_schema
    exact = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    server = start_server(Say("ok"), Say("ok"))
    for declared in (schema, exact | {"additionalProperties": False}):
        tool = ToolSpec(name="t", input_schema=declared)
        send_request(build_request(provider, server, tools=[tool]), KEY)
        sent = server.requests[-1].json
        for key in path:
            sent = sent[key]
        assert sent == declared
        assert b'"strict"' not in server.requests[-1].body


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
# The name of each setting in each provider's request; None: the provider has none, and a warning says so.
SENT_NAMES: dict[str, dict[str, str | None]] = {
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
def test_a_setting_is_sent_or_causes_a_warning(provider: str, field: str, start_server: StartServer) -> None:
    server = start_server(Say("ok"))
    reply = send_request(
        build_request(provider, server, settings=ModelSettings(**{field: VALUES[field]})), KEY
    )
    body = server.requests[0].json
    section = {"google": "generationConfig", "bedrock": "inferenceConfig"}.get(provider)
    sent = body.get(section, {}) if section else body
    name = SENT_NAMES[provider][field]
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
    sent = {CAMEL[field] for field, name in SENT_NAMES[provider].items() if name}
    assert set(provider_registry.PROVIDERS[provider].capabilities.settings) == sent
    assert set(SENT_NAMES[provider]) == set(ModelSettings.model_fields)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-6.1-sol"),
        ("anthropic", "claude-opus-5-5"),
        ("bedrock", "global.anthropic.claude-opus-5-5"),
    ],
)
def test_sampling_settings_that_a_model_rejects_cause_warnings(
    provider: str, model: str, start_server: StartServer
) -> None:
    server = start_server(Say("ok"))
    sampling = ModelSettings(temperature=0.2, top_p=0.9, max_tokens=50)
    reply = send_request(build_request(provider, server, model=model, settings=sampling), KEY)
    assert sorted(warning.split()[0] for warning in reply.warnings) == ["temperature", "topP"]


def test_a_lowered_limit_causes_a_warning(start_server: StartServer) -> None:
    server = start_server(Say("ok"))
    reply = send_request(
        build_request("anthropic", server, settings=ModelSettings(max_tokens=10_000_000)), KEY
    )
    sent = server.requests[0].json["max_tokens"]
    assert sent < 10_000_000
    assert reply.warnings and f"maxTokens was sent as {sent}" in reply.warnings[0]


@pytest.mark.parametrize("provider", ("openai", "anthropic", "google", "bedrock"))
def test_the_cost_of_a_listed_model_is_computed(provider: str, start_server: StartServer) -> None:
    server = start_server(Say("ok", input_tokens=1000, output_tokens=100))
    cost = send_request(build_request(provider, server), KEY).cost_micros
    # USD per million tokens = micro-dollars per token, in and out.
    per_token = {"openai": (0.15, 0.6), "anthropic": (1, 5), "google": (0.3, 2.5), "bedrock": (1.1, 5.5)}[
        provider
    ]
    assert cost == round(1000 * per_token[0] + 100 * per_token[1])


def test_a_price_below_a_micro_dollar_is_rounded_up(start_server: StartServer) -> None:
    server = start_server(Say("ok", input_tokens=1, output_tokens=0))
    assert send_request(build_request("openai", server), KEY).cost_micros == 1


def test_cached_tokens_cost_less(start_server: StartServer) -> None:
    server = start_server(Say("ok", input_tokens=1000), Say("ok", input_tokens=1000, cached_tokens=900))
    full, cached = (send_request(build_request("anthropic", server), KEY).cost_micros for _ in range(2))
    assert full is not None and cached is not None and 0 < cached < full


def test_an_unknown_price_is_none_not_zero(start_server: StartServer) -> None:
    unknown = _google_without_usage()
    server = start_server(Say("ok"), Say("ok"), unknown)
    # The name of a listed model says nothing about its price at another address.
    assert (
        send_request(build_request("openai_compatible", server, model="gpt-4o-mini"), KEY).cost_micros is None
    )
    assert (
        send_request(build_request("bedrock", server, model="acme.unheard-of-v1:0"), KEY).cost_micros is None
    )
    assert send_request(build_request("google", server), KEY).cost_micros is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_usage_without_input_tokens_is_not_priced(provider: str, start_server: StartServer) -> None:
    server = start_server(Say("ok", input_tokens=0, output_tokens=5))
    assert send_request(build_request(provider, server), KEY).cost_micros is None


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
def test_errors_are_mapped_and_not_retried(provider: str, meaning: str, start_server: StartServer) -> None:
    server = start_server(Fail(meaning))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ERRORS[meaning]
    assert len(server.requests) == 1
    assert KEY not in caught.value.message
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_providers_message_is_passed_on_without_keys(start_server: StartServer) -> None:
    error = {"message": "Bad value near plainkey42 and sk-proj-0123456789", "type": "invalid_request_error"}
    body = json.dumps({"error": error}).encode()
    server = start_server(Raw(400, body), Raw(401, body))
    messages = []
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            send_request(build_request("openai", server), "plainkey42")
        messages.append(caught.value.message)
    assert messages[0].endswith("Bad value near [key] and [key]")
    assert "Bad value" not in messages[1]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_retry_after_is_passed_on(provider: str, start_server: StartServer) -> None:
    server = start_server(Fail("rate_limited", retry_after=7))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
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
def test_a_refusal_is_an_error_with_its_cost(
    provider: str, script: Script, code: str, start_server: StartServer
) -> None:
    server = start_server(script)
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert isinstance(script, Fail) or (caught.value.billed and caught.value.billed.input_tokens == 100)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_truncated_answer_is_returned(provider: str, start_server: StartServer) -> None:
    server = start_server(Say("Once upon", finish="length"))
    reply = send_request(build_request(provider, server), KEY)
    assert (reply.text, reply.finish_reason) == ("Once upon", "length")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_slow_provider_ends_at_the_timeout(provider: str, start_server: StartServer) -> None:
    server = start_server(Slow(), Say("ok"))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server, timeout_seconds=0.3), KEY)
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)
    assert len(server.requests) == 1
    assert send_request(build_request(provider, server), KEY).text == "ok"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_timeout_bounds_the_whole_response(provider: str, start_server: StartServer) -> None:
    server = start_server(Drip())
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server, timeout_seconds=0.3), KEY)
    assert caught.value.code == "timeout"
    # Nothing continues to read in the background either.
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
def test_a_broken_response_is_unavailable(provider: str, broken: Raw, start_server: StartServer) -> None:
    server = start_server(broken)
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refused_connection_is_unavailable(provider: str, start_server: StartServer) -> None:
    server = start_server()
    server.server.server_close()
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)


def test_arguments_that_are_not_json_are_passed_on_for_the_model_to_repair(start_server: StartServer) -> None:
    server = start_server(Say(calls=[Call("weather", raw='{"place": "Bern')]))
    reply = send_request(build_request("openai", server, tools=[WEATHER]), KEY)
    assert reply.tool_calls[0].arguments == {"INVALID_JSON": '{"place": "Bern'}
    assert reply.warnings == ["The model's arguments for weather are not a JSON object."]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_requests_work_in_order_and_in_parallel(provider: str, start_server: StartServer) -> None:
    server = start_server(*[Say("ok")] * 10)
    before = set(threading.enumerate())
    assert [send_request(build_request(provider, server), KEY).text for _ in range(2)] == ["ok", "ok"]
    with ThreadPoolExecutor(4) as pool:
        replies: list[ModelReply] = list(
            pool.map(lambda _: send_request(build_request(provider, server), KEY), range(8))
        )
    assert [reply.text for reply in replies] == ["ok"] * 8
    # The server's threads end when their connections are closed, the library's when its loop is closed.
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive(), thread.name
    gc.collect()


@pytest.mark.parametrize("provider", ("openai", "anthropic", "google"))
def test_without_a_key_nothing_is_sent(
    provider: str, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "sk-from-environment")
    server = start_server(Say("ok"))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), None)
    assert caught.value.code == "unauthorized"
    assert server.requests == []


def test_a_compatible_endpoint_needs_no_key_and_never_gets_the_environments(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    server = start_server(Say("ok"))
    assert send_request(build_request("openai_compatible", server), None).text == "ok"
    assert "sk-from-environment" not in str(server.requests[0].headers)


def test_bedrock_without_a_key_signs_as_the_function(start_server: StartServer) -> None:
    server = start_server(Say("ok"))
    assert send_request(build_request("bedrock", server), None).text == "ok"
    assert server.requests[0].headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


def test_bedrock_without_a_role_is_unauthorized(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(ProviderError) as caught:
        send_request(build_request("bedrock", start_server()), None)
    assert caught.value.code == "unauthorized"


def test_an_address_that_is_not_allowed_is_an_invalid_request(start_server: StartServer) -> None:
    server = start_server(Say("ok"))
    object.__setattr__(settings, "outbound_allowed_hosts", frozenset())
    with pytest.raises(ProviderError) as caught:
        send_request(build_request("openai_compatible", server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("invalid_request", False)
    assert server.requests == []


def test_unknown_providers_and_missing_addresses_are_invalid_requests() -> None:
    for values in ({"provider": "acme"}, {"provider": "openai_compatible"}):
        with pytest.raises(ProviderError) as caught:
            send_request(ModelRequest(model="m", messages=[], **values), KEY)
        assert caught.value.code == "invalid_request"


def test_no_provider_library_is_imported_before_a_request() -> None:
    code = (
        "import sys\n"
        "import weconnect.models, weconnect.models.provider_registry as registry\n"
        "assert registry.describe_providers(lambda _: False)\n"
        "heavy = {'pydantic_ai', 'openai', 'anthropic', 'google.genai', 'boto3', 'genai_prices', 'httpx2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).parents[2] / "layers/weconnect"
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "[]"
