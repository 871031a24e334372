"""Bad bodies for every route: a 4xx problem that names the field, never a 5xx, and nothing written."""

import base64
import json
from typing import Any

import pytest

from tests.api.bad_requests import (
    DEEP,
    DOCUMENTED,
    MEGABYTE,
    OPERATIONS,
    WITH_BODY,
    alternatives,
    body_schema,
    fields_of,
    invalid_values,
    is_free_text,
    object_schema,
    pointer_of,
    problem_of,
    replace_field,
    send,
)
from tests.api.matrices import REQUESTS
from tests.api.module_matrix import Side
from tests.gateway import CONTEXT, ApiResponse, authorize, make_event, match
from tests.moto_table import TableSnapshot, table_items
from weconnect.api.resolver import handler

MALFORMED_BODIES = {
    "malformed": '{"name": ',
    "a word": "nonsense",
    "two": '{"name": "a"} {"name": "b"}',
    "NaN": '{"name": NaN}',
    "Infinity": '{"name": -Infinity}',
    "a number beyond floats": '{"name": 1e999}',
    "5,000 digits": '{"name": ' + "9" * 5_000 + "}",
    "100,000 brackets": "[" * DEEP,
    "100,000 closed brackets": "[" * DEEP + "]" * DEEP,
    "100,000 objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "a lone surrogate": '{"name": "\\ud800"}',
    "a lone surrogate in a name": '{"\\ud800": "x"}',
    "a repeated key": '{"name": "a", "name": "b"}',
    "a repeated key, deeper": '{"name": {"a": [{"b": 1, "b": 1}]}}',
    "a control character": '{"name": "a\u0001b"}',
}


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_not_json_is_refused(side: Side, name: str) -> None:
    before = table_items()
    for case, raw in MALFORMED_BODIES.items():
        is_too_large = len(raw) > OPERATIONS[name].max_body_bytes
        problem = problem_of(send(side, name, raw=raw), 413 if is_too_large else 400)
        assert is_too_large or problem["code"] == "malformed_json", (case, problem)
    assert table_items() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_another_type_is_refused(side: Side, name: str) -> None:
    before = table_items()
    required = DOCUMENTED[name]["requestBody"].get("required", False)
    for raw in ["[]", '"text"', "7", "true", "[{}]", *(["null", ""] if required else [])]:
        problem = problem_of(send(side, name, raw=raw), 400, 422)
        assert raw == "" or problem["errors"], (raw, problem)
    assert table_items() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_not_utf_8_is_refused(side: Side, name: str) -> None:
    """The gateway encodes a body as base64 that is not UTF-8."""
    before = table_items()
    operation, parameters = match(OPERATIONS[name].method, REQUESTS[name].path(OPERATIONS[name], side.ids))
    path = REQUESTS[name].path(OPERATIONS[name], side.ids)
    for raw in (b'{"name": "\xff"}', b"\xff\xfe{\x00}\x00", b"PK\x03\x04" + bytes(range(128, 256))):
        event = make_event(operation, path, parameters, None, side.client.headers, side.client.ip)
        event |= {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
        if not operation.public:
            event["requestContext"]["authorizer"] = {"lambda": authorize(event)}
        response = handler(event, CONTEXT)
        text = response["body"] or ""
        problem_of(ApiResponse(response["statusCode"], response["headers"], text, event), 400)
    assert table_items() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_too_large_is_refused(side: Side, name: str) -> None:
    before = table_items()
    problem_of(send(side, name, raw=json.dumps({"name": "x" * 5 * MEGABYTE})), 413)
    problem_of(send(side, name, raw=json.dumps({"name": "\u2603" * (2 * MEGABYTE)}, ensure_ascii=False)), 413)
    assert table_items() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_another_media_type_is_refused(side: Side, name: str) -> None:
    before = table_items()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem_of(send(side, name, headers={"Content-Type": kind}), 400, 415)
    assert table_items() == before


@pytest.mark.parametrize(
    "kind",
    [
        "Application/JSON",
        "APPLICATION/JSON;charset=UTF-8",
        " application/json ; q=1",
        "application/json;charset=x",
    ],
)
@pytest.mark.parametrize("name", ["register", "login", "create_agent"])
def test_json_is_read_however_its_media_type_is_written(side: Side, name: str, kind: str) -> None:
    response = send(side, name, raw='{"unknown": 1}', headers={"Content-Type": kind})
    assert problem_of(response, 422)["errors"]


@pytest.mark.parametrize(
    "kind", ["application/problem+json", "application/vnd.x+json", "application/jsonp", ""]
)
@pytest.mark.parametrize("name", ["register", "login", "create_agent"])
def test_a_media_type_that_is_only_like_json_is_refused(side: Side, name: str, kind: str) -> None:
    response = send(side, name, raw='{"unknown": 1}', headers={"Content-Type": kind})
    assert problem_of(response, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("name", WITH_BODY)
def test_an_undeclared_field_is_refused(side: Side, name: str) -> None:
    """Also one that other bodies have: nobody can give themselves a role, a plan or another tenant."""
    before = table_items()
    schema = object_schema(body_schema(name))
    foreign = ["\u2603", "id", "role", "plan", "version", "createdAt", "isFeatured", "totalExecutions"]
    foreign += ["userId", "keyHash", "__proto__", "a/b~c"]
    if "organizationId" not in schema["properties"]:
        foreign.append("organizationId")
    nested = [
        path for path, field in fields_of(schema) if any("properties" in one for one in alternatives(field))
    ]
    for path in [(), *nested]:
        for field in foreign:
            at, value = (path, {field: 1}) if path else ((field,), 1)
            body = replace_field(REQUESTS[name].body or {}, schema, at, value)
            problem = problem_of(send(side, name, raw=json.dumps(body)), 422)
            expected = pointer_of((*path, field.replace("~", "~0").replace("/", "~1")))
            assert expected in [error["pointer"] for error in problem["errors"]], (expected, problem)
    assert table_items() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_invalid_values_of_each_field_are_refused(side: Side, name: str) -> None:
    before, tried = table_items(), 0
    schema = body_schema(name)
    accepts_anything = all(
        "type" not in branch for _, field in fields_of(schema) for branch in alternatives(field)
    )
    for path, field in fields_of(schema):
        for value in invalid_values(field):
            body = replace_field(REQUESTS[name].body or {}, schema, path, value)
            problem = problem_of(send(side, name, raw=json.dumps(body)), 400, 422)
            pointers = [error["pointer"] for error in problem["errors"]]
            assert any(pointer.startswith(pointer_of(path)) for pointer in pointers), (
                path,
                str(value)[:80],
                problem,
            )
            tried += 1
    assert (tried > 2 or accepts_anything) and table_items() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_the_largest_value_of_each_field_never_fails_in_the_table(
    side: Side, snapshot: TableSnapshot, name: str
) -> None:
    """A row has 400 KB: what does not fit is refused before the table refuses it."""
    schema, tried, has_texts = body_schema(name), 0, False
    for path, field in fields_of(schema):
        for branch in alternatives(field):
            values: list[Any] = []
            has_texts |= is_free_text(branch)
            if branch.get("type") == "string" and "maxLength" in branch:
                values = [
                    "\U0001f600" * branch["maxLength"],
                    "\u0001" * branch["maxLength"],
                    "'" * branch["maxLength"],
                ]
            if branch.get("type") == "object" and "properties" not in branch:
                values = [{"a": "x" * 3 * MEGABYTE}, {"type": "object", "title": "\U0001f600" * 150_000}]
            for value in values:
                snapshot.restore()
                response = send(
                    side, name, raw=json.dumps(replace_field(REQUESTS[name].body or {}, schema, path, value))
                )
                assert response.status < 500, (path, response.text)
                tried += 1
    assert tried or not has_texts, "the texts of this body have no maximum length"


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_missing_required_field_is_refused(side: Side, name: str) -> None:
    before = table_items()
    for field in object_schema(body_schema(name)).get("required", []):
        body = {key: value for key, value in REQUESTS[name].body.items() if key != field}
        problem = problem_of(send(side, name, raw=json.dumps(body)), 422)
        assert f"/{field}" in [error["pointer"] for error in problem["errors"]]
    assert table_items() == before
