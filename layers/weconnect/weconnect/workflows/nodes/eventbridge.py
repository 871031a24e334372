"""eventbridge: puts an event on a bus of the tenant's for each item."""

from itertools import groupby, islice
from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.aws_messages import require_all, text_of
from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeType, Outputs

BATCH = 10


class EventbridgeParameters(aws_session.AwsParameters):
    bus: Annotated[str, Field(min_length=1, max_length=1_600)] = "default"
    """The bus's name or ARN."""
    source: Annotated[str, Field(min_length=1, max_length=256)]
    """Who says it, such as com.example.orders; `aws.` is AWS's own."""
    detail_type: Annotated[str, Field(min_length=1, max_length=128)]
    """What happened."""
    detail: dict[str, Any] | None = None
    """The event's content; none: the item."""
    resources: Annotated[list[Annotated[str, Field(max_length=2_048)]], Field(max_length=50)] = []
    """ARNs of what it is about."""


def run(call: Call) -> Outputs:
    """`{"eventId"}` for each item."""
    account = aws_session.Account(call)
    effects = [(given, item) for given, item, _ in call.effects(EventbridgeParameters)]
    found: Items = []
    for _, group in groupby(effects, key=lambda effect: aws_session.whose(effect[0])):
        while batch := list(islice(group, BATCH)):
            client = account.client("events", batch[0][0])
            with aws_session.errors():
                answer = client.put_events(Entries=[_entry(*each) for each in batch])
            require_all([each for each in answer["Entries"] if "ErrorCode" in each], len(batch))
            found += [{"eventId": each["EventId"]} for each in answer["Entries"]]
    return {"main": found}


def _entry(given: EventbridgeParameters, item: Item) -> dict[str, Any]:
    return {
        "EventBusName": given.bus,
        "Source": given.source,
        "DetailType": given.detail_type,
        "Detail": text_of(item if given.detail is None else given.detail),
        "Resources": given.resources,
    }


NODE = NodeType(
    label="Amazon EventBridge",
    description="Puts an event on a bus for each item.",
    category="aws",
    kind="effect",
    secrets=aws_session.SECRETS,
    parameters=EventbridgeParameters,
    run=run,
)
