"""sns: publishes a message to a topic of the tenant's for each item."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.aws_messages import Attributes, Ordering, attributes_of, ordering, text_of
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeType, Outputs


class SnsParameters(aws_session.AwsParameters):
    topic_arn: Annotated[
        str,
        Field(max_length=400, pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$"),
    ]
    message: Any
    """Text as it stands, anything else as JSON."""
    subject: Annotated[str, Field(max_length=99, pattern=r"^[^\x00-\x1f]+$")] | None = None
    """Of the mails that subscribers get."""
    attributes: Attributes = {}
    """Message attributes, by which subscriptions filter."""
    group_id: Ordering | None = None
    """Messages of a group stay in order; a FIFO topic needs it."""
    deduplication_id: Ordering | None = None
    """For a FIFO topic; none: one that is the same whenever this run publishes this item."""


def run(call: Call) -> Outputs:
    """`{"messageId", "sequenceNumber"}` for each item; the number is null but for FIFO topics."""
    account = aws_session.Account(call)
    return {"main": [_published(account, given, key) for given, _, key in call.effects(SnsParameters)]}


def _published(account: aws_session.Account, given: SnsParameters, key: str) -> Item:
    asked: dict[str, Any] = {"TopicArn": given.topic_arn, "Message": text_of(given.message)}
    if given.subject is not None:
        asked["Subject"] = given.subject
    if given.attributes:
        asked["MessageAttributes"] = attributes_of(given.attributes)
    asked |= ordering(given.topic_arn, given.group_id, given.deduplication_id, key)
    client = account.client("sns", given)
    with aws_session.errors():
        answer = client.publish(**asked)
    return {"messageId": answer["MessageId"], "sequenceNumber": answer.get("SequenceNumber")}


NODE = NodeType(
    label="Amazon SNS",
    description="Publishes a message to a topic for each item.",
    category="aws",
    kind="effect",
    secrets=aws_session.SECRETS,
    parameters=SnsParameters,
    run=run,
)
