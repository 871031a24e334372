"""sqs: sends messages to a queue of the tenant's, receives and deletes them."""

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.aws_messages import (
    Attributes,
    Ordering,
    attributes_of,
    ordering,
    require_all,
    text_of,
)
from weconnect.workflows.node_sdk.field_paths import value_of
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeType, Outputs

BATCH = 10
BATCH_BYTES = 256 * 1024


class SqsParameters(aws_session.AwsParameters):
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {"delete": ("receipt_handle",)}

    operation: Literal["send", "receive", "delete"]
    queue_url: Annotated[
        str, Field(pattern=r"^https?://[a-z0-9.:-]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$")
    ]
    """The queue's address, as AWS shows it; what is called is its region's endpoint."""
    body: Any = None
    """For `send`: text as it stands, anything else as JSON."""
    attributes: Attributes = {}
    """For `send`: message attributes."""
    delay_seconds: Annotated[int, Field(ge=0, le=900)] | None = None
    """For `send` to a queue that is not FIFO."""
    group_id: Ordering | None = None
    """For `send`: messages of a group stay in order; a FIFO queue needs it."""
    deduplication_id: Ordering | None = None
    """For `send` to a FIFO queue; none: one that is the same whenever this run sends this item."""
    max_messages: Annotated[int, Field(ge=1, le=10)] = 10
    """For `receive`."""
    wait_seconds: Annotated[int, Field(ge=0, le=15)] = 0
    """For `receive`: how long to wait for the first message."""
    visibility_seconds: Annotated[int, Field(ge=0, le=43_200)] | None = None
    """For `receive`: how long nobody else gets them; none: as the queue says."""
    receipt_handle: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    """For `delete`: what `receive` answered."""


Effect = tuple[SqsParameters, str]


def run(call: Call) -> Outputs:
    """`{"messageId"}` for each message that was sent, `{"deleted"}` for each deleted, an item for each received."""
    account = aws_session.Account(call)
    effects = [(given, key) for given, _, key in call.effects(SqsParameters)]
    found: list[Item] = []
    for _, group in groupby(effects, key=lambda effect: (aws_session.whose(effect[0]), effect[0].queue_url)):
        for batch in _batches(group):
            client = account.client("sqs", batch[0][0])
            with aws_session.errors():
                found += _DO[batch[0][0].operation](client, batch)
    return {"main": found}


def _batches(effects: Iterator[Effect]) -> Iterator[list[Effect]]:
    """Up to ten effects at once, as many as one request takes; each `receive` by itself."""
    batch: list[Effect] = []
    size = 0
    for effect in effects:
        given, more = effect[0], len(text_of(effect[0].body).encode(errors="replace"))
        other = bool(batch) and (given.operation == "receive" or given.operation != batch[0][0].operation)
        if other or len(batch) == BATCH or (batch and size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(effect)
        size += more
    yield batch


def _send(client: Any, batch: list[Effect]) -> list[Item]:
    entries = [_entry(number, given, key) for number, (given, key) in enumerate(batch)]
    answer = client.send_message_batch(QueueUrl=batch[0][0].queue_url, Entries=entries)
    require_all(answer.get("Failed", []), len(batch))
    sent = sorted(answer["Successful"], key=lambda each: int(each["Id"]))
    return [{"messageId": each["MessageId"], "sequenceNumber": each.get("SequenceNumber")} for each in sent]


def _entry(number: int, given: SqsParameters, key: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": str(number), "MessageBody": text_of(given.body)}
    if given.attributes:
        entry["MessageAttributes"] = attributes_of(given.attributes)
    if given.delay_seconds is not None:
        entry["DelaySeconds"] = given.delay_seconds
    return entry | ordering(given.queue_url, given.group_id, given.deduplication_id, key)


def _receive(client: Any, batch: list[Effect]) -> list[Item]:
    given = batch[0][0]
    asked = {} if given.visibility_seconds is None else {"VisibilityTimeout": given.visibility_seconds}
    answer = client.receive_message(
        QueueUrl=given.queue_url,
        MaxNumberOfMessages=given.max_messages,
        WaitTimeSeconds=given.wait_seconds,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
        **asked,
    )
    return [_received(message) for message in answer.get("Messages", [])]


def _received(message: dict[str, Any]) -> Item:
    attributes, body = message.get("MessageAttributes", {}), message["Body"]
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": value_of(body) if body.lstrip().startswith(("{", "[")) else body,
        "attributes": {name: each.get("StringValue") for name, each in attributes.items()},
        "system": message.get("Attributes", {}),
    }


def _delete(client: Any, batch: list[Effect]) -> list[Item]:
    entries = [
        {"Id": str(number), "ReceiptHandle": given.receipt_handle} for number, (given, _) in enumerate(batch)
    ]
    answer = client.delete_message_batch(QueueUrl=batch[0][0].queue_url, Entries=entries)
    require_all(answer.get("Failed", []), len(batch))
    return [{"deleted": True} for _ in batch]


_DO = {"send": _send, "receive": _receive, "delete": _delete}

NODE = NodeType(
    label="Amazon SQS",
    description="Sends messages to a queue, ten at once, receives and deletes them.",
    category="aws",
    kind="effect",
    secrets=aws_session.SECRETS,
    parameters=SqsParameters,
    run=run,
)
