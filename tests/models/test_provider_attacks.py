"""The adapters against a malicious provider, tenant's address, environment or model."""

import json
from typing import Any

import pytest

from tests.models.fake_model_servers import Call, FakeModels, Raw, Say
from tests.models.provider_requests import KEY, MODELS, PROVIDERS, WEATHER, StartServer, build_request
from weconnect.models import ProviderError, send_request
from weconnect.models.message_mapping import to_provider_tool_name
from weconnect.models.messages import Message, ModelRequest, ToolCall, ToolSpec

ENVIRONMENT = {
    "ANTHROPIC_AUTH_TOKEN": "from-environment",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_CUSTOM_HEADERS": "x-mine: from-environment\nauthorization: Bearer from-environment",
    "GEMINI_API_KEY": "from-environment",
    "GOOGLE_API_KEY": "from-environment",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "OPENAI_API_KEY": "from-environment",
    "OPENAI_BASE_URL": "http://127.0.0.1:9",
    "OPENAI_CUSTOM_HEADERS": "x-mine: from-environment\nauthorization: Bearer from-environment",
    "OPENAI_ORG_ID": "from-environment",
    "OPENAI_PROJECT_ID": "from-environment",
    "AWS_BEARER_TOKEN_BEDROCK": "from-environment",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:9",
}


# Keys


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_environment_adds_no_header_and_replaces_no_key(
    provider: str, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(Say("ok"), Say("ok"))
    send_request(build_request(provider, server), KEY)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    send_request(build_request(provider, server), KEY)
    expected, actual = (request.headers for request in server.requests)
    assert "from-environment" not in str(actual)
    changing = {"amz-sdk-invocation-id", "x-amz-date"}
    assert {k: v for k, v in expected.items() if k not in changing} == {
        k: v for k, v in actual.items() if k not in changing
    }


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_environments_proxies_are_not_used(
    provider: str, key: str | None, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is None and provider not in ("bedrock", "openai_compatible"):
        return
    server = start_server(Say("ok"))
    with FakeModels([Say("caught")]) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert send_request(build_request(provider, server), key).text == "ok"
    assert proxy.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_is_not_followed(provider: str, status: int, start_server: StartServer) -> None:
    with FakeModels([Say("caught")]) as elsewhere:
        server = start_server(
            Raw(status, b"{}", headers={"location": f"{elsewhere.url}/v1/chat/completions"})
        )
        with pytest.raises(ProviderError) as caught:
            send_request(build_request(provider, server), KEY)
    assert caught.value.code == "unavailable"
    assert (len(server.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize("key", ["sk-a\r\nx-evil: 1", "sk-geheim-ü", "sk geheim", "sk-a\x00"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_that_cannot_be_a_header_is_rejected_without_quoting_it(
    provider: str, key: str, start_server: StartServer
) -> None:
    server = start_server()
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), key)
    assert caught.value.code == "unauthorized"
    assert key not in caught.value.message and "geheim" not in caught.value.message
    assert server.requests == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_no_error_quotes_the_key(provider: str, status: int, start_server: StartServer) -> None:
    error = {"message": f"no {KEY} here", "type": "x", "status": KEY, "code": status}
    server = start_server(
        Raw(status, json.dumps({"error": error, "message": f"no {KEY} here"}).encode()),
        Raw(status, f"<html>{KEY}</html>".encode(), "text/html"),
    )
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            send_request(build_request(provider, server), KEY)
        texts = [caught.value.message, str(caught.value), repr(caught.value), *caught.value.args]
        assert KEY not in str(texts)


def test_googles_model_cannot_change_the_path(start_server: StartServer) -> None:
    server = start_server()
    for model in ("../../v1/files", "gemini?key=x", "gemini#x", "gemini&a=b", "gemini\nx"):
        with pytest.raises(ProviderError) as caught:
            send_request(build_request("google", server, model=model), KEY)
        assert caught.value.code == "invalid_request"
    assert server.requests == []


def test_bedrocks_model_stays_one_segment_of_the_path(start_server: StartServer) -> None:
    server = start_server(Say("ok"), Say("ok"))
    send_request(build_request("bedrock", server), KEY)
    send_request(build_request("bedrock", server, model="../../x?y=1#z"), None)
    assert [request.path for request in server.requests] == [
        f"/model/{MODELS['bedrock'].replace(':', '%3A')}/converse",
        "/model/..%2F..%2Fx%3Fy%3D1%23z/converse",
    ]


# Tools


def tool_names_in(body: Any) -> set[str]:
    """Return every tool name in a request: declared, called or answered."""
    names: set[str] = set()

    def collect(value: Any, under: str = "") -> None:
        if isinstance(value, dict):
            if under in (
                "tools",
                "function",
                "toolSpec",
                "toolUse",
                "functionCall",
                "functionResponse",
                "content",
            ):
                names.update({value["name"]} if isinstance(value.get("name"), str) else set())
            if under == "functionDeclarations":
                names.add(value["name"])
            for key, inner in value.items():
                collect(inner, key)
        elif isinstance(value, list):
            for inner in value:
                collect(inner, under)

    collect(body)
    return names


LONG = "a-tool-with-a-name-" + "x" * 81


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_long_tool_name_is_shortened_for_the_provider_and_restored(
    provider: str, start_server: StartServer
) -> None:
    """Our names may have 100 characters; most providers accept 64."""
    tool = ToolSpec(name=LONG, input_schema=WEATHER.input_schema)
    server = start_server(Say(calls=[Call(to_provider_tool_name(LONG), {"place": "Bern"})]), Say("ok"))
    request = build_request(provider, server, tools=[tool])
    (call,) = send_request(request, KEY).tool_calls
    assert call.name == LONG
    request.messages += [
        Message(role="assistant", tool_calls=[call]),
        Message(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name),
    ]
    send_request(request, KEY)
    for recorded in server.requests:
        assert tool_names_in(recorded.json) == {to_provider_tool_name(LONG)}


def test_names_for_providers_are_valid_everywhere_and_distinct() -> None:
    names = [
        LONG,
        LONG + "y",
        "functions.weather",
        "functions_weather",
        "",
        "9lives",
        "wetter ü",
        "a\nb",
        "ok-1_2",
    ]
    provider_names = [to_provider_tool_name(name) for name in names]
    assert len(set(provider_names)) == len(names)
    for name in provider_names:
        assert 0 < len(name) <= 64 and name.replace("-", "_").isidentifier() and name.isascii()
    assert to_provider_tool_name("ok-1_2") == "ok-1_2"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_of_an_unknown_tool_can_be_answered(provider: str, start_server: StartServer) -> None:
    server = start_server(Say(calls=[Call("functions.none x", {}, "c1")]), Say("Sorry."))
    request = build_request(provider, server, tools=[WEATHER])
    (call,) = send_request(request, KEY).tool_calls
    assert call.name == "functions.none x"
    request.messages += [
        Message(role="assistant", tool_calls=[call]),
        Message(
            role="tool",
            content="Unknown tool",
            tool_call_id=call.id,
            tool_name=call.name,
            is_error=True,
        ),
    ]
    assert send_request(request, KEY).text == "Sorry."
    named = tool_names_in(server.requests[1].json)
    assert "functions.none x" not in named and named <= {"weather", to_provider_tool_name("functions.none x")}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_call_has_a_unique_id(provider: str, start_server: StartServer) -> None:
    calls = [
        Call("weather", {"place": name}, id) for name, id in (("a", "c"), ("b", "c"), ("c", ""), ("d", ""))
    ]
    server = start_server(Say(calls=calls), Say(calls=calls))
    request = build_request(provider, server, tools=[WEATHER])
    first = send_request(request, KEY)
    request.messages += [
        Message(role="assistant", tool_calls=first.tool_calls),
        *(
            Message(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name)
            for call in first.tool_calls
        ),
    ]
    second = send_request(request, KEY)
    ids = [call.id for call in [*first.tool_calls, *second.tool_calls]]
    assert len(ids) == 8 and len(set(ids)) == 8 and all(ids)
    assert [call.arguments["place"] for call in first.tool_calls] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("content", ["", " \n"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_blank_result_is_never_sent(provider: str, content: str, start_server: StartServer) -> None:
    """Anthropic and Bedrock reject a request that contains a blank text."""
    messages = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "x"})]),
        Message(role="tool", content=content, tool_call_id="c1", tool_name="weather"),
    ]
    server = start_server(Say("ok"))
    send_request(build_request(provider, server, messages=messages, tools=[WEATHER]), KEY)
    assert b"(no output)" in server.requests[0].body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_huge_result_is_sent_completely(provider: str, start_server: StartServer) -> None:
    huge = "ü" * 3_000_000
    messages = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "x"})]),
        Message(role="tool", content=huge, tool_call_id="c1", tool_name="weather"),
    ]
    server = start_server(Say("ok"))
    assert send_request(build_request(provider, server, messages=messages, tools=[WEATHER]), KEY).text == "ok"
    assert huge in json.dumps(server.requests[0].json, ensure_ascii=False)


# Text

LONE_SURROGATE = "a\ud800b"


@pytest.mark.parametrize("provider", [*PROVIDERS, "embedded"])
def test_a_lone_surrogate_is_neither_sent_nor_returned(provider: str, start_server: StartServer) -> None:
    server = start_server(
        Say(
            LONE_SURROGATE,
            calls=[Call("weather", {"place": LONE_SURROGATE, LONE_SURROGATE: [LONE_SURROGATE]})],
        )
    )
    request = ModelRequest(
        provider=provider,
        model=MODELS.get(provider, "embedded"),
        base_url=f"{server.url}/v1",
        system=LONE_SURROGATE,
        messages=[
            Message(role="user", content=f"calculate 1 + 1 {LONE_SURROGATE}"),
            Message(
                role="assistant",
                tool_calls=[ToolCall(id="c", name="weather", arguments={LONE_SURROGATE: LONE_SURROGATE})],
            ),
            Message(role="tool", content=LONE_SURROGATE, tool_call_id="c", tool_name="weather"),
        ],
        tools=[
            ToolSpec(
                name="weather",
                description=LONE_SURROGATE,
                input_schema={"type": "object", "description": LONE_SURROGATE},
            )
        ],
    )
    reply = send_request(request, KEY)
    reply.model_dump_json()
    for recorded in server.requests:
        json.dumps(recorded.json, ensure_ascii=False).encode()
        assert "a?b" in json.dumps(recorded.json)


def test_an_error_with_a_lone_surrogate_can_be_stored(start_server: StartServer) -> None:
    body = json.dumps({"error": {"message": LONE_SURROGATE, "type": "x"}}).encode()
    with pytest.raises(ProviderError) as caught:
        send_request(build_request("openai", start_server(Raw(400, body))), KEY)
    assert caught.value.message.encode().endswith(b"a?b")
