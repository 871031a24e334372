"""The templates, the gateway's definition and the OpenAPI document as data, for the tests of the stack."""

import json
from pathlib import Path
from typing import Any

from infra import cloudformation, make_api, routes
from infra.cloudformation import ROOT
from weconnect.api.operation import Operation

TEMPLATE = cloudformation.read_template(ROOT / "template.yaml")
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
DATA = cloudformation.read_template(ROOT / "infra" / "data.yaml")
API = cloudformation.read_template(make_api.API)
OPENAPI = json.loads(make_api.OPENAPI.read_text())
OPERATIONS = routes.load_operations()
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
LAYERS = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Serverless::LayerVersion"]
ROLES = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::IAM::Role"
}


STATEMENTS = [
    (role, statement["Fn::If"][1] if "Fn::If" in statement else statement)
    for role, properties in ROLES.items()
    for policy in properties["Policies"]
    for statement in policy["PolicyDocument"]["Statement"]
]


def logical_id_of(operation: Operation) -> str:
    """Return the logical id of the function that serves an operation."""
    return routes.to_logical_id(Path(operation.function.__module__.rpartition(".")[2]))
