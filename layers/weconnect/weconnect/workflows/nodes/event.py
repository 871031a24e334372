"""event: begins a run for each event of a type."""

from typing import Annotated

from pydantic import Field

from weconnect.workflows.contract import NodeType, Parameters, passed


class EventParameters(Parameters):
    event_type: Annotated[str, Field(min_length=1, max_length=100)]
    """Which events, for example `order.created`."""


NODE = NodeType(
    label="Event",
    description="Begins a run for each event of a type; its item is the event.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=EventParameters,
    run=passed,
)
