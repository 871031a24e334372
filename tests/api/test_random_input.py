"""Random input to every route: never a 5xx, and a refusal writes nothing."""

import functools
import json
import string
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.bad_requests import (
    DOCUMENTED,
    OPERATIONS,
    WITH_BODY,
    alternatives,
    body_schema,
    items_without_attempt_counters,
    object_schema,
    problem_of,
    send,
)
from tests.api.matrices import REQUESTS
from tests.api.module_matrix import Side
from tests.moto_table import TableSnapshot
from tests.soak import example_count

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def matching_values(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Generate values of a schema, and sometimes any other JSON below the top."""
    typed = [_of_type(branch, depth) for branch in alternatives(schema)]
    return st.one_of(*typed, *typed, JUNK) if depth else st.one_of(*typed)


def _of_type(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kind == "object" and "properties" in schema and depth < 6:
        fields = {name: matching_values(field, depth + 1) for name, field in schema["properties"].items()}
        required = {name: fields[name] for name in schema.get("required", [])}
        optional = {name: fields[name] for name in fields if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if kind == "object":
        return st.dictionaries(st.text(string.printable, max_size=10), JUNK, max_size=3)
    if kind == "array":
        return st.lists(matching_values(schema["items"], depth + 1), max_size=4)
    if kind == "string" and schema.get("format") == "uuid":
        return st.uuids().map(str)
    if kind == "string" and schema.get("format") == "date-time":
        return st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    if kind == "string":
        short = st.text(min_size=schema.get("minLength", 0), max_size=min(30, schema.get("maxLength", 30)))
        return short | st.text(string.ascii_letters, min_size=1, max_size=12)
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "number":
        bounds = schema.get("minimum"), schema.get("maximum")
        return st.floats(*bounds, allow_nan=False, allow_infinity=False)
    return {"boolean": st.booleans(), "null": st.none()}.get(str(kind), JUNK)


def nearly_valid_bodies(name: str) -> st.SearchStrategy[Any]:
    """Generate the valid body with one or two fields changed: most of these pass the validation."""
    fields = object_schema(body_schema(name))["properties"]
    changes = [
        st.fixed_dictionaries({field: matching_values(schema, 1)}) for field, schema in sorted(fields.items())
    ]
    return st.lists(st.one_of(*changes), min_size=1, max_size=2).map(
        lambda chosen: functools.reduce(lambda body, change: body | change, chosen, REQUESTS[name].body or {})
    )


@pytest.mark.parametrize("name", WITH_BODY)
def test_no_body_causes_an_internal_error(side: Side, snapshot: TableSnapshot, name: str) -> None:
    """Each response is a success or a 4xx problem, and a refusal writes nothing."""

    @settings(
        max_examples=example_count(6),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(nearly_valid_bodies(name) | nearly_valid_bodies(name) | matching_values(body_schema(name)) | JUNK)
    def check(body: Any) -> None:
        snapshot.restore()
        before = items_without_attempt_counters()
        response = send(side, name, raw=json.dumps(body))
        assert response.status < 500, response.text
        if response.status >= 400:
            problem_of(response)
            assert items_without_attempt_counters() == before

    check()


@pytest.mark.parametrize("name", sorted(name for name, item in DOCUMENTED.items() if item.get("parameters")))
def test_no_query_or_header_causes_an_internal_error(side: Side, snapshot: TableSnapshot, name: str) -> None:
    operation, request = OPERATIONS[name], REQUESTS[name]
    parameters = [one for one in DOCUMENTED[name]["parameters"] if one["in"] in ("query", "header")]
    values = (
        st.text(max_size=40)
        | st.integers().map(str)
        | st.sampled_from(["true", "1", "newest", '"1"', "wait=0"])
    )
    path = request.path(operation, side.ids)

    @settings(
        max_examples=example_count(4),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries({}, optional={one["name"]: values for one in parameters}))
    def check(chosen: dict[str, str]) -> None:
        snapshot.restore()
        locations = {one["name"]: one["in"] for one in parameters}
        query = "&".join(
            f"{key}={quote(value)}" for key, value in chosen.items() if locations[key] == "query"
        )
        headers = {key: value for key, value in chosen.items() if locations[key] == "header"}
        headers.pop("prefer", None)  # the request would really wait
        full = path + ("&" if "?" in path else "?") + query
        response = side.client.call(operation.method, full, request.body, headers=headers)
        assert response.status < 500, response.text

    check()
