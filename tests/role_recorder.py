"""Holds every AWS call of every function, in all tests, against the role that template.yaml gives it.

The function is found on the stack: the route that `resolver.handler` serves, another function's `handler`, or the
durable function that a `Starter` executes, or the sweeper. What a test calls itself belongs to no function. A call that
the role does not allow fails the test that makes it; `python -m tests.role_recorder` lists what no function of a role
has used.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from botocore.client import BaseClient

from infra import cloudformation, routes
from infra.cloudformation import ROOT
from weconnect.api import resolver
from weconnect.executions import sweeper
from weconnect.security.signing import SigningKey
from weconnect.settings import settings

Need = tuple[str, str]
"""An IAM action, and what it is about: `("sqs:SendMessage", "purge")`."""

FOLDER = ROOT / "build" / "aws-calls"
RESOURCES = cloudformation.read_template(ROOT / "template.yaml")["Resources"]
FUNCTION_FILES = str(ROOT / "functions")
OWN_KEYS = {"testing_access_key", "FOOBARKEY"}  # moto sets the second; nodes have keys of tenants
ITEM_ACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem"}
ITEM_ACTIONS |= {"ConditionCheck": "ConditionCheckItem"}
# IAM's names where they are not those of the operations.
ACTIONS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
    "sesv2:SendEmail": "ses:SendEmail",
    "bedrock-runtime:InvokeModel": "bedrock:InvokeModel",
    "bedrock-runtime:Converse": "bedrock:InvokeModel",
}
# What the names of resources in tests are in the statements of the template.
NAMES = {
    "table": "Data.Outputs.TableArn",
    "index": "/index/*",
    "purge": "PurgeQueue",
    "jobs": "JobsQueue",
    "event": "EventQueue",
    "signing": "SigningSecretArn",
    "run-agent": "run-agent:*",
    "run-workflow": "run-workflow:*",
}

needs_by_function: dict[str, set[Need]] = {}
refused: list[str] = []
"""The calls that roles did not allow, since the beginning of a test."""


@cache
def list_grants(function: str) -> list[tuple[list[str], str]]:
    """Return the actions and the resource of each statement of a function's role, as text."""
    role = RESOURCES[RESOURCES[function]["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
    statements = [
        item["Fn::If"][1] if "Fn::If" in item else item
        for policy in role["Policies"]
        for item in policy["PolicyDocument"]["Statement"]
    ]
    return [
        (
            [item["Action"]] if isinstance(item["Action"], str) else item["Action"],
            json.dumps(item["Resource"]).replace('", "', "."),
        )
        for item in statements
        if item["Effect"] == "Allow"
    ]


def is_granted(need: Need, function: str) -> bool:
    """Return whether a function's role allows an action on a resource."""
    action, resource = need
    return any(
        action in actions and (granted == '"*"' or NAMES.get(resource, "") in granted)
        for actions, granted in list_grants(function)
    )


def find_function() -> str | None:
    """Return the logical ID of the function that is executing, or None in a test's own code."""
    frame: FrameType | None = sys._getframe(1)
    while frame:
        code, variables = frame.f_code, frame.f_locals
        if code is resolver.handler.__code__:
            operation = resolver.app.operations[variables["event"]["routeKey"]]
            return routes.to_logical_id(Path(operation.function.__module__.rpartition(".")[2]))
        if code.co_name == "handler" and code.co_filename.startswith(FUNCTION_FILES):
            return routes.to_logical_id(Path(code.co_filename))
        if code is sweeper.sweep.__code__:  # by a test, in the middle of anything
            return "OnSweep"
        if code.co_name == "_execute" and "payload" in variables:  # of a Starter
            return "RunAgent" if "agentId" in variables["payload"] else "RunWorkflow"
        frame = frame.f_back
    return None


def list_needs(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Need]:
    """Yield what IAM checks for one call."""
    if "TransactItems" in params:
        for item in params["TransactItems"]:
            yield f"dynamodb:{ITEM_ACTIONS[next(iter(item))]}", "table"
        return
    action = ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}")
    yield action, name_resource(service, params)
    if action == "s3:PutObject":
        yield "kms:GenerateDataKey", ""  # the bucket encrypts with our key
    if action == "s3:PutObject" and "Tagging" in params:
        yield "s3:PutObjectTagging", ""
    if action == "s3:GetObject":
        yield "kms:Decrypt", ""


def name_resource(service: str, params: Mapping[str, Any]) -> str:
    """Return the name of what a call is about, as in tests; empty where a service has one resource of ours."""
    match service:
        case "dynamodb":
            return "index" if "IndexName" in params else "table"
        case "sqs":
            return str(params["QueueUrl"]).rpartition("/")[2]
        case "lambda":
            return str(params.get("FunctionName", "")).partition(":")[0]
        case "secretsmanager":
            return str(params["SecretId"])
    return ""


def record(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Record one call of the function that is executing, and whether its role refuses it."""
    if function := find_function():
        for need in list_needs(service, operation, params):
            needs = needs_by_function.setdefault(function, set())
            if need not in needs and not is_granted(need, function):
                refused.append(f"The role of {function} in template.yaml does not allow {' on '.join(need)}")
            else:
                needs.add(need)


def install() -> None:
    """Record the calls and presigned URLs of all clients of botocore with our own keys, from now on."""
    emit = BaseClient._emit_api_params

    def emit_and_record(self: Any, api_params: Any, operation_model: Any, *more: Any, **options: Any) -> Any:
        credentials = self._request_signer._credentials
        if credentials and credentials.access_key in OWN_KEYS:
            record(operation_model.service_model.service_name, operation_model.name, api_params)
        return emit(self, api_params, operation_model, *more, **options)

    BaseClient._emit_api_params = emit_and_record


class RecordingKey(SigningKey):
    """The signing key, which tests do not read from Secrets Manager. Deriving a key from it counts as reading it."""

    def derive_key(self, purpose: str) -> bytes:
        record("secretsmanager", "GetSecretValue", {"SecretId": settings.signing_secret_arn})
        return super().derive_key(purpose)


def write(name: str) -> None:
    """Write what this process recorded to the folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({function: sorted(needs) for function, needs in needs_by_function.items()})
    (FOLDER / f"{name}.json").write_text(text)


def list_unused() -> Iterator[str]:
    """Yield each role with the actions that none of its functions used in the recorded runs."""
    used: dict[str, set[str]] = {}
    for path in FOLDER.glob("*.json"):
        for function, needs in json.loads(path.read_text()).items():
            role = RESOURCES[function]["Properties"]["Role"]["Fn::GetAtt"][0]
            used.setdefault(role, set()).update(action for action, _ in needs)
    functions = {item["Properties"]["Role"]["Fn::GetAtt"][0]: name for name, item in RESOURCES.items()
                 if item["Type"] == "AWS::Serverless::Function"}  # fmt: skip
    for role, function in sorted(functions.items()):
        granted = {action for actions, _ in list_grants(function) for action in actions}
        if unused := sorted(action for action in granted - used.get(role, set()) if action[:5] != "logs:"):
            yield f"{role}: {', '.join(unused)}"


if __name__ == "__main__":
    sys.stdout.write("Not used in the recorded runs:\n" + "".join(f"{line}\n" for line in list_unused()))
