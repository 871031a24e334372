"""Structured output with every provider and with the embedded model."""

import json
from typing import Any

import pytest

from tests.models.fake_model_servers import Call, Say
from tests.models.provider_requests import (
    CITY,
    KEY,
    MODELS,
    NATIVE,
    PROVIDERS,
    WEATHER,
    StartServer,
    build_request,
    read_native_schema,
)
from weconnect.models import ProviderError, send_request, structured_output
from weconnect.models.messages import Message, ModelRequest, ToolSpec

OPEN = {
    "type": "object",
    "properties": {"words": {"type": "object", "additionalProperties": {"type": "string"}}},
    "required": ["words"],
    "additionalProperties": False,
}
BOUNDED = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1, "exclusiveMaximum": 9}, "k": {"const": "x"}},
    "required": ["n", "k"],
    "additionalProperties": False,
}
ANSWER = '{"city": "Zürich", "people": 1}'


def read_tool_schemas(provider: str, body: Any) -> dict[str, Any]:
    """Return the schemas of a request's tools by name."""
    if provider == "google":
        return {f["name"]: f["parameters_json_schema"] for f in body["tools"][0]["functionDeclarations"]}
    if provider == "bedrock":
        tools = [tool["toolSpec"] for tool in body["toolConfig"]["tools"]]
        return {tool["name"]: tool["inputSchema"]["json"] for tool in tools}
    if provider == "anthropic":
        return {tool["name"]: tool["input_schema"] for tool in body["tools"]}
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in body["tools"]}


def must_call_a_tool(provider: str, body: Any) -> bool:
    if provider == "google":
        return bool(body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY")
    if provider == "bedrock":
        return "any" in body["toolConfig"]["toolChoice"]
    if provider == "anthropic":
        return bool(body["tool_choice"]["type"] == "any")
    return bool(body["tool_choice"] == "required")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_schema_is_sent_in_the_native_form(provider: str, start_server: StartServer) -> None:
    server = start_server(Say(ANSWER))
    reply = send_request(build_request(provider, server, output_schema=CITY), KEY)
    assert (reply.text, reply.finish_reason, reply.warnings) == (ANSWER, "stop", [])
    assert read_native_schema(provider, server.requests[0].json) == CITY
    assert "tools" not in server.requests[0].json and "toolConfig" not in server.requests[0].json


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_model_may_call_tools_before_it_answers(provider: str, start_server: StartServer) -> None:
    allows_tools = NATIVE[provider][1]
    answer = Say(ANSWER) if allows_tools else Say(calls=[Call("final_answer", json.loads(ANSWER), "call_2")])
    server = start_server(Say(calls=[Call("weather", {"place": "Zürich"})]), answer, Say(ANSWER))
    request = build_request(provider, server, output_schema=CITY, tools=[WEATHER])
    first = send_request(request, KEY)
    assert (first.text, first.finish_reason) == ("", "tool_calls")
    (call,) = first.tool_calls
    request.messages += [
        Message(role="assistant", tool_calls=[call]),
        Message(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name),
    ]
    last = send_request(request, KEY)
    assert json.loads(last.text) == json.loads(ANSWER)
    assert (last.tool_calls, last.finish_reason, last.warnings) == ([], "stop", [])
    for recorded in server.requests:
        tools = read_tool_schemas(provider, recorded.json)
        assert tools["weather"] == WEATHER.input_schema
        if allows_tools:
            assert read_native_schema(provider, recorded.json) == CITY and set(tools) == {"weather"}
        else:
            assert tools["final_answer"] == CITY and must_call_a_tool(provider, recorded.json)
    # A model that answers in text instead of calling the tool is accepted too.
    assert send_request(request, KEY).text == ANSWER


@pytest.mark.parametrize("provider", ("google", "openai_compatible"))
def test_an_answer_next_to_tool_calls_is_discarded(provider: str, start_server: StartServer) -> None:
    calls = [Call("weather", {"place": "Bern"}, "c1"), Call("final_answer", {"city": "?", "people": 0}, "c2")]
    server = start_server(Say(calls=calls))
    reply = send_request(build_request(provider, server, output_schema=CITY, tools=[WEATHER]), KEY)
    assert (reply.text, [call.name for call in reply.tool_calls]) == ("", ["weather"])
    assert reply.warnings == [
        "The model answered before it had the results of its tools. That answer was discarded."
    ]


def test_a_truncated_answer_is_returned_unchanged(start_server: StartServer) -> None:
    server = start_server(Say(calls=[Call("final_answer", raw='{"city": "Zür')], finish="length"))
    reply = send_request(build_request("openai_compatible", server, output_schema=CITY, tools=[WEATHER]), KEY)
    assert (reply.text, reply.tool_calls) == ('{"city": "Zür', [])


@pytest.mark.parametrize("provider", ("anthropic", "bedrock"))
def test_a_model_without_a_native_form_answers_through_a_tool(
    provider: str, start_server: StartServer
) -> None:
    old = {"anthropic": "claude-3-haiku-20240307", "bedrock": "us.amazon.nova-pro-v1:0"}[provider]
    server = start_server(Say(calls=[Call("final_answer", json.loads(ANSWER))]))
    reply = send_request(build_request(provider, server, model=old, output_schema=CITY), KEY)
    assert (json.loads(reply.text), reply.warnings) == (json.loads(ANSWER), [])
    assert read_tool_schemas(provider, server.requests[0].json) == {"final_answer": CITY}
    assert read_native_schema(provider, server.requests[0].json) == {}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_open_object_stays_open(provider: str, start_server: StartServer) -> None:
    """Claude's native form would close it, and the model could not put anything into it."""
    server = start_server(Say(calls=[Call("final_answer", {"words": {"a": "b"}})]))
    reply = send_request(build_request(provider, server, output_schema=OPEN), KEY)
    body = server.requests[0].json
    sent = read_native_schema(provider, body) or read_tool_schemas(provider, body)["final_answer"]
    assert sent["properties"]["words"]["additionalProperties"] == {"type": "string"}
    assert (json.loads(reply.text), reply.warnings) == ({"words": {"a": "b"}}, [])


@pytest.mark.parametrize(
    ("provider", "dropped"),
    [
        ("openai", []),
        ("openai_compatible", []),
        ("anthropic", ["/properties/n/minimum", "/properties/n/exclusiveMaximum"]),
        ("bedrock", ["/properties/n/minimum", "/properties/n/exclusiveMaximum"]),
        ("google", ["/properties/n/exclusiveMaximum"]),
    ],
)
def test_dropped_keywords_of_the_schema_are_named(
    provider: str, dropped: list[str], start_server: StartServer
) -> None:
    server = start_server(Say('{"n": 3, "k": "x"}'))
    (warning,) = send_request(build_request(provider, server, output_schema=BOUNDED), KEY).warnings or [""]
    named = [part.split(" was dropped")[0].split(" ")[-1] for part in warning.split(";") if "dropped" in part]
    assert named == dropped


def test_added_keywords_of_the_schema_are_named(start_server: StartServer) -> None:
    schema = {name: value for name, value in CITY.items() if name != "additionalProperties"}
    server = start_server(Say(ANSWER))
    assert send_request(build_request("openai", server, output_schema=schema), KEY).warnings == [
        "outputSchema was modified before it was sent: /additionalProperties was added."
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_root_must_be_an_object(provider: str, start_server: StartServer) -> None:
    server = start_server()
    with pytest.raises(ProviderError) as caught:
        send_request(
            build_request(provider, server, output_schema={"type": "array", "items": {"type": "string"}}), KEY
        )
    assert caught.value.code == "invalid_request" and "outputSchema" in caught.value.message
    assert server.requests == []


def test_the_answer_tool_never_has_the_name_of_another_tool(start_server: StartServer) -> None:
    server = start_server(Say(calls=[Call("final_answer", {"place": "Bern"})]))
    own = ToolSpec(name="final_answer", input_schema=WEATHER.input_schema)
    reply = send_request(build_request("google", server, output_schema=CITY, tools=[own]), KEY)
    assert set(read_tool_schemas("google", server.requests[0].json)) == {"final_answer", "final_answer_"}
    assert [call.name for call in reply.tool_calls] == ["final_answer"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_request_makes_the_same_bytes(provider: str, start_server: StartServer) -> None:
    server = start_server(Say(ANSWER), Say(ANSWER))
    request = build_request(provider, server, output_schema=CITY, tools=[WEATHER])
    send_request(request, KEY)
    send_request(ModelRequest.model_validate_json(request.model_dump_json()), KEY)
    assert server.requests[0].body == server.requests[1].body


def test_azure_is_recognized_by_its_host() -> None:
    request = ModelRequest(provider="openai_compatible", model=MODELS["openai"], messages=[])
    hosts = ("https://x.openai.azure.com/openai/v1", "https://azure.com.example.org/v1", "http://127.0.0.1")
    assert [structured_output.is_azure(request.model_copy(update={"base_url": host})) for host in hosts] == [
        True,
        False,
        False,
    ]


# The embedded model


def embedded(question: str, schema: dict[str, Any], *tools: ToolSpec) -> ModelRequest:
    return ModelRequest(
        provider="embedded",
        model="embedded",
        messages=[Message(role="user", content=question)],
        tools=list(tools),
        output_schema=schema,
    )


def test_the_embedded_model_puts_its_answer_into_a_string_property() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"const": "note"},
            "level": {"type": "integer", "default": 1},
            "text": {"type": "string", "description": "The answer"},
            "aside": {"type": "string"},
        },
        "required": ["kind", "level", "text"],
        "additionalProperties": False,
    }
    reply = send_request(embedded("hello", schema), None)
    plain = send_request(embedded("hello", schema).model_copy(update={"output_schema": None}), None)
    assert json.loads(reply.text) == {"kind": "note", "level": 1, "text": plain.text}
    optional = {"type": "object", "properties": {"text": {"type": "string"}}}
    assert json.loads(send_request(embedded("hello", optional), None).text) == {"text": plain.text}


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        (CITY, "/properties/people"),
        ({"type": "object", "properties": {}}, "at /:"),
        ({"type": "array", "items": {"type": "string"}}, "at /:"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x"}}, "required": ["a"]},
            "/a:",
        ),
        ({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}, "/properties/a:"),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "required": ["a", "b"],
            },
            "/properties/b",
        ),
    ],
)
def test_a_schema_that_requires_understanding_is_rejected_before_any_tool_call(
    schema: dict[str, Any], pointer: str
) -> None:
    calculator = ToolSpec(
        name="calculator",
        input_schema={
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    )
    fine = {"type": "object", "properties": {"text": {"type": "string"}}}
    assert send_request(embedded("what is 17 * 23?", fine, calculator), None).tool_calls
    with pytest.raises(ProviderError) as caught:
        send_request(embedded("what is 17 * 23?", schema, calculator), None)
    assert (caught.value.code, caught.value.retryable) == ("invalid_request", False)
    assert pointer in caught.value.message
