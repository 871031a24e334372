"""The builtin tools that work on texts and on JSON: alone, and through their route."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import register
from weconnect import json_schema
from weconnect.agents.tools import json_query, text
from weconnect.agents.tools.errors import ToolError


def run_text(operation: str, **arguments: Any) -> Any:
    return text.run({"operation": operation, **arguments})["result"]


@pytest.mark.parametrize(
    ("operation", "arguments", "result"),
    [
        ("upper", {"text": "straße"}, "STRASSE"),
        ("lower", {"text": "ÀB"}, "àb"),
        ("trim", {"text": "\n a b\t"}, "a b"),
        ("length", {"text": "a😀é"}, 3),
        ("split", {"text": " a  b\nc "}, ["a", "b", "c"]),
        ("split", {"text": "a,,b", "separator": ","}, ["a", "", "b"]),
        ("join", {"parts": ["a", "b"], "separator": ", "}, "a, b"),
        ("join", {"parts": []}, ""),
        ("replace", {"text": "aXbX", "search": "X", "replacement": "-"}, "a-b-"),
        ("replace", {"text": "aXbX", "search": "X"}, "ab"),
        ("find", {"text": "hello", "search": "l"}, 2),
        ("find", {"text": "hello", "search": "z"}, -1),
        ("slice", {"text": "hello", "start": 1, "end": 3}, "el"),
        ("slice", {"text": "hello", "start": -2}, "lo"),
        ("slice", {"text": "hello", "start": 4, "end": 2}, ""),
        ("count_words", {"text": " to be  or not "}, 4),
        ("slugify", {"text": "Éclair & Söhne!"}, "eclair-sohne"),
        ("slugify", {"text": "日本"}, ""),
        ("base64_decode", {"text": "_-8"}, None),
        ("base64_decode", {"text": "aGVs\nbG8"}, "hello"),
        ("url_decode", {"text": "a%20b+c"}, "a b+c"),
    ],
)
def test_the_text_tool_executes_an_operation(operation: str, arguments: dict[str, Any], result: Any) -> None:
    if result is None:
        with pytest.raises(ToolError, match="not text"):
            run_text(operation, **arguments)
        return
    assert run_text(operation, **arguments) == result


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "operation must be one of"),
        ({"operation": "explode", "text": "x"}, "operation must be one of"),
        ({"operation": "upper"}, "text must be a string for upper"),
        ({"operation": "upper", "text": 7}, "text must be a string"),
        ({"operation": "upper", "text": "x" * 100_001}, "more than 100000"),
        ({"operation": "upper", "text": "ß" * 100_000}, "The result has more"),
        ({"operation": "join"}, "parts must be a list"),
        ({"operation": "join", "parts": ["a", 7]}, "parts must be a list"),
        ({"operation": "join", "parts": ["x" * 60_000] * 2}, "The result has more"),
        ({"operation": "join", "parts": [""] * 9_000, "separator": "x" * 1_000}, "The result has more"),
        ({"operation": "replace", "text": "a"}, "search must be a string"),
        ({"operation": "replace", "text": "a", "search": ""}, "must not be empty"),
        (
            {"operation": "replace", "text": "a" * 100_000, "search": "a", "replacement": "b" * 100_000},
            "The result has more",
        ),
        ({"operation": "split", "text": "a " * 20_000}, "more than 10000 parts"),
        ({"operation": "base64_decode", "text": "a"}, "not Base64"),
        ({"operation": "base64_decode", "text": "é"}, "not Base64"),
        ({"operation": "url_decode", "text": "%ff"}, "not valid Unicode"),
        ({"operation": "sha256", "text": "\ud800"}, "not valid Unicode"),
        ({"operation": "url_encode", "text": "\ud800"}, "not valid Unicode"),
    ],
)
def test_invalid_arguments_of_the_text_tool_are_tool_errors(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(ToolError, match=error):
        text.run(arguments)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(word=TEXT)
def test_decoding_reverses_encoding(word: str) -> None:
    assert run_text("base64_encode", text=word) == base64.b64encode(word.encode()).decode()
    assert run_text("base64_decode", text=run_text("base64_encode", text=word)) == word
    assert run_text("url_encode", text=word) == quote(word, safe="")
    assert run_text("url_decode", text=run_text("url_encode", text=word)) == word
    assert run_text("sha256", text=word) == hashlib.sha256(word.encode()).hexdigest()


@given(parts=st.lists(TEXT.filter(lambda part: "|" not in part), min_size=1, max_size=5))
def test_splitting_reverses_joining(parts: list[str]) -> None:
    joined = run_text("join", parts=parts, separator="|")
    assert run_text("split", text=joined, separator="|") == parts
    assert run_text("replace", text=joined, search="|", replacement="+-") == "+-".join(parts)


@given(
    arguments=st.fixed_dictionaries(
        {"operation": st.sampled_from([*text.OPERATIONS])},
        optional={
            "text": st.text(max_size=40),
            "parts": st.lists(st.text(max_size=5), max_size=4),
            "separator": st.text(max_size=3),
            "search": st.text(min_size=1, max_size=3),
            "replacement": st.text(max_size=3),
            "start": st.integers(-50, 50),
            "end": st.integers(-50, 50),
        },
    )
)
def test_any_valid_arguments_give_a_result_or_a_tool_error(arguments: dict[str, Any]) -> None:
    assert json_schema.find_mismatch(text.INPUT_SCHEMA, arguments) is None
    try:
        assert text.run(arguments).keys() == {"result"}
    except ToolError as error:
        assert str(error)


# JSON


@pytest.mark.parametrize(
    ("expression", "data", "result"),
    [
        ("$sum(items.price)", {"items": [{"price": 1}, {"price": 2.5}]}, 3.5),
        ("items[price > 1].price", '{"items": [{"price": 1}, {"price": 2.5}]}', 2.5),
        ("nothing", {"a": 1}, None),
        ("$", "plain text", "plain text"),
        ("$count($)", "[1, 2, 3]", 3),
    ],
)
def test_a_json_query_evaluates_an_expression(expression: str, data: Any, result: Any) -> None:
    assert json_query.run({"expression": expression, "data": data}) == {"result": result}


@pytest.mark.parametrize(
    ("expression", "data", "error"),
    [
        ("", {}, "must be a JSONata expression"),
        (None, {}, "must be a JSONata expression"),
        ("items[", {}, "items"),
        ("$eval('1')", {}, "eval"),
        ("[1..1000000]", {}, "."),
        ("$", "{broken", "begins like JSON"),
        ("$", {"a": float("nan")}, "not JSON"),
        ("$", "x" * 2_000_000, "exceeds"),
        ("$", ["x" * 70_000], "exceeds 65536 bytes"),
    ],
)
def test_an_invalid_query_is_a_tool_error(expression: Any, data: Any, error: str) -> None:
    with pytest.raises(ToolError, match=error):
        json_query.run({"expression": expression, "data": data})


def test_both_tools_can_be_tested_through_their_route(aws: None) -> None:
    me = register()
    path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    for name, arguments, result in [
        ("text", {"operation": "upper", "text": "a"}, {"result": "A"}),
        ("json_query", {"expression": "a", "data": {"a": 7}}, {"result": 7}),
    ]:
        made = me.client.post(f"{path}/tools", {"toolName": name, "outputSchema": {"required": ["result"]}})
        assert made.status == 201, made.text
        location = f"{made.headers['Location']}/test"
        assert me.client.post(location, {"arguments": arguments}).json["result"] == result
        assert "do not match" in me.client.post(location, {"arguments": {"operation": "x"}}).json["error"]
    strict = {"outputSchema": {"properties": {"result": {"type": "string"}}}}
    assert me.client.patch(made.headers["Location"], strict).status == 200
    refused = me.client.post(location, {"arguments": arguments}).json["error"]
    assert refused == "The result does not match the schema: /result: 7 is not of type 'string'"
