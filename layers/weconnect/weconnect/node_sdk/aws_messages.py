"""Messages of SQS, SNS and EventBridge: bodies, attributes, order, and batches that failed in part."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import aws_session
from weconnect.node_sdk.node_type import NodeError

MessageAttributes = Annotated[
    dict[Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_.-]+$")], str | int | float],
    Field(max_length=10),
]
FifoId = Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]


def to_text(body: Any) -> str:
    """Return a text as it is, anything else as JSON."""
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)


def to_message_attributes(attributes: dict[str, str | int | float]) -> dict[str, dict[str, str]]:
    """Return message attributes in the form of SQS and SNS."""
    return {
        name: {"DataType": "String" if isinstance(value, str) else "Number", "StringValue": str(value)}
        for name, value in attributes.items()
    }


def build_fifo_fields(
    target: str, group_id: str | None, deduplication_id: str | None, key: str
) -> dict[str, str]:
    """Return the group and deduplication ID of a message to a queue or topic; by its name it is FIFO or not.

    The ID is derived from execution, node and item, not from the attempt, so that a retry sends nothing twice. Raises
    NodeError for a FIFO target without a group.
    """
    fields = {"MessageGroupId": group_id} if group_id else {}
    if not target.endswith(".fifo"):
        return fields
    if not group_id:
        raise NodeError("invalid_parameters", "/groupId: is required for a FIFO queue or topic")
    attempt, _, item = key.rpartition(":")
    stable = f"{attempt.rpartition(':')[0]}:{item}".encode()
    return fields | {"MessageDeduplicationId": deduplication_id or hashlib.sha256(stable).hexdigest()}


def require_no_failure(failures: list[dict[str, Any]], total: int) -> None:
    """Raise NodeError with the first failed entry of a batch, if there is one; the others were accepted."""
    if failures:
        first = failures[0]
        code = first.get("Code") or first.get("ErrorCode")
        reason = first.get("Message") or first.get("ErrorMessage") or code
        is_sender_fault = first.get(
            "SenderFault", code not in ("InternalFailure", "InternalException", "ServiceUnavailable")
        )
        message = f"{len(failures)} of {total} entries were rejected: {reason}"
        raise aws_session.to_node_error(code, message, status=400 if is_sender_fault else 500)
