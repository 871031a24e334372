"""The adapters against somebody who means harm: a provider, a tenant's address, the environment, a model."""

import json
from typing import Any

import pytest

from tests.agents.asking import KEY, MODELS, PROVIDERS, WEATHER, Serve, ask
from tests.agents.fake_model_servers import Call, FakeModels, Raw, Say
from weconnect.agents.models import ProviderError, complete
from weconnect.agents.models.message_mapping import wire_name
from weconnect.agents.models.messages import Message, ModelRequest, ToolCall, ToolSpec

ENVIRONMENT = {
    "ANTHROPIC_AUTH_TOKEN": "of-the-machine",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_CUSTOM_HEADERS": "x-mine: of-the-machine\nauthorization: Bearer of-the-machine",
    "GEMINI_API_KEY": "of-the-machine",
    "GOOGLE_API_KEY": "of-the-machine",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "OPENAI_API_KEY": "of-the-machine",
    "OPENAI_BASE_URL": "http://127.0.0.1:9",
    "OPENAI_CUSTOM_HEADERS": "x-mine: of-the-machine\nauthorization: Bearer of-the-machine",
    "OPENAI_ORG_ID": "of-the-machine",
    "OPENAI_PROJECT_ID": "of-the-machine",
    "AWS_BEARER_TOKEN_BEDROCK": "of-the-machine",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:9",
}


# Keys


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_environment_adds_nothing_and_replaces_no_key(
    provider: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(Say("ok"), Say("ok"))
    complete(ask(provider, server), KEY)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    complete(ask(provider, server), KEY)
    plain, disturbed = (asked.headers for asked in server.asked)
    assert "of-the-machine" not in str(disturbed)
    changing = {"amz-sdk-invocation-id", "x-amz-date"}
    assert {k: v for k, v in plain.items() if k not in changing} == {
        k: v for k, v in disturbed.items() if k not in changing
    }


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_proxy_of_the_environment_sees_a_request(
    provider: str, key: str | None, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is None and provider not in ("bedrock", "openai_compatible"):
        return
    server = serve(Say("ok"))
    with FakeModels([Say("caught")]) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert complete(ask(provider, server), key).text == "ok"
    assert proxy.asked == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_takes_no_key_anywhere(provider: str, status: int, serve: Serve) -> None:
    with FakeModels([Say("caught")]) as elsewhere:
        server = serve(Raw(status, b"{}", headers={"location": f"{elsewhere.url}/v1/chat/completions"}))
        with pytest.raises(ProviderError) as caught:
            complete(ask(provider, server), KEY)
    assert caught.value.code == "unavailable"
    assert (len(server.asked), elsewhere.asked) == (1, [])


@pytest.mark.parametrize("key", ["sk-a\r\nx-evil: 1", "sk-geheim-ü", "sk geheim", "sk-a\x00"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_that_no_header_carries_is_refused_unquoted(provider: str, key: str, serve: Serve) -> None:
    server = serve()
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), key)
    assert caught.value.code == "unauthorized"
    assert key not in caught.value.message and "geheim" not in caught.value.message
    assert server.asked == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_no_error_quotes_the_key(provider: str, status: int, serve: Serve) -> None:
    said = {"message": f"no {KEY} here", "type": "x", "status": KEY, "code": status}
    both = serve(
        Raw(status, json.dumps({"error": said, "message": f"no {KEY} here"}).encode()),
        Raw(status, f"<html>{KEY}</html>".encode(), "text/html"),
    )
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            complete(ask(provider, both), KEY)
        told = [caught.value.message, str(caught.value), repr(caught.value), *caught.value.args]
        assert KEY not in str(told)


def test_a_model_of_google_is_no_path(serve: Serve) -> None:
    server = serve()
    for model in ("../../v1/files", "gemini?key=x", "gemini#x", "gemini&a=b", "gemini\nx"):
        with pytest.raises(ProviderError) as caught:
            complete(ask("google", server, model=model), KEY)
        assert caught.value.code == "invalid_request"
    assert server.asked == []


def test_the_model_of_bedrock_stays_one_part_of_its_path(serve: Serve) -> None:
    server = serve(Say("ok"), Say("ok"))
    complete(ask("bedrock", server), KEY)
    complete(ask("bedrock", server, model="../../x?y=1#z"), None)
    assert [asked.path for asked in server.asked] == [
        f"/model/{MODELS['bedrock'].replace(':', '%3A')}/converse",
        "/model/..%2F..%2Fx%3Fy%3D1%23z/converse",
    ]


# Tools


def names_on(provider: str, body: Any) -> set[str]:
    """Every name of a tool in a request, declared, called or answered."""
    found: set[str] = set()

    def look(value: Any, under: str = "") -> None:
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
                found.update({value["name"]} if isinstance(value.get("name"), str) else set())
            if under == "functionDeclarations":
                found.add(value["name"])
            for key, inner in value.items():
                look(inner, key)
        elif isinstance(value, list):
            for inner in value:
                look(inner, under)

    look(body)
    return found


LONG = "a-tool-with-a-name-" + "x" * 81


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_long_name_is_short_on_the_wire_and_long_again(provider: str, serve: Serve) -> None:
    """Ours may have 100 characters; most providers take 64."""
    tool = ToolSpec(name=LONG, input_schema=WEATHER.input_schema)
    server = serve(Say(calls=[Call(wire_name(LONG), {"place": "Bern"})]), Say("ok"))
    request = ask(provider, server, tools=[tool])
    (call,) = complete(request, KEY).tool_calls
    assert call.name == LONG
    request.messages += [
        Message(role="assistant", tool_calls=[call]),
        Message(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name),
    ]
    complete(request, KEY)
    for asked in server.asked:
        assert names_on(provider, asked.json) == {wire_name(LONG)}


def test_names_on_the_wire_are_taken_by_all_and_apart() -> None:
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
    wire = [wire_name(name) for name in names]
    assert len(set(wire)) == len(names)
    for name in wire:
        assert 0 < len(name) <= 64 and name.replace("-", "_").isidentifier() and name.isascii()
    assert wire_name("ok-1_2") == "ok-1_2"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_of_a_tool_that_is_not_there_can_be_answered(provider: str, serve: Serve) -> None:
    server = serve(Say(calls=[Call("functions.none x", {}, "c1")]), Say("Sorry."))
    request = ask(provider, server, tools=[WEATHER])
    (call,) = complete(request, KEY).tool_calls
    assert call.name == "functions.none x"
    request.messages += [
        Message(role="assistant", tool_calls=[call]),
        Message(
            role="tool",
            content="There is no such tool",
            tool_call_id=call.id,
            tool_name=call.name,
            is_error=True,
        ),
    ]
    assert complete(request, KEY).text == "Sorry."
    named = names_on(provider, server.asked[1].json)
    assert "functions.none x" not in named and named <= {"weather", wire_name("functions.none x")}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_call_has_an_id_of_its_own(provider: str, serve: Serve) -> None:
    calls = [
        Call("weather", {"place": place}, id) for place, id in (("a", "c"), ("b", "c"), ("c", ""), ("d", ""))
    ]
    server = serve(Say(calls=calls), Say(calls=calls))
    request = ask(provider, server, tools=[WEATHER])
    first = complete(request, KEY)
    request.messages += [
        Message(role="assistant", tool_calls=first.tool_calls),
        *(
            Message(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name)
            for call in first.tool_calls
        ),
    ]
    second = complete(request, KEY)
    ids = [call.id for call in [*first.tool_calls, *second.tool_calls]]
    assert len(ids) == 8 and len(set(ids)) == 8 and all(ids)
    assert [call.arguments["place"] for call in first.tool_calls] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("content", ["", " \n"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_result_is_never_blank_on_the_wire(provider: str, content: str, serve: Serve) -> None:
    """Anthropic and Bedrock refuse a request with a blank text in it."""
    messages = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "x"})]),
        Message(role="tool", content=content, tool_call_id="c1", tool_name="weather"),
    ]
    server = serve(Say("ok"))
    complete(ask(provider, server, messages=messages, tools=[WEATHER]), KEY)
    assert b"(no output)" in server.asked[0].body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_huge_result_arrives_whole(provider: str, serve: Serve) -> None:
    huge = "ü" * 3_000_000
    messages = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="weather", arguments={"place": "x"})]),
        Message(role="tool", content=huge, tool_call_id="c1", tool_name="weather"),
    ]
    server = serve(Say("ok"))
    assert complete(ask(provider, server, messages=messages, tools=[WEATHER]), KEY).text == "ok"
    assert huge in json.dumps(server.asked[0].json, ensure_ascii=False)


# Text

HALF = "a\ud800b"


@pytest.mark.parametrize("provider", [*PROVIDERS, "embedded"])
def test_half_a_character_is_neither_sent_nor_handed_on(provider: str, serve: Serve) -> None:
    server = serve(Say(HALF, calls=[Call("weather", {"place": HALF, HALF: [HALF]})]))
    request = ModelRequest(
        provider=provider,
        model=MODELS.get(provider, "embedded"),
        base_url=f"{server.url}/v1",
        system=HALF,
        messages=[
            Message(role="user", content=f"calculate 1 + 1 {HALF}"),
            Message(role="assistant", tool_calls=[ToolCall(id="c", name="weather", arguments={HALF: HALF})]),
            Message(role="tool", content=HALF, tool_call_id="c", tool_name="weather"),
        ],
        tools=[
            ToolSpec(name="weather", description=HALF, input_schema={"type": "object", "description": HALF})
        ],
    )
    reply = complete(request, KEY)
    reply.model_dump_json()
    for asked in server.asked:
        json.dumps(asked.json, ensure_ascii=False).encode()
        assert "a?b" in json.dumps(asked.json)


def test_an_error_with_half_a_character_can_be_stored(serve: Serve) -> None:
    body = json.dumps({"error": {"message": HALF, "type": "x"}}).encode()
    with pytest.raises(ProviderError) as caught:
        complete(ask("openai", serve(Raw(400, body))), KEY)
    assert caught.value.message.encode().endswith(b"a?b")
