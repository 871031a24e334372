"""event: begins a run for each event of certain types."""

from typing import Annotated

from pydantic import Field, StringConstraints

from weconnect.workflows.node_sdk.node_type import NodeType, Parameters, passed

EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class EventParameters(Parameters):
    types: list[EventType] = Field(min_length=1, max_length=20)
    """Which events: of the product, as `agent.run.completed`, or your own, as `order.created`."""
    condition: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    """A JSONata expression over the event, without braces; only events for which it is true begin a run."""


NODE = NodeType(
    label="Event",
    description="Begins a run for each event of certain types; its item is the event.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=EventParameters,
    run=passed,
)
