"""Holds every AWS call of every function, in all tests, against the role that template.yaml gives it.

The function is found on the stack: the route that `resolver.handler` serves, another function's `handler`, or the
durable function that a `Starter` executes, or the sweeper. What a test calls itself belongs to no function. A call that
the role does not allow fails the test that makes it; `python -m tests.role_recorder` lists what no function of a role
has used, and then fails.

What a process keeps (secrets, data keys, the API's address) counts as read whenever it is used, as by a process that
has just started.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from botocore.client import BaseClient

from infra import cloudformation, routes
from infra.cloudformation import ROOT
from weconnect import mail
from weconnect.api import resolver
from weconnect.api.operation import Operation
from weconnect.executions import sweeper
from weconnect.secret_cache import CachedSecret
from weconnect.security import encryption, signing
from weconnect.security.signing import SigningKey
from weconnect.settings import settings
from weconnect.trash import purge

FOLDER = ROOT / "build" / "aws-calls"
RESOURCES = cloudformation.read_template(ROOT / "template.yaml")["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
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
DURABLE = ["run-agent:live", "run-workflow:live"]
# Responses that are stored for replays in the row itself, because they never have 32 KB.
SHORT_RESPONSES = {"AuthRole", "BillingRole", "BulkRole", "JobRoutesRole"}
# What functions do in cases that no fast test brings about. An action goes from here when a test makes the call.
_MAIL = "ses:SendEmail"  # at a start that reaches the threshold of a quota
_WAKE = (
    "lambda:SendDurableExecutionCallbackSuccess"  # by a start whose workflow cancels the running execution
)
_SPILL = (
    "s3:PutObject",
    "s3:PutObjectTagging",
    "kms:GenerateDataKey",
)  # of the input of a repeated execution
UNTESTED: dict[str, tuple[str, ...]] = {
    "EventsRole": (_MAIL, _WAKE, "dynamodb:DeleteItem"),  # of an execution's row in a queue
    "ExecutionsRole": (_MAIL,),
    "ExpressRole": (_MAIL, "lambda:InvokeFunction"),  # of run_code, whose client tests replace
    "JobsRole": (_MAIL, _WAKE, *_SPILL),
    "PurgeRole": ("dynamodb:DeleteItem",),  # of a row that is not deleted in a batch
    "RunAgentRole": ("s3:DeleteObject",),  # of an input that is too large
    "RunWorkflowRole": (_MAIL, "s3:DeleteObject", "lambda:InvokeFunction"),
    "ToolTestRole": (_MAIL, _WAKE),
}
# How the texts of resources in the template end, by their names in tests; others are named as they are there.
NAMES = {
    "table": "Data.Outputs.TableArn",
    "index": "/index/*",
    "purge": "PurgeQueue.Arn",
    "jobs": "JobsQueue.Arn",
    "event": "EventQueue.Arn",
    "signing": "SigningSecretArn",
    "models": "ModelKeysArn",
    "stripe": "StripeKeysArn",
    "run-agent": "-run-agent",
    "run-agent:live": "-run-agent:*",
    "run-workflow": "-run-workflow",
    "run-workflow:live": "-run-workflow:*",
}


class Need(NamedTuple):
    """An IAM action, and what it is about: `("sqs:SendMessage", "purge")`; empty where we have one such resource."""

    action: str
    resource: str = ""


class Grant(NamedTuple):
    """A statement of a role: its actions, and its resources as text."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, need: Need) -> bool:
        """Return whether the statement allows an action on a resource."""
        return need.action in self.actions and any(is_about(text, need) for text in self.resources)


needs_by_function: dict[str, set[Need]] = {}
refused: list[str] = []
"""The calls that roles did not allow, since the end of the last test."""


def is_about(text: str, need: Need) -> bool:
    """Return whether the text of a statement's resource is that of a need."""
    return text == "*" or text.endswith(NAMES.get(need.resource, need.resource))


def role_of(function: str) -> str:
    """Return the logical ID of a function's role."""
    return str(FUNCTIONS[function]["Role"]["Fn::GetAtt"][0])


@cache
def list_grants(role: str) -> list[Grant]:
    """Return the statements of a role that allow something."""
    statements = [
        item["Fn::If"][1] if "Fn::If" in item else item
        for policy in RESOURCES[role]["Properties"]["Policies"]
        for item in policy["PolicyDocument"]["Statement"]
    ]
    return [
        Grant(tuple(_as_list(item["Action"])), tuple(_to_text(each) for each in _as_list(item["Resource"])))
        for item in statements
        if item["Effect"] == "Allow"
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _to_text(resource: Any) -> str:
    """Return the text of a resource: `"*"`, or what it has in `Fn::GetAtt` or `Fn::Sub`."""
    if isinstance(resource, str):
        return resource
    ((_, value),) = resource.items()
    return value if isinstance(value, str) else ".".join(value)


def is_granted(need: Need, function: str) -> bool:
    """Return whether a function's role allows an action on a resource."""
    return any(grant.allows(need) for grant in list_grants(role_of(function)))


# What functions need


def find_function() -> str | None:
    """Return the logical ID of the function that is executing, or None in a test's own code.

    In a thread of a pool it is that of the main thread, which waits for it.
    """
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    return _find_in_stack(sys._getframe(1)) or _find_in_stack(main)


def _find_in_stack(frame: FrameType | None) -> str | None:
    """Return the logical ID of the innermost function of a stack, or None."""
    while frame:
        code = frame.f_code
        if code is resolver.handler.__code__:
            return routes.logical_id_of(resolver.app.operations[frame.f_locals["event"]["routeKey"]])
        if code.co_name == "handler" and code.co_filename.startswith(FUNCTION_FILES):
            return routes.to_logical_id(Path(code.co_filename))
        if code is sweeper.sweep.__code__:  # by a test, in the middle of anything
            return "OnSweep"
        if code is purge.purge.__code__:  # as above
            return "OnPurged"
        if code.co_name == "_execute" and "payload" in frame.f_locals:  # of a Starter
            return "RunAgent" if "agentId" in frame.f_locals["payload"] else "RunWorkflow"
        frame = frame.f_back
    return None


def list_needs(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Need]:
    """Yield what IAM checks for one call."""
    if "TransactItems" in params:
        for item in params["TransactItems"]:
            yield Need(f"dynamodb:{ITEM_ACTIONS[next(iter(item))]}", "table")
        return
    action = ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}")
    for name in name_resources(service, operation, params):
        yield Need(action, name)
    if action == "s3:PutObject":
        yield Need("kms:GenerateDataKey")  # the bucket encrypts with our key
    if action == "s3:PutObject" and "Tagging" in params:
        yield Need("s3:PutObjectTagging")
    if action == "s3:GetObject":
        yield Need("kms:Decrypt")


def name_resources(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """Return the names of what a call is about, as in tests; empty where a service has one resource of ours."""
    match service:
        case "dynamodb":
            return ["index" if "IndexName" in params else "table"]
        case "sqs":
            return [str(params["QueueUrl"]).rpartition("/")[2]]
        case "lambda" if operation == "ListDurableExecutionsByFunction":  # of all versions
            return [str(params["FunctionName"]), f"{params['FunctionName']}:live"]
        case "lambda" if params.get("FunctionName") in DURABLE:  # a freed slot is for whichever kind is next
            return DURABLE
        case "lambda":
            return [str(params.get("FunctionName", ""))]
        case "secretsmanager":
            return [str(params["SecretId"])]
        case "bedrock-runtime" if (
            operation == "Converse"
        ):  # by an inference profile, of models in its regions
            return ["foundation-model/*", "inference-profile/*"]
        case "bedrock-runtime":
            return [str(params["modelId"])]
    return [""]


def list_standing_needs(function: str) -> Iterator[Need]:
    """Yield what a function needs whatever it does: Lambda itself, and its route for an `Idempotency-Key`."""
    yield from list_platform_needs(function)
    operation = load_operations().get(function)
    if operation and operation.replays:
        for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem"):
            yield Need(f"dynamodb:{action}", "table")
        is_long = role_of(function) not in SHORT_RESPONSES
        if is_long:
            for action in ("GetObject", "PutObject", "PutObjectTagging"):
                yield Need(f"s3:{action}")
        if is_long or operation.returns_secret:
            yield Need("kms:GenerateDataKey")
            yield Need("kms:Decrypt")


@cache
def load_operations() -> dict[str, Operation]:
    """Return the operations of all routes by the logical ID of their function."""
    return {routes.logical_id_of(operation): operation for operation in routes.load_operations().values()}


def list_platform_needs(function: str) -> Iterator[Need]:
    """Yield what Lambda itself does with the role of a function."""
    properties = FUNCTIONS[function]
    yield Need("logs:CreateLogStream")
    yield Need("logs:PutLogEvents")
    for event in properties.get("Events", {}).values():
        if event["Type"] == "SQS":
            queue = _to_text(event["Properties"]["Queue"])
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
                yield Need(f"sqs:{action}", queue)
        if event["Type"] == "DynamoDB":
            for action in ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"):
                yield Need(f"dynamodb:{action}", "StreamArn")
            yield Need("s3:ListBucket", "FailedRecordsArn")
            yield Need("s3:PutObject", "FailedRecordsArn}/*")
            yield Need("kms:GenerateDataKey")
    if "DurableConfig" in properties:
        for action in ("CheckpointDurableExecution", "GetDurableExecutionState"):
            yield Need(
                f"lambda:{action}", properties["FunctionName"]["Fn::Sub"].rpartition("}-")[2] + ":live"
            )
    if "VpcConfig" in properties:
        for action in ("Create", "Describe", "Delete"):
            yield Need(f"ec2:{action}NetworkInterface{'s' * (action == 'Describe')}")
        yield Need("ec2:DescribeSubnets")
        for action in ("Assign", "Unassign"):
            yield Need(f"ec2:{action}PrivateIpAddresses")


# Recording


def record(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Record one call of the function that is executing, and whether its role refuses it."""
    if function := find_function():
        for need in list_needs(service, operation, params):
            needs = needs_by_function.setdefault(function, set())
            if need not in needs and not is_granted(need, function):
                about = f" on {need.resource}" if need.resource else ""
                refused.append(
                    f"{role_of(function)} of {function} in template.yaml does not allow {need.action}{about}"
                )
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
    _record_kept_values()


def _record_kept_values() -> None:
    """Record the use of a kept value as the call that reads it."""

    def record_before(owner: Any, name: str, record_use: Callable[..., None]) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def call(*args: Any, **options: Any) -> Any:
            record_use(*args, **options)
            return original(*args, **options)

        setattr(owner, name, call)

    def record_data_key(_organization_id: str, _number: int, *, may_create: bool = False) -> None:
        record("dynamodb", "GetItem", {})
        record("kms", "Decrypt", {})
        if may_create:
            record("dynamodb", "PutItem", {})
            record("kms", "GenerateDataKey", {})

    def record_signing_secret() -> None:
        record("secretsmanager", "GetSecretValue", {"SecretId": settings.signing_secret_arn})

    record_before(
        CachedSecret, "load", lambda _, arn: record("secretsmanager", "GetSecretValue", {"SecretId": arn})
    )
    record_before(signing, "current_key", record_signing_secret)
    record_before(mail, "base_url", lambda: record("ssm", "GetParameter", {}))
    record_before(encryption, "_load_data_key", record_data_key)


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


# What nothing needs


def read() -> dict[str, set[Need]]:
    """Return what all processes recorded, by function."""
    recorded: dict[str, set[Need]] = {}
    for path in FOLDER.glob("*.json"):
        for function, needs in json.loads(path.read_text()).items():
            recorded.setdefault(function, set()).update(Need(*need) for need in needs)
    return recorded


def list_unused(recorded: Mapping[str, Iterable[Need]]) -> Iterator[str]:
    """Yield a line for each action or resource of a statement that no function of its role needs."""
    needs_by_role: dict[str, set[Need]] = {}
    for function in FUNCTIONS:
        needs = needs_by_role.setdefault(role_of(function), set())
        needs |= {*list_standing_needs(function), *recorded.get(function, ())}
    for role, needs in sorted(needs_by_role.items()):
        for grant in list_grants(role):
            used = [need for need in needs if grant.allows(need)]
            for action in sorted(
                {*grant.actions} - {need.action for need in used} - {*UNTESTED.get(role, ())}
            ):
                yield f"{role}: {action} on {', '.join(grant.resources)}"
            for resource in grant.resources:
                if used and not any(is_about(resource, need) for need in used):
                    yield f"{role}: {resource} for {', '.join(grant.actions)}"


def main() -> int:
    """Print what no function of a role needs, and return 1 for the shell when there is something."""
    unused = list(list_unused(read()))
    if not unused:
        return 0
    sys.stdout.write(
        "No test makes a function of these roles use what template.yaml allows them:\n\n"
        + "".join(f"  {line}\n" for line in unused)
        + "\nTake it out of the role in template.yaml, or write the test that uses it through a handler of the role.\n"
        "After a run of some of the tests, what the others use is in this list, too.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
