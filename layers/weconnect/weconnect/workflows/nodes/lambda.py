"""lambda: invokes a function of the tenant's for each item."""

import base64
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.aws_messages import text_of
from weconnect.workflows.node_sdk.field_paths import value_of
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeError, NodeType, Outputs

MAX_PAYLOAD_BYTES = 1024 * 1024


class LambdaParameters(aws_session.AwsParameters):
    function: Annotated[str, Field(max_length=170, pattern=r"^[A-Za-z0-9_:-]+$")]
    """The function's name or ARN."""
    qualifier: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_$-]+$")] | None = None
    """A version or an alias."""
    payload: Any = None
    """What the function gets as its event, as JSON; none: the item."""
    invocation: Literal["request_response", "event"] = "request_response"
    """Whether to wait for its answer, or only to hand the event over."""
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 20
    """How long to wait; one that takes longer is invoked with `event`, and may complete a callback."""


def run(call: Call) -> Outputs:
    """`{"status", "payload"}` for each item; the payload is null when nothing was waited for."""
    account = aws_session.Account(call)
    effects = call.effects(LambdaParameters)
    return {"main": [_invoked(account, given, item, key) for given, item, key in effects]}


def _invoked(account: aws_session.Account, given: LambdaParameters, item: Item, key: str) -> Item:
    text = text_of(item) if given.payload is None else json.dumps(given.payload)
    # The function finds the key in its context, and can tell by it what it has been asked before.
    context = base64.b64encode(json.dumps({"custom": {"idempotencyKey": key}}).encode()).decode()
    asked = {"Qualifier": given.qualifier} if given.qualifier else {}
    waits = given.invocation == "request_response"
    client = account.client("lambda", given, given.timeout_seconds)
    with aws_session.errors():
        answer = client.invoke(
            FunctionName=given.function,
            InvocationType="RequestResponse" if waits else "Event",
            ClientContext=context,
            Payload=text.encode(errors="replace"),
            **asked,
        )
        with answer["Payload"] as body:
            content = body.read(MAX_PAYLOAD_BYTES + 1)
    if len(content) > MAX_PAYLOAD_BYTES:
        raise NodeError("too_large", f"The function answered more than {MAX_PAYLOAD_BYTES >> 20} MB")
    value = value_of(content.decode(errors="replace")) if content else None
    if "FunctionError" in answer:
        raise _error(value)
    return {"status": answer["StatusCode"], "payload": value}


def _error(value: Any) -> NodeError:
    said = value if isinstance(value, dict) else {}
    kind, message = said.get("errorType", "Error"), said.get("errorMessage", "the function failed")
    return NodeError("function_error", f"{kind}: {message}")


NODE = NodeType(
    label="AWS Lambda",
    description="Invokes a function for each item, and answers what it answered.",
    category="aws",
    kind="effect",
    secrets=aws_session.SECRETS,
    parameters=LambdaParameters,
    run=run,
)
