"""The examples in the documentation: each body has one, which is valid."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from infra import routes
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
    assert "example" in body, f"the examples.yaml of its module in functions/ has no example for {name}"
    schema = {**body["schema"], "components": DOCUMENT["components"]}
    jsonschema.validate(body["example"], schema, format_checker=jsonschema.FormatChecker())


def test_the_example_of_a_workflow_has_no_findings() -> None:
    example = BODIES["create_workflow"]["example"]
    definition = {name: example[name] for name in ("nodes", "connections")}
    assert check(WorkflowDefinition.model_validate(definition)).findings == []


def test_each_example_is_of_a_body_of_its_module() -> None:
    modules_by_name = {path.stem: path.parent.name for path in routes.list_function_files()}
    for path in routes.FUNCTIONS.glob("*/examples.yaml"):
        for name in yaml.safe_load(path.read_text()):
            assert name in BODIES and modules_by_name[name] == path.parent.name, (
                f"{path.parent.name}/examples.yaml: {name} is not a route of this module with a body"
            )
