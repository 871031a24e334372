"""The templates, the gateway's definition and the OpenAPI document as data, for the tests of the stack."""

import json
from typing import Any

from infra import cloudformation, make_api, routes
from infra.cloudformation import ROOT

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
