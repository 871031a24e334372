"""The builtin tools that work on texts and on JSON: alone, and through their route."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import registered
from weconnect import json_schema
from weconnect.agents.tools import json_query, text
from weconnect.agents.tools.errors import ToolError


def done(operation: str, **arguments: Any) -> Any:
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
def test_text(operation: str, arguments: dict[str, Any], result: Any) -> None:
    if result is None:
        with pytest.raises(ToolError, match="not text"):
            done(operation, **arguments)
        return
    assert done(operation, **arguments) == result


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "operation must be one of"),
        ({"operation": "explode", "text": "x"}, "operation must be one of"),
        ({"operation": "upper"}, "text must be a text for upper"),
        ({"operation": "upper", "text": 7}, "text must be a text"),
        ({"operation": "upper", "text": "x" * 100_001}, "more than 100000"),
        ({"operation": "upper", "text": "ß" * 100_000}, "The result has more"),
        ({"operation": "join"}, "parts must be a list"),
        ({"operation": "join", "parts": ["a", 7]}, "parts must be a list"),
        ({"operation": "join", "parts": ["x" * 60_000] * 2}, "The result has more"),
        ({"operation": "join", "parts": [""] * 9_000, "separator": "x" * 1_000}, "The result has more"),
        ({"operation": "replace", "text": "a"}, "search must be a text"),
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
def test_text_that_cannot_be(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(ToolError, match=error):
        text.run(arguments)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(word=TEXT)
def test_encodings_lead_back(word: str) -> None:
    assert done("base64_encode", text=word) == base64.b64encode(word.encode()).decode()
    assert done("base64_decode", text=done("base64_encode", text=word)) == word
    assert done("url_encode", text=word) == quote(word, safe="")
    assert done("url_decode", text=done("url_encode", text=word)) == word
    assert done("sha256", text=word) == hashlib.sha256(word.encode()).hexdigest()


@given(parts=st.lists(TEXT.filter(lambda part: "|" not in part), min_size=1, max_size=5))
def test_what_is_joined_can_be_split(parts: list[str]) -> None:
    joined = done("join", parts=parts, separator="|")
    assert done("split", text=joined, separator="|") == parts
    assert done("replace", text=joined, search="|", replacement="+-") == "+-".join(parts)


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
def test_what_the_schema_takes_is_answered_or_refused(arguments: dict[str, Any]) -> None:
    assert json_schema.mismatch(text.INPUT_SCHEMA, arguments) is None
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
def test_json_query(expression: str, data: Any, result: Any) -> None:
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
        ("$", "x" * 2_000_000, "more than"),
        ("$", ["x" * 70_000], "more than 65536 bytes"),
    ],
)
def test_a_query_that_cannot_be(expression: Any, data: Any, error: str) -> None:
    with pytest.raises(ToolError, match=error):
        json_query.run({"expression": expression, "data": data})


def test_both_through_their_route(aws: None) -> None:
    me = registered()
    path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    for name, arguments, result in [
        ("text", {"operation": "upper", "text": "a"}, {"result": "A"}),
        ("json_query", {"expression": "a", "data": {"a": 7}}, {"result": 7}),
    ]:
        made = me.client.post(f"{path}/tools", {"toolName": name, "outputSchema": {"required": ["result"]}})
        assert made.status == 201, made.text
        place = f"{made.headers['Location']}/test"
        assert me.client.post(place, {"arguments": arguments}).json["result"] == result
        assert "do not fit" in me.client.post(place, {"arguments": {"operation": "x"}}).json["error"]
    strict = {"outputSchema": {"properties": {"result": {"type": "string"}}}}
    assert me.client.patch(made.headers["Location"], strict).status == 200
    refused = me.client.post(place, {"arguments": arguments}).json["error"]
    assert refused == "The result does not fit: /result: 7 is not of type 'string'"
