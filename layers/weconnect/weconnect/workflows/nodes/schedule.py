"""schedule: starts the workflow at certain times."""

from typing import Annotated

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import NodeType, pass_through


class ScheduleParameters(Parameters):
    expression: Annotated[str, Field(min_length=1, max_length=100)]
    """Times: `rate(5 minutes)`, or five cron fields."""
    timezone: Annotated[str, Field(max_length=64)] = "UTC"
    """IANA name of the cron fields' time zone."""


NODE = NodeType(
    label="Schedule",
    description="Starts the workflow at certain times. The item has the due time.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ScheduleParameters,
    run=pass_through,
)
