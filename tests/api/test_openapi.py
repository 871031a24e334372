"""The OpenAPI document: complete, valid, and readable."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from infra import make_api
from tests.infra.stack import OPENAPI, OPERATIONS

VERBS = re.compile(
    r"(Accept|Activate|Add|Archive|Call|Cancel|Change|Check|Claim|Compare|Complete|Correct|Create|Deactivate|"
    r"Decide|Decline|Delete|Disable|Duplicate|Enable|End|Enroll|Erase|Exchange|Execute|Export|Get|"
    r"Import|Invite|Leave|List|Pause|Publish|Receive|Refuse|Register|Remove|Resend|Reset|Restore|"
    r"Resume|Retry|Revoke|Rotate|Search|Send|Set|Share|Sign|Start|Switch|Test|Transfer|Update|"
    r"Validate|Verify|Write)\b"
)


def test_the_document_is_openapi_3_1() -> None:
    assert OPENAPI["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(OPENAPI).validate()


def _documented() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", entry)
        for path, methods in OPENAPI["paths"].items()
        for method, entry in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]


def test_the_document_has_every_route_but_those_of_documentation() -> None:
    assert set(OPERATIONS) - {key for key, _ in _documented()} == {"GET /docs", "GET /openapi.json"}


@pytest.mark.parametrize(("key", "entry"), _documented(), ids=[key for key, _ in _documented()])
def test_every_operation_has_summary_tag_responses_and_permission(key: str, entry: dict[str, Any]) -> None:
    assert entry["summary"] and len(entry["summary"]) <= 72 and not entry["summary"].endswith(".")
    assert VERBS.match(entry["summary"]), "begin the summary with a verb, or add the verb to the list"
    (tag,) = entry["tags"]
    assert tag in make_api.list_tags()
    assert entry["operationId"] == OPERATIONS[key].function.__name__
    problem = entry["responses"]["default"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/Problem"}
    assert any(status.startswith("2") for status in entry["responses"])
    if permission := OPERATIONS[key].permission:
        assert permission in entry["description"]


def test_every_tag_is_used_and_described() -> None:
    used = {tag for _, entry in _documented() for tag in entry["tags"]}
    described = make_api.list_tags()
    assert used == set(described)
    assert {tag["name"]: tag["description"] for tag in OPENAPI["tags"]} == described
    assert all(described.values())


@pytest.mark.parametrize("name", sorted(OPENAPI["components"]["schemas"]))
def test_every_schema_has_a_description(name: str) -> None:
    assert OPENAPI["components"]["schemas"][name].get("description")


def test_a_body_is_documented_exactly_where_the_handler_decodes_one() -> None:
    with_body = {key for key, entry in _documented() if "requestBody" in entry}
    assert with_body == {key for key, operation in OPERATIONS.items() if operation.takes_body}


def test_every_query_parameter_and_header_has_a_description() -> None:
    for key, entry in _documented():
        for parameter in entry.get("parameters", []):
            if parameter["in"] != "path":
                assert parameter.get("description"), (key, parameter["name"])
