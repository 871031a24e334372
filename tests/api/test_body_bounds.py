"""Bodies cost no more than their size: a limit for each operation, and few errors however much is wrong."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core import ValidationError

from infra import routes
from tests.gateway import Client
from tests.workflows.definitions import definition, node
from weconnect.agents.tools.entities import NewAIAgentTool
from weconnect.api.operation import MAX_BYTES, MAX_DOCUMENT_BYTES, MAX_PUBLIC_BYTES, Operation
from weconnect.auth.schemas import EmailVerification
from weconnect.base_entity import MAX_UNKNOWN_FIELDS, ApiModel
from weconnect.workflows.engine.node_test import NodeTest
from weconnect.workflows.entities import NewWorkflow, WorkflowExport

OPERATIONS = routes.load_operations()
PUBLIC_DOCUMENTS = {"POST /v1/callbacks/{token}", "POST /v1/billing/stripe-events"}
MANY = 200_000
MAX_ERRORS = 1_000
WRONG_BODIES: list[tuple[type[ApiModel], dict[str, Any]]] = [
    (EmailVerification, {f"k{number}": 0 for number in range(MANY)}),
    (NewAIAgentTool, {"toolName": "a", "approval": {"roles": ["x"] * MANY}}),
    (NewWorkflow, {"name": "a", "nodes": [node("n", "noop") | {f"k{number}": 0 for number in range(MANY)}]}),
    (NewWorkflow, {"name": "a", "nodes": [0] * MANY}),
    (WorkflowExport, {"name": "a", "definition": definition([]), "credentialSlots": [0] * MANY}),
    (NodeTest, {"input": {"main": [0] * MANY}}),
    (NodeTest, {"input": {"main": [0] * 50_000}}),
    (NodeTest, {"input": {f"k{number}": 0 for number in range(MANY)}}),
    (NodeTest, {"nodes": {f"k{number}": 0 for number in range(MANY)}}),
    (NodeTest, {"nodes": {"n": {f"k{number}": 0 for number in range(MANY)}}}),
    (NodeTest, {"nodes": {"n": {"main": [0] * MANY}}}),
]


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS.values() if each.public], ids=lambda each: each.route_key
)
def test_a_public_body_is_small_unless_a_document_is_its_purpose(operation: Operation) -> None:
    is_document = operation.route_key in PUBLIC_DOCUMENTS
    assert operation.max_body_bytes == (MAX_DOCUMENT_BYTES if is_document else MAX_PUBLIC_BYTES)


@pytest.mark.parametrize(
    ("path", "limit", "text"),
    [("/v1/auth/login", MAX_PUBLIC_BYTES, "64 KB"), ("/v1/organizations", MAX_BYTES, "256 KB")],
)
def test_a_body_is_refused_beyond_the_limit_of_its_operation(
    me: Any, path: str, limit: int, text: str
) -> None:
    for size, status in ((limit, 422), (limit + 1, 413)):
        raw = json.dumps({"k": ""})
        raw = json.dumps({"k": "x" * (size - len(raw))})
        response = me.client.call("POST", path, raw=raw)
        assert response.status == status, (size, response.text)
    assert response.json["detail"] == f"Request body exceeds {text}. Send less, or large files by reference."


def test_unknown_fields_are_named_up_to_a_number_and_beyond_it_in_one_error(aws: None) -> None:
    few = {f"k{number}": 0 for number in range(MAX_UNKNOWN_FIELDS)}
    errors = Client().post("/v1/auth/verify-email", few).json["errors"]
    assert [error["pointer"] for error in errors if error["type"] == "extra_forbidden"] == [
        f"/{k}" for k in few
    ]
    many = {f"k{number}": 0 for number in range(5_000)}
    response = Client().post("/v1/auth/verify-email", many)
    assert response.status == 422
    detail = "Extra inputs are not permitted: 'k0', 'k1', 'k2' and others, of 5000 fields"
    assert response.json["errors"] == [{"pointer": "", "detail": detail, "type": "extra_forbidden"}]


@pytest.mark.parametrize(("model", "body"), WRONG_BODIES)
def test_a_body_has_few_errors_however_much_is_wrong(model: type[ApiModel], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert caught.value.error_count() <= MAX_ERRORS


def list_unbounded(schema: Any, schemas: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the lists and mappings of a schema whose elements have a type, and whose number has no limit."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema, path = schemas[name], f"{path}<{name}>"
    for key in ("anyOf", "oneOf", "allOf"):
        for alternative in schema.get(key, []):
            yield from list_unbounded(alternative, schemas, path)
    for key, inner in schema.get("properties", {}).items():
        yield from list_unbounded(inner, schemas, f"{path}/{key}")
    for key, limit in (("items", "maxItems"), ("additionalProperties", "maxProperties")):
        inner = schema.get(key)
        if isinstance(inner, dict) and inner:
            if limit not in schema:
                yield path
            yield from list_unbounded(inner, schemas, f"{path}/*")


def test_every_list_and_mapping_of_a_body_is_bounded() -> None:
    document = Client().get("/openapi.json").json
    unbounded = []
    for operation in OPERATIONS.values():
        entry = document["paths"].get(operation.path, {}).get(operation.method.lower(), {})
        if body := entry.get("requestBody"):
            schema = body["content"]["application/json"]["schema"]
            unbounded += list(list_unbounded(schema, document["components"]["schemas"]))
            size = f"{operation.max_body_bytes >> 10} KB" if operation.max_body_bytes < 2**20 else "4 MB"
            assert f"The body has at most {size}." in entry["description"]
    assert unbounded == []
