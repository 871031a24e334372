"""event: starts the workflow for each event of certain types."""

from typing import Annotated

from pydantic import Field, StringConstraints

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import NodeType, pass_through

EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class EventParameters(Parameters):
    types: list[EventType] = Field(min_length=1, max_length=20)
    """Types of events: of the product, such as `agent.run.completed`, or your own, such as `order.created`."""
    condition: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    """JSONata expression over the event, without braces. Only events for which it is true start the workflow."""


NODE = NodeType(
    label="Event",
    description="Starts the workflow for each event of certain types. The item is the event.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=EventParameters,
    run=pass_through,
)
