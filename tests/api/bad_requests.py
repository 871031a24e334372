"""Requests made invalid: the cases come from the OpenAPI document, the valid requests from the modules."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from infra import routes
from tests.api.matrices import ATTEMPT_COUNTERS, REQUESTS
from tests.api.module_matrix import Side
from tests.gateway import ApiResponse
from tests.moto_table import table_items
from weconnect.api.health import openapi_document
from weconnect.api.problems import PROBLEM_JSON

DOCUMENT = json.loads(openapi_document())
OPERATIONS = {operation.function.__name__: operation for operation in routes.load_operations().values()}
DOCUMENTED = {item["operationId"]: item for path in DOCUMENT["paths"].values() for item in path.values()}
WITH_BODY = sorted(name for name, item in DOCUMENTED.items() if "requestBody" in item)
MEGABYTE = 1024 * 1024
DEEP = 100_000


def items_without_attempt_counters() -> dict[str, Any]:
    """Return the table's items without the counts of attempts, which a refusal may change."""
    return {key: item for key, item in table_items().items() if not key.startswith(ATTEMPT_COUNTERS)}


def send(side: Side, name: str, **options: Any) -> ApiResponse:
    """Send a route's valid request, or one with the body `raw`."""
    operation, request = OPERATIONS[name], REQUESTS[name]
    body = request.body if "raw" not in options else None
    return side.client.call(operation.method, request.path(operation, side.ids), body, **options)


def problem_of(response: ApiResponse, *statuses: int) -> dict[str, Any]:
    """Return the problem of a response, which must have one of `statuses` (any 4xx by default)."""
    assert response.status in statuses or (not statuses and 400 <= response.status < 500), response.text[
        :2_000
    ]
    assert response.headers["Content-Type"] == PROBLEM_JSON
    problem: dict[str, Any] = response.json
    assert problem["status"] == response.status and problem["code"] and problem["detail"]
    return problem


def resolve_reference(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def body_schema(name: str) -> dict[str, Any]:
    content: dict[str, Any] = DOCUMENTED[name]["requestBody"]["content"]["application/json"]["schema"]
    return content


def alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the alternatives of `anyOf`, or the schema itself, with references resolved."""
    schema = resolve_reference(schema)
    return [resolve_reference(branch) for branch in schema.get("anyOf", [schema])]


def object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return next(branch for branch in alternatives(schema) if branch.get("type") == "object")


def is_free_text(branch: dict[str, Any]) -> bool:
    """Return whether an alternative of a schema accepts texts in general, not just times, ids or an enumeration."""
    return branch.get("type") == "string" and not {"enum", "const", "format"} & branch.keys()


FieldPath = tuple[str | int, ...]


def fields_of(schema: dict[str, Any], at: FieldPath = ()) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """Yield the path and schema of every field that a body may have, at any depth."""
    for branch in alternatives(schema):
        for name, field in branch.get("properties", {}).items():
            yield (*at, name), field
            yield from fields_of(field, (*at, name))
        if branch.get("type") == "array":
            yield (*at, 0), branch["items"]
            yield from fields_of(branch["items"], (*at, 0))


def invalid_values(schema: dict[str, Any]) -> list[Any]:
    """Return values that the schema refuses, also after pydantic's conversions between types."""
    types = {branch.get("type", "anything") for branch in alternatives(schema)}
    if "anything" in types:
        return []
    samples = {
        "string": "\u2603",
        "array": [[]],
        "object": {"\u2603": 1},
        "integer": 7,
        "number": 7.5,
        "boolean": True,
        "null": None,
    }
    convertible = {"integer": {"number", "boolean"}, "number": {"integer", "boolean"}, "boolean": {"number"}}
    accepted = types | {other for kind in types for other in convertible.get(kind, set())}
    if "boolean" in types:
        accepted -= {"integer"}  # 0 and 1 are converted to booleans, 7 is not
    wrong = [sample for kind, sample in samples.items() if kind not in accepted]
    for branch in alternatives(schema):
        if branch.get("type") == "string" and len(types - {"null"}) == 1:
            wrong += ["x" * (branch["maxLength"] + 1)] if "maxLength" in branch else []
            wrong += [""] if branch.get("minLength") else []
            wrong += ["\u2603"] if "enum" in branch or "format" in branch or "pattern" in branch else []
        if branch.get("type") in ("integer", "number"):
            wrong += [branch["maximum"] + 1] if "maximum" in branch else []
            wrong += [branch["minimum"] - 1] if "minimum" in branch else []
            wrong += [branch["exclusiveMinimum"]] if "exclusiveMinimum" in branch else []
        if branch.get("type") == "integer":
            wrong += [1.5]
        if branch.get("type") == "array" and "maxItems" in branch:
            wrong += [[plausible_value(branch["items"])] * (branch["maxItems"] + 1)]
    return wrong


def plausible_value(schema: dict[str, Any]) -> Any:
    """Return a value of the schema's first alternative, valid in most cases."""
    branch = alternatives(schema)[0]
    if "enum" in branch:
        return branch["enum"][0]
    empty = {"array": [], "object": {}, "integer": branch.get("minimum", 1), "number": 0.5, "boolean": True}
    kind = branch.get("type", "string")
    return empty[kind] if kind in empty else "x" * max(1, branch.get("minLength", 1))


def replace_field(body: Any, schema: dict[str, Any], at: FieldPath, value: Any) -> Any:
    """Return a body with `value` at a path; missing objects and arrays on the way are created."""
    if not at:
        return value
    if isinstance(at[0], str):
        properties = object_schema(schema)["properties"]
        changed = copy.deepcopy(body) if isinstance(body, dict) else {}
        changed[at[0]] = replace_field(changed.get(at[0]), properties.get(at[0], {}), at[1:], value)
        return changed
    items = next(branch for branch in alternatives(schema) if branch.get("type") == "array")["items"]
    return [replace_field(plausible_value(items), items, at[1:], value)]


def pointer_of(at: FieldPath) -> str:
    return "/" + "/".join(str(part) for part in at)
