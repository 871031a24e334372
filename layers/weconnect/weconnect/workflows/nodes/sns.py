"""sns: publishes a message to a topic in the tenant's AWS account for each item."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import aws_session
from weconnect.node_sdk.aws_messages import (
    FifoId,
    MessageAttributes,
    build_fifo_fields,
    to_message_attributes,
    to_text,
)
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeRun, NodeType


class SnsParameters(aws_session.AwsParameters):
    topic_arn: Annotated[
        str,
        Field(max_length=400, pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$"),
    ]
    """ARN of the topic."""
    message: Any
    """Message: text as it is, anything else as JSON."""
    subject: Annotated[str, Field(max_length=99, pattern=r"^[^\x00-\x1f]+$")] | None = None
    """Subject of e-mails to subscribers."""
    attributes: MessageAttributes = {}
    """Message attributes, by which subscriptions can filter."""
    group_id: FifoId | None = None
    """Group within which messages stay in order. Required for a FIFO topic."""
    deduplication_id: FifoId | None = None
    """For a FIFO topic. Default: an ID that stays the same when the node is retried."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"messageId", "sequenceNumber"}` for each item; the number is null unless the topic is FIFO."""
    clients = aws_session.AwsClients(node_run)
    return {
        "main": [
            _publish(clients, parameters, key)
            for parameters, _, key in node_run.resolve_effects(SnsParameters)
        ]
    }


def _publish(clients: aws_session.AwsClients, parameters: SnsParameters, key: str) -> Item:
    """Publish one message and return its IDs."""
    request: dict[str, Any] = {"TopicArn": parameters.topic_arn, "Message": to_text(parameters.message)}
    if parameters.subject is not None:
        request["Subject"] = parameters.subject
    if parameters.attributes:
        request["MessageAttributes"] = to_message_attributes(parameters.attributes)
    request |= build_fifo_fields(parameters.topic_arn, parameters.group_id, parameters.deduplication_id, key)
    client = clients.client("sns", parameters)
    with aws_session.translate_errors():
        response = client.publish(**request)
    return {"messageId": response["MessageId"], "sequenceNumber": response.get("SequenceNumber")}


NODE = NodeType(
    label="Amazon SNS",
    description="Publishes a message to an SNS topic for each item. Returns `messageId`.",
    category="aws",
    kind="effect",
    parameters=SnsParameters,
    run=run,
)
