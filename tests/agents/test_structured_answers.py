"""Answers in the form of a JSON Schema, on every provider's wire and by the embedded rules."""

import json
from typing import Any

import pytest

from tests.agents.asking import CITY, KEY, MODELS, NATIVE, PROVIDERS, WEATHER, Serve, ask, native
from tests.agents.fake_model_servers import Call, Say
from weconnect.agents.models import ProviderError, complete
from weconnect.agents.models.messages import Message, ModelRequest, ToolSpec

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


def tools_on(provider: str, body: Any) -> dict[str, Any]:
    """The schemas of a request's tools by their names."""
    if provider == "google":
        return {f["name"]: f["parameters_json_schema"] for f in body["tools"][0]["functionDeclarations"]}
    if provider == "bedrock":
        tools = [tool["toolSpec"] for tool in body["toolConfig"]["tools"]]
        return {tool["name"]: tool["inputSchema"]["json"] for tool in tools}
    if provider == "anthropic":
        return {tool["name"]: tool["input_schema"] for tool in body["tools"]}
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in body["tools"]}


def must_call_a_tool(provider: str, body: Any) -> bool:
    chosen = {
        "google": lambda: body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY",
        "bedrock": lambda: "any" in body["toolConfig"]["toolChoice"],
        "anthropic": lambda: body["tool_choice"]["type"] == "any",
    }.get(provider, lambda: body["tool_choice"] == "required")
    return bool(chosen())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_schema_goes_out_in_the_native_form(provider: str, serve: Serve) -> None:
    server = serve(Say(ANSWER))
    reply = complete(ask(provider, server, output_schema=CITY), KEY)
    assert (reply.text, reply.finish_reason, reply.warnings) == (ANSWER, "stop", [])
    assert native(provider, server.asked[0].json) == CITY
    assert "tools" not in server.asked[0].json and "toolConfig" not in server.asked[0].json


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_model_may_call_tools_before_it_answers(provider: str, serve: Serve) -> None:
    beside_tools = NATIVE[provider][1]
    answer = Say(ANSWER) if beside_tools else Say(calls=[Call("final_answer", json.loads(ANSWER), "call_2")])
    server = serve(Say(calls=[Call("weather", {"place": "Zürich"})]), answer, Say(ANSWER))
    request = ask(provider, server, output_schema=CITY, tools=[WEATHER])
    first = complete(request, KEY)
    assert (first.text, first.finish_reason) == ("", "tool_calls")
    (call,) = first.tool_calls
    request.messages += [
        Message(role="assistant", tool_calls=[call]),
        Message(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name),
    ]
    last = complete(request, KEY)
    assert json.loads(last.text) == json.loads(ANSWER)
    assert (last.tool_calls, last.finish_reason, last.warnings) == ([], "stop", [])
    for asked in server.asked:
        tools = tools_on(provider, asked.json)
        assert tools["weather"] == WEATHER.input_schema
        if beside_tools:
            assert native(provider, asked.json) == CITY and set(tools) == {"weather"}
        else:
            assert tools["final_answer"] == CITY and must_call_a_tool(provider, asked.json)
    # A model that says it instead of calling the tool is heard too.
    assert complete(request, KEY).text == ANSWER


@pytest.mark.parametrize("provider", ("google", "openai_compatible"))
def test_an_answer_beside_calls_is_left_out(provider: str, serve: Serve) -> None:
    calls = [Call("weather", {"place": "Bern"}, "c1"), Call("final_answer", {"city": "?", "people": 0}, "c2")]
    server = serve(Say(calls=calls))
    reply = complete(ask(provider, server, output_schema=CITY, tools=[WEATHER]), KEY)
    assert (reply.text, [call.name for call in reply.tool_calls]) == ("", ["weather"])
    assert reply.warnings == ["The model answered before its tools did; that answer was left out."]


def test_a_cut_answer_is_handed_on_as_it_is(serve: Serve) -> None:
    server = serve(Say(calls=[Call("final_answer", raw='{"city": "Zür')], finish="length"))
    reply = complete(ask("openai_compatible", server, output_schema=CITY, tools=[WEATHER]), KEY)
    assert (reply.text, reply.tool_calls) == ('{"city": "Zür', [])


@pytest.mark.parametrize("provider", ("anthropic", "bedrock"))
def test_a_model_without_a_native_form_answers_through_a_tool(provider: str, serve: Serve) -> None:
    old = {"anthropic": "claude-3-haiku-20240307", "bedrock": "us.amazon.nova-pro-v1:0"}[provider]
    server = serve(Say(calls=[Call("final_answer", json.loads(ANSWER))]))
    reply = complete(ask(provider, server, model=old, output_schema=CITY), KEY)
    assert (json.loads(reply.text), reply.warnings) == (json.loads(ANSWER), [])
    assert tools_on(provider, server.asked[0].json) == {"final_answer": CITY}
    assert native(provider, server.asked[0].json) == {}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_open_object_stays_open(provider: str, serve: Serve) -> None:
    """Claude's native form would close it, and the model could then put nothing into it."""
    server = serve(Say(calls=[Call("final_answer", {"words": {"a": "b"}})]))
    reply = complete(ask(provider, server, output_schema=OPEN), KEY)
    body = server.asked[0].json
    sent = native(provider, body) or tools_on(provider, body)["final_answer"]
    assert sent["properties"]["words"]["additionalProperties"] == {"type": "string"}
    assert (json.loads(reply.text), reply.warnings) == ({"words": {"a": "b"}}, [])


@pytest.mark.parametrize(
    ("provider", "gone"),
    [
        ("openai", []),
        ("openai_compatible", []),
        ("anthropic", ["/properties/n/minimum", "/properties/n/exclusiveMaximum"]),
        ("bedrock", ["/properties/n/minimum", "/properties/n/exclusiveMaximum"]),
        ("google", ["/properties/n/exclusiveMaximum"]),
    ],
)
def test_what_is_dropped_of_the_schema_is_named(provider: str, gone: list[str], serve: Serve) -> None:
    server = serve(Say('{"n": 3, "k": "x"}'))
    (warning,) = complete(ask(provider, server, output_schema=BOUNDED), KEY).warnings or [""]
    named = [part.split(" was dropped")[0].split(" ")[-1] for part in warning.split(";") if "dropped" in part]
    assert named == gone


def test_what_is_added_to_the_schema_is_named(serve: Serve) -> None:
    schema = {name: value for name, value in CITY.items() if name != "additionalProperties"}
    server = serve(Say(ANSWER))
    assert complete(ask("openai", server, output_schema=schema), KEY).warnings == [
        "outputSchema was sent otherwise than written: /additionalProperties was added."
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_root_must_be_an_object(provider: str, serve: Serve) -> None:
    server = serve()
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server, output_schema={"type": "array", "items": {"type": "string"}}), KEY)
    assert caught.value.code == "invalid_request" and "outputSchema" in caught.value.message
    assert server.asked == []


def test_the_answers_tool_never_takes_the_name_of_another(serve: Serve) -> None:
    server = serve(Say(calls=[Call("final_answer", {"place": "Bern"})]))
    own = ToolSpec(name="final_answer", input_schema=WEATHER.input_schema)
    reply = complete(ask("google", server, output_schema=CITY, tools=[own]), KEY)
    assert set(tools_on("google", server.asked[0].json)) == {"final_answer", "final_answer_"}
    assert [call.name for call in reply.tool_calls] == ["final_answer"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_request_makes_the_same_bytes(provider: str, serve: Serve) -> None:
    server = serve(Say(ANSWER), Say(ANSWER))
    request = ask(provider, server, output_schema=CITY, tools=[WEATHER])
    complete(request, KEY)
    complete(ModelRequest.model_validate_json(request.model_dump_json()), KEY)
    assert server.asked[0].body == server.asked[1].body


def test_azure_takes_both_at_once() -> None:
    from weconnect.agents.models import structured_output

    request = ModelRequest(provider="openai_compatible", model=MODELS["openai"], messages=[])
    hosts = ("https://x.openai.azure.com/openai/v1", "https://azure.com.example.org/v1", "http://127.0.0.1")
    assert [structured_output.is_azure(request.model_copy(update={"base_url": host})) for host in hosts] == [
        True,
        False,
        False,
    ]


# By the embedded rules


def embedded(question: str, schema: dict[str, Any], *tools: ToolSpec) -> ModelRequest:
    return ModelRequest(
        provider="embedded",
        model="embedded",
        messages=[Message(role="user", content=question)],
        tools=list(tools),
        output_schema=schema,
    )


def test_the_embedded_rules_put_their_answer_into_the_string() -> None:
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
    reply = complete(embedded("hello", schema), None)
    plain = complete(embedded("hello", schema).model_copy(update={"output_schema": None}), None)
    assert json.loads(reply.text) == {"kind": "note", "level": 1, "text": plain.text}
    optional = {"type": "object", "properties": {"text": {"type": "string"}}}
    assert json.loads(complete(embedded("hello", optional), None).text) == {"text": plain.text}


@pytest.mark.parametrize(
    ("schema", "place"),
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
def test_a_schema_that_needs_understanding_is_refused_before_any_tool(
    schema: dict[str, Any], place: str
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
    assert complete(embedded("what is 17 * 23?", fine, calculator), None).tool_calls
    with pytest.raises(ProviderError) as caught:
        complete(embedded("what is 17 * 23?", schema, calculator), None)
    assert (caught.value.code, caught.value.retryable) == ("invalid_request", False)
    assert place in caught.value.message
