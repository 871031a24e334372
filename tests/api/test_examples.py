"""The examples in the documentation: each body has one, which is valid."""

import json
from typing import Any

import jsonschema
import pytest

from infra.make_api import OPENAPI
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import WorkflowDefinition

DOCUMENT = json.loads(OPENAPI.read_text())
BODIES: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation["requestBody"]["content"]["application/json"]
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
    if "requestBody" in operation
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_each_body_has_a_valid_example(name: str) -> None:
    body = BODIES[name]
    assert "example" in body, f"infra/examples.yaml has no example for {name}"
    schema = {**body["schema"], "components": DOCUMENT["components"]}
    jsonschema.validate(body["example"], schema, format_checker=jsonschema.FormatChecker())


def test_the_example_of_a_workflow_has_no_findings() -> None:
    example = BODIES["create_workflow"]["example"]
    definition = {name: example[name] for name in ("nodes", "connections")}
    assert check(WorkflowDefinition.model_validate(definition)).findings == []
