"""lambda: invokes a function in the tenant's AWS account for each item."""

import base64
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.node_sdk import aws_session, output_budget
from weconnect.node_sdk.aws_messages import to_text
from weconnect.node_sdk.field_paths import parse_json_or_text
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeError, NodeRun, NodeType

MAX_PAYLOAD_BYTES = 1024 * 1024


class LambdaParameters(aws_session.AwsParameters):
    function: Annotated[str, Field(max_length=170, pattern=r"^[A-Za-z0-9_:-]+$")]
    """Name or ARN of the function."""
    qualifier: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_$-]+$")] | None = None
    """Version or alias of the function."""
    payload: Any = None
    """Event for the function. Default: the item."""
    invocation: Literal["request_response", "event"] = "request_response"
    """Whether to wait for the result, or only to hand over the event."""
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 20
    """Seconds to wait. Invoke a function that takes longer with `event`; it can complete a callback."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"status", "payload"}` for each item; the payload of an `event` is null."""
    clients = aws_session.AwsClients(node_run)
    effects = node_run.resolve_effects(LambdaParameters)
    items = (_invoke(clients, parameters, item, key) for parameters, item, key in effects)
    return output_budget.collect(node_run.node.name, {"main": items})


def _invoke(clients: aws_session.AwsClients, parameters: LambdaParameters, item: Item, key: str) -> Item:
    """Invoke the function for one item and return its result. Raises NodeError."""
    text = to_text(item) if parameters.payload is None else json.dumps(parameters.payload)
    # The function finds the key in its client context, and can recognize a repeated invocation by it.
    context = base64.b64encode(json.dumps({"custom": {"idempotencyKey": key}}).encode()).decode()
    options = {"Qualifier": parameters.qualifier} if parameters.qualifier else {}
    waits = parameters.invocation == "request_response"
    client = clients.client("lambda", parameters, parameters.timeout_seconds)
    with aws_session.translate_errors():
        response = client.invoke(
            FunctionName=parameters.function,
            InvocationType="RequestResponse" if waits else "Event",
            ClientContext=context,
            Payload=text.encode(errors="replace"),
            **options,
        )
        with response["Payload"] as body:
            content = body.read(MAX_PAYLOAD_BYTES + 1)
    if len(content) > MAX_PAYLOAD_BYTES:
        raise NodeError("too_large", f"The function returned more than {MAX_PAYLOAD_BYTES >> 20} MB")
    value = parse_json_or_text(content.decode(errors="replace")) if content else None
    if "FunctionError" in response:
        raise _read_error(value)
    return {"status": response["StatusCode"], "payload": value}


def _read_error(value: Any) -> NodeError:
    """Return the error that a function reported."""
    details = value if isinstance(value, dict) else {}
    kind, message = details.get("errorType", "Error"), details.get("errorMessage", "the function failed")
    return NodeError("function_error", f"{kind}: {message}")


NODE = NodeType(
    label="AWS Lambda",
    description="Invokes a Lambda function for each item. Returns `status` and `payload`.",
    category="aws",
    kind="effect",
    parameters=LambdaParameters,
    run=run,
)
