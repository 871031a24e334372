"""JSON Schemas of strangers: validation, refusals, and that nothing hangs or is fetched."""

import json
import socket
import string
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from weconnect import json_schema
from weconnect.errors import Invalid


def mismatch(schema: Any, value: Any) -> str | None:
    first = json_schema.find_mismatch(schema, value)
    return None if first is None else str(first)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a schema was fetched")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.parametrize(
    ("schema", "value", "pointer"),
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
def test_a_mismatch_names_its_pointer(schema: dict[str, Any], value: Any, pointer: str) -> None:
    json_schema.check_schema(schema)
    assert (mismatch(schema, value) or "").startswith(f"{pointer}: ")


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
def test_a_valid_value_has_no_mismatch(schema: Any, value: Any) -> None:
    json_schema.check_schema(schema)
    assert mismatch(schema, value) is None


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
def test_an_unusable_schema_is_refused(schema: Any, pointer: str) -> None:
    with pytest.raises(json_schema.UnusableSchema) as refused:
        json_schema.check_schema(schema)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    "reference", ["https://example.com/schema", "file:///etc/passwd", "/etc/passwd", "//x/y"]
)
def test_a_reference_opens_nothing(monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    """Not even in a schema that was never checked."""
    mismatch({"pattern": "a"}, "a")  # imports everything needed
    monkeypatch.setattr("builtins.open", None)
    assert "not usable" in (mismatch({"$ref": reference}, {}) or "")
    hidden = {"$id": reference, "$defs": {"a": {"$id": "b"}}, "allOf": [{"$id": "c", "$ref": "#/$defs/a"}]}
    assert "which is not in it" in (mismatch(hidden, {}) or "")


def test_a_refusal_names_the_pointer_in_the_request() -> None:
    for schema, pointer in [
        ({"type": "array"}, "/x/type"),
        ({"properties": {"a": {"pattern": "("}}}, "/x/properties/a/pattern"),
    ]:
        with pytest.raises(Invalid) as refused:
            json_schema.require_valid_schema(schema, "/x")
        assert refused.value.errors[0]["pointer"] == pointer
    json_schema.require_valid_schema({"type": "array"}, "/x", of_object=False)


@pytest.mark.parametrize("schema", [deep(40), deep(5_000), {"enum": [json.loads("[" * 900 + "]" * 900)]}])
def test_deep_schemas_are_refused(schema: Any) -> None:
    with pytest.raises(json_schema.UnusableSchema):
        json_schema.check_schema(schema)
    assert "not usable" in (mismatch(schema, {}) or "")


def doubling(keyword: str) -> dict[str, Any]:
    """Return a schema with 2^60 ways through sixty definitions."""
    names = [f"d{number}" for number in range(60)]
    definitions: dict[str, Any] = {
        name: {keyword: [{"$ref": f"#/$defs/{following}"}] * 2} for name, following in pairwise(names)
    }
    definitions[names[-1]] = {"not": {}}
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
def test_a_costly_check_is_given_up(schema: dict[str, Any], value: Any) -> None:
    json_schema.check_schema(schema)
    assert mismatch(schema, value) == "/: the value takes too long to check"


def test_patterns_take_linear_time() -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    json_schema.check_schema(schema)
    assert mismatch(schema, "a" * 5_000) is None
    assert "does not match" in (mismatch(schema, "a" * 5_000 + "!") or "")
    assert "characters" in (mismatch(schema, "a" * 50_000) or "")
    assert mismatch({"uniqueItems": True}, [[n] for n in range(20_000)]) is None


def test_a_reference_to_nothing_is_a_mismatch() -> None:
    assert (
        mismatch({"$ref": "#/$defs/none"}, {}) == "/: the schema refers to '/$defs/none', which is not in it"
    )


@pytest.mark.parametrize(("schema", "power"), [({"multipleOf": 0.1}, 400), ({"enum": [1]}, 5_000)])
def test_huge_numbers_are_refused(schema: dict[str, Any], power: int) -> None:
    json_schema.check_schema(schema)
    assert "too large" in (mismatch(schema, 10**power) or "")


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": [7]}, {"properties": {"a": 7}}, {"allOf": 7}, {"pattern": 7}, {"minimum": "a"}),
        {"items": [{}]},
    ],
)
def test_by_an_unusable_schema_no_value_is_valid(schema: dict[str, Any]) -> None:
    with pytest.raises(json_schema.UnusableSchema):
        json_schema.check_schema(schema)
    assert all(mismatch(schema, value) for value in ({"a": 1}, "a", 1, [1]) if _touches(schema, value))


def _touches(schema: dict[str, Any], value: Any) -> bool:
    kinds = {
        "type": object,
        "properties": dict,
        "allOf": object,
        "pattern": str,
        "minimum": int,
        "items": list,
    }
    return isinstance(value, kinds[next(iter(schema))])


def test_an_unsupported_pattern_can_be_accepted_and_matches_every_text() -> None:
    schema = {"properties": {"mail": {"type": "string", "pattern": "^(?!\\.).+@.+$"}}}
    json_schema.check_schema(schema, patterns=False)
    assert mismatch(schema, {"mail": "anything"}) is None
    assert mismatch(schema, {"mail": 7})


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
    json_schema.check_schema(schema)
    assert (mismatch(schema, value) is None) == Draft202012Validator(schema).is_valid(value)


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
        json_schema.check_schema(junk)
    except json_schema.UnusableSchema as refused:
        assert refused.detail
    mismatch(junk, value)


class PanicException(BaseException):
    """The class that a panic of a Rust library has in Python, by its name."""


def test_a_panic_of_the_library_is_a_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    def panic() -> None:
        raise PanicException

    monkeypatch.setattr(json_schema, "_build_validator_class", panic)
    mismatch = json_schema.find_mismatch({"type": "object"}, {})
    assert mismatch and mismatch.detail == "the value takes too long to check"
