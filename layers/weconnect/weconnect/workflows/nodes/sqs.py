"""sqs: sends messages to a queue in the tenant's AWS account, receives and deletes them."""

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect.node_sdk import aws_session
from weconnect.node_sdk.aws_messages import (
    FifoId,
    MessageAttributes,
    build_fifo_fields,
    require_no_failure,
    to_message_attributes,
    to_text,
)
from weconnect.node_sdk.field_paths import parse_json_or_text
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeRun, NodeType

BATCH = 10
BATCH_BYTES = 256 * 1024


class SqsParameters(aws_session.AwsParameters):
    REQUIRED_BY_OPERATION: ClassVar[dict[str, tuple[str, ...]]] = {"delete": ("receipt_handle",)}

    operation: Literal["send", "receive", "delete"]
    """The operation."""
    queue_url: Annotated[
        str, Field(pattern=r"^https?://[a-z0-9.:-]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$")
    ]
    """URL of the queue, as AWS shows it. Requests go to the endpoint of its region."""
    body: Any = None
    """For `send`: text as it is, anything else as JSON."""
    attributes: MessageAttributes = {}
    """For `send`: message attributes."""
    delay_seconds: Annotated[int, Field(ge=0, le=900)] | None = None
    """For `send` to a queue that is not FIFO: seconds until the message can be received."""
    group_id: FifoId | None = None
    """For `send`: group within which messages stay in order. Required for a FIFO queue."""
    deduplication_id: FifoId | None = None
    """For `send` to a FIFO queue. Default: an ID that stays the same when the node is retried."""
    max_messages: Annotated[int, Field(ge=1, le=10)] = 10
    """For `receive`: maximum number of messages."""
    wait_seconds: Annotated[int, Field(ge=0, le=15)] = 0
    """For `receive`: seconds to wait for the first message."""
    visibility_seconds: Annotated[int, Field(ge=0, le=43_200)] | None = None
    """For `receive`: seconds during which the messages stay hidden from others. Default: the queue's."""
    receipt_handle: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    """For `delete`: the receipt handle that `receive` returned."""


KeyedParameters = tuple[SqsParameters, str]


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"messageId", "sequenceNumber"}` for each sent message, `{"deleted"}`, or the received messages."""
    clients = aws_session.AwsClients(node_run)
    effects = [(parameters, key) for parameters, _, key in node_run.resolve_effects(SqsParameters)]
    items: list[Item] = []
    for _, group in groupby(
        effects, key=lambda effect: (aws_session.build_account_key(effect[0]), effect[0].queue_url)
    ):
        for batch in _split_batches(group):
            client = clients.client("sqs", batch[0][0])
            with aws_session.translate_errors():
                items += _FUNCTIONS[batch[0][0].operation](client, batch)
    return {"main": items}


def _split_batches(effects: Iterator[KeyedParameters]) -> Iterator[list[KeyedParameters]]:
    """Yield batches of at most ten effects and 256 KB, as one request takes; each `receive` by itself."""
    batch: list[KeyedParameters] = []
    size = 0
    for effect in effects:
        parameters, more = effect[0], len(to_text(effect[0].body).encode(errors="replace"))
        other = bool(batch) and (
            parameters.operation == "receive" or parameters.operation != batch[0][0].operation
        )
        if other or len(batch) == BATCH or (batch and size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(effect)
        size += more
    yield batch


def _send(client: Any, batch: list[KeyedParameters]) -> list[Item]:
    """Send a batch of messages and return their IDs."""
    entries = [_build_entry(number, parameters, key) for number, (parameters, key) in enumerate(batch)]
    response = client.send_message_batch(QueueUrl=batch[0][0].queue_url, Entries=entries)
    require_no_failure(response.get("Failed", []), len(batch))
    sent = sorted(response["Successful"], key=lambda each: int(each["Id"]))
    return [{"messageId": each["MessageId"], "sequenceNumber": each.get("SequenceNumber")} for each in sent]


def _build_entry(number: int, parameters: SqsParameters, key: str) -> dict[str, Any]:
    """Return the entry of one message in a request."""
    entry: dict[str, Any] = {"Id": str(number), "MessageBody": to_text(parameters.body)}
    if parameters.attributes:
        entry["MessageAttributes"] = to_message_attributes(parameters.attributes)
    if parameters.delay_seconds is not None:
        entry["DelaySeconds"] = parameters.delay_seconds
    return entry | build_fifo_fields(
        parameters.queue_url, parameters.group_id, parameters.deduplication_id, key
    )


def _receive(client: Any, batch: list[KeyedParameters]) -> list[Item]:
    """Receive messages."""
    parameters = batch[0][0]
    options = (
        {} if parameters.visibility_seconds is None else {"VisibilityTimeout": parameters.visibility_seconds}
    )
    response = client.receive_message(
        QueueUrl=parameters.queue_url,
        MaxNumberOfMessages=parameters.max_messages,
        WaitTimeSeconds=parameters.wait_seconds,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
        **options,
    )
    return [_convert_message(message) for message in response.get("Messages", [])]


def _convert_message(message: dict[str, Any]) -> Item:
    """Return a received message as an item, its body parsed if it is a JSON object or list."""
    attributes, body = message.get("MessageAttributes", {}), message["Body"]
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": parse_json_or_text(body) if body.lstrip().startswith(("{", "[")) else body,
        "attributes": {name: each.get("StringValue") for name, each in attributes.items()},
        "system": message.get("Attributes", {}),
    }


def _delete(client: Any, batch: list[KeyedParameters]) -> list[Item]:
    """Delete a batch of messages."""
    entries = [
        {"Id": str(number), "ReceiptHandle": parameters.receipt_handle}
        for number, (parameters, _) in enumerate(batch)
    ]
    response = client.delete_message_batch(QueueUrl=batch[0][0].queue_url, Entries=entries)
    require_no_failure(response.get("Failed", []), len(batch))
    return [{"deleted": True} for _ in batch]


_FUNCTIONS = {"send": _send, "receive": _receive, "delete": _delete}

NODE = NodeType(
    label="Amazon SQS",
    description="Sends messages to an SQS queue in batches of ten, receives and deletes them.",
    category="aws",
    kind="effect",
    parameters=SqsParameters,
    run=run,
)
