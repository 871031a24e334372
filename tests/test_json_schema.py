"""JSON Schemas of strangers: what fits, what is refused, and that nothing hangs or is fetched."""

import json
import socket
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from weconnect import json_schema
from weconnect.errors import Invalid


def problem(schema: Any, value: Any) -> str | None:
    found = json_schema.mismatch(schema, value)
    return found and str(found)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a schema was fetched")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.parametrize(
    ("schema", "value", "place"),
    [
        ({"type": "object", "required": ["a"]}, {}, "/"),
        ({"properties": {"a/b": {"items": {"type": "string"}}}}, {"a/b": ["x", 1]}, "/a~1b/1"),
        ({"properties": {"a": {"pattern": "^x+$"}}}, {"a": "y"}, "/a"),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": "x"}, "/n1"),
        ({"patternProperties": {"^n": {}}, "additionalProperties": False}, {"n1": 1, "m": 1}, "/"),
        ({"additionalProperties": {"type": "number"}, "properties": {"a": {}}}, {"a": "", "b": ""}, "/b"),
        ({"uniqueItems": True}, [1, 1.0], "/"),
        ({"$defs": {"n": {"type": "number"}}, "items": {"$ref": "#/$defs/n"}}, ["x"], "/0"),
    ],
)
def test_what_does_not_fit_is_placed(schema: dict, value: Any, place: str) -> None:
    json_schema.inspect(schema)
    assert (problem(schema, value) or "").startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}]),
        ({"patternProperties": {"^n": {}}, "additionalProperties": False}, {"n1": 1}),
        (
            {"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}},
            {"pattern": "(", "$ref": "http:"},
        ),
        ({"enum": [{"$ref": "http://example.com"}]}, {"$ref": "http://example.com"}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}, {}),
        ({"$id": "https://example.com/a", "$defs": {"n": {}}, "$ref": "#/$defs/n"}, 7),
        (True, 7),
    ],
)
def test_what_fits(schema: Any, value: Any) -> None:
    json_schema.inspect(schema)
    assert problem(schema, value) is None


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"$ref": "https://example.com/schema"}, "/$ref"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "/properties/a/$ref"),
        ({"items": {"$dynamicRef": "other.json#x"}}, "/items/$dynamicRef"),
        ({"properties": {"a": {"pattern": "(?=x)y"}}}, "/properties/a/pattern"),
        ({"pattern": "("}, "/pattern"),
        ({"pattern": "x" * 1_001}, "/pattern"),
        ({"patternProperties": {"(a)\\1": {}}}, "/patternProperties"),
        ({"properties": {"a": {"type": "nonsense"}}}, "/properties/a/type"),
        ({"properties": []}, "/properties"),
        (7, ""),
        ({"anyOf": [{}] * 3_001}, ""),
        ({"allOf": [{"pattern": f"{n}"} for n in range(51)]}, ""),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, ""),
        ({"enum": ["x" * 60_001]}, ""),
    ],
)
def test_what_cannot_be_used_is_refused(schema: Any, pointer: str) -> None:
    with pytest.raises(json_schema.BadSchema) as refused:
        json_schema.inspect(schema)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    "place", ["https://example.com/schema", "file:///etc/passwd", "/etc/passwd", "//x/y"]
)
def test_nothing_is_opened(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Not even for a schema that nobody has checked."""
    problem({"pattern": "a"}, "a")  # imports what it needs
    monkeypatch.setattr("builtins.open", None)
    assert "not usable" in (problem({"$ref": place}, {}) or "")
    hidden = {"$id": place, "$defs": {"a": {"$id": "b"}}, "allOf": [{"$id": "c", "$ref": "#/$defs/a"}]}
    assert "which is not in it" in (problem(hidden, {}) or "")


def test_a_refusal_names_the_place_in_the_request() -> None:
    for schema, place in [
        ({"type": "array"}, "/x/type"),
        ({"properties": {"a": {"pattern": "("}}}, "/x/properties/a/pattern"),
    ]:
        with pytest.raises(Invalid) as refused:
            json_schema.check(schema, "/x")
        assert refused.value.errors[0]["pointer"] == place
    json_schema.check({"type": "array"}, "/x", of_object=False)


@pytest.mark.parametrize("schema", [deep(40), deep(5_000), {"enum": [json.loads("[" * 900 + "]" * 900)]}])
def test_deep_schemas_are_refused(schema: Any) -> None:
    with pytest.raises(json_schema.BadSchema):
        json_schema.inspect(schema)
    assert "not usable" in (problem(schema, {}) or "")


def doubling(word: str) -> dict[str, Any]:
    """2^60 ways through sixty definitions."""
    names = [f"d{number}" for number in range(60)]
    following = zip(names, [*names[1:], None], strict=True)
    definitions = {
        name: {word: [{"$ref": f"#/$defs/{then}"}] * 2} if then else {"not": {}} for name, then in following
    }
    return {"$defs": definitions, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling("anyOf"), {}),
        (doubling("oneOf"), {}),
        ({"$ref": "#"}, {}),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, {}),
        ({"items": {"not": {"allOf": [{"type": "string"}] * 100}}}, list(range(30_000))),
        ({"patternProperties": {"a+": {}, "b+": {}}}, {f"{n}": 1 for n in range(60_000)}),
    ],
)
def test_a_check_comes_to_an_end(schema: dict, value: Any) -> None:
    json_schema.inspect(schema)
    assert problem(schema, value) == "/: it takes too long to check"


def test_patterns_take_linear_time() -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    json_schema.inspect(schema)
    assert problem(schema, "a" * 5_000) is None
    assert "does not match" in (problem(schema, "a" * 5_000 + "!") or "")
    assert "characters" in (problem(schema, "a" * 50_000) or "")
    assert problem({"uniqueItems": True}, [[n] for n in range(20_000)]) is None


def test_what_refers_to_nothing() -> None:
    assert (
        problem({"$ref": "#/$defs/none"}, {}) == "/: the schema refers to '/$defs/none', which is not in it"
    )


@pytest.mark.parametrize(("schema", "power"), [({"multipleOf": 0.1}, 400), ({"enum": [1]}, 5_000)])
def test_numbers_beyond_all_measure(schema: dict, power: int) -> None:
    json_schema.inspect(schema)
    assert "too large" in (problem(schema, 10**power) or "")


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": [7]}, {"properties": {"a": 7}}, {"allOf": 7}, {"pattern": 7}, {"minimum": "a"}),
        {"items": [{}]},
    ],
)
def test_a_schema_that_nobody_has_inspected_fits_nothing(schema: dict) -> None:
    with pytest.raises(json_schema.BadSchema):
        json_schema.inspect(schema)
    assert all(problem(schema, value) for value in ({"a": 1}, "a", 1, [1]) if _touches(schema, value))


def _touches(schema: dict, value: Any) -> bool:
    kinds = {
        "type": object,
        "properties": dict,
        "allOf": object,
        "pattern": str,
        "minimum": int,
        "items": list,
    }
    return isinstance(value, kinds[next(iter(schema))])


def test_patterns_of_others_hold_nobody_back() -> None:
    schema = {"properties": {"mail": {"type": "string", "pattern": "^(?!\\.).+@.+$"}}}
    json_schema.inspect(schema, patterns=False)
    assert problem(schema, {"mail": "anything"}) is None
    assert problem(schema, {"mail": 7})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, -2.0])
    | st.text("ab1", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "number", "integer", "object", "array", "boolean", "null"])
SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES,
            "enum": st.lists(JSON, min_size=1, max_size=3),
            "pattern": st.sampled_from(["a", "^b+$", "[0-9]"]),
            "maxLength": st.integers(0, 3),
            "minimum": st.integers(-2, 2),
            "uniqueItems": st.booleans(),
            "required": st.lists(st.text("ab1", max_size=2), unique=True, max_size=2),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.text("ab1", max_size=2), inner, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["a", "^b", "1$"]), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "not": inner,
        },
    ),
    max_leaves=8,
)


@given(schema=SCHEMAS, value=JSON)
@settings(max_examples=300, deadline=None)
def test_it_agrees_with_the_library(schema: Any, value: Any) -> None:
    json_schema.inspect(schema)
    assert (problem(schema, value) is None) == Draft202012Validator(schema).is_valid(value)


@given(
    junk=st.recursive(
        JSON,
        lambda inner: (
            st.dictionaries(
                st.sampled_from(
                    ["$ref", "type", "items", "properties", "allOf", "pattern", "patternProperties", "$id"]
                )
                | st.text(string.printable, max_size=4),
                inner,
                max_size=4,
            )
            | st.lists(inner, max_size=3)
        ),
        max_leaves=10,
    ),
    value=JSON,
)
@settings(max_examples=300, deadline=None)
def test_any_junk_is_a_schema_or_refused(junk: Any, value: Any) -> None:
    try:
        json_schema.inspect(junk)
    except json_schema.BadSchema as refused:
        assert refused.detail
    problem(junk, value)
