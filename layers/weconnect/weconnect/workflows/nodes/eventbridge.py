"""eventbridge: sends an event to a bus in the tenant's AWS account for each item."""

from itertools import groupby, islice
from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import aws_session
from weconnect.node_sdk.aws_messages import require_no_failure, to_text
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeRun, NodeType

BATCH = 10


class EventbridgeParameters(aws_session.AwsParameters):
    bus: Annotated[str, Field(min_length=1, max_length=1_600)] = "default"
    """Name or ARN of the event bus."""
    source: Annotated[str, Field(min_length=1, max_length=256)]
    """Source of the event, such as `com.example.orders`. The prefix `aws.` is reserved."""
    detail_type: Annotated[str, Field(min_length=1, max_length=128)]
    """Type of the event, such as `OrderCreated`."""
    detail: dict[str, Any] | None = None
    """Content of the event. Default: the item."""
    resources: Annotated[list[Annotated[str, Field(max_length=2_048)]], Field(max_length=50)] = []
    """ARNs of the resources that the event concerns."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"eventId"}` for each item."""
    clients = aws_session.AwsClients(node_run)
    effects = [(parameters, item) for parameters, item, _ in node_run.resolve_effects(EventbridgeParameters)]
    items: Items = []
    for _, group in groupby(effects, key=lambda effect: aws_session.build_account_key(effect[0])):
        while batch := list(islice(group, BATCH)):
            client = clients.client("events", batch[0][0])
            with aws_session.translate_errors():
                response = client.put_events(Entries=[_build_entry(*each) for each in batch])
            require_no_failure([each for each in response["Entries"] if "ErrorCode" in each], len(batch))
            items += [{"eventId": each["EventId"]} for each in response["Entries"]]
    return {"main": items}


def _build_entry(parameters: EventbridgeParameters, item: Item) -> dict[str, Any]:
    """Return the entry of one event in a request."""
    return {
        "EventBusName": parameters.bus,
        "Source": parameters.source,
        "DetailType": parameters.detail_type,
        "Detail": to_text(item if parameters.detail is None else parameters.detail),
        "Resources": parameters.resources,
    }


NODE = NodeType(
    label="Amazon EventBridge",
    description="Sends an event to an event bus for each item. Returns `eventId`.",
    category="aws",
    kind="effect",
    parameters=EventbridgeParameters,
    run=run,
)
