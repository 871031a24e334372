"""schedule: begins a run at certain times."""

from typing import Annotated

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import NodeType, Parameters, passed


class ScheduleParameters(Parameters):
    expression: Annotated[str, Field(min_length=1, max_length=100)]
    """When: `rate(5 minutes)` or five cron fields."""
    timezone: Annotated[str, Field(max_length=64)] = "UTC"
    """In which time zone the fields are meant."""


NODE = NodeType(
    label="Schedule",
    description="Begins a run at certain times; its item tells the due time.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ScheduleParameters,
    run=passed,
)
