"""What nodes that send messages have in common: bodies, attributes, order, and batches of which a part failed."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.node_type import NodeError

Attributes = Annotated[
    dict[Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_.-]+$")], str | int | float],
    Field(max_length=10),
]
Ordering = Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]


def text_of(body: Any) -> str:
    """Text as it stands, anything else as JSON."""
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)


def attributes_of(attributes: dict[str, str | int | float]) -> dict[str, dict[str, str]]:
    """Message attributes as SQS and SNS take them."""
    return {
        name: {"DataType": "String" if isinstance(value, str) else "Number", "StringValue": str(value)}
        for name, value in attributes.items()
    }


def ordering(target: str, group_id: str | None, deduplication_id: str | None, key: str) -> dict[str, str]:
    """Group and deduplication id of a message to a queue or topic, which is FIFO when its name says so.

    The id comes from run, node and item and not from the attempt, so that another attempt sends nothing twice.
    """
    asked = {"MessageGroupId": group_id} if group_id else {}
    if not target.endswith(".fifo"):
        return asked
    if not group_id:
        raise NodeError("invalid_parameters", "/groupId: a FIFO queue or topic needs it")
    effect, _, item = key.rpartition(":")
    same = f"{effect.rpartition(':')[0]}:{item}".encode()
    return asked | {"MessageDeduplicationId": deduplication_id or hashlib.sha256(same).hexdigest()}


def require_all(failures: list[dict[str, Any]], of: int) -> None:
    """Raise NodeError by the first entry of a batch that failed; the others have been taken."""
    if failures:
        first = failures[0]
        code = first.get("Code") or first.get("ErrorCode")
        said = first.get("Message") or first.get("ErrorMessage") or code
        ours = first.get(
            "SenderFault", code not in ("InternalFailure", "InternalException", "ServiceUnavailable")
        )
        message = f"{len(failures)} of {of} were not taken: {said}"
        raise aws_session.failed(code, message, status=400 if ours else 500)
