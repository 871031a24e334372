"""date_time: the run's moment, sums, differences, weekdays and time zones."""

from typing import Annotated, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, NodeError, NodeType, Outputs, Parameters

Amount = Annotated[int, Field(ge=-10_000_000, le=10_000_000)]
Moment = Annotated[str, Field(max_length=40)]


class DateTimeParameters(Parameters):
    operation: Literal["now", "add", "difference", "weekday", "convert"]
    """What to do."""
    date: Moment | None = None
    """ISO 8601, or now, today, tomorrow, yesterday as of the run's start; missing means now."""
    other: Moment | None = None
    """The later end of a difference."""
    months: Amount | None = None
    weeks: Amount | None = None
    days: Amount | None = None
    hours: Amount | None = None
    minutes: Amount | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    """An IANA name: the target of now and convert, else the zone of times that name none."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="dateTime", alias="as")
    """The field that takes the result."""


def run(call: Call) -> Outputs:
    """Each item with the result, an object as the agents' tool of this name answers it."""
    from weconnect.agents.tools import date_time
    from weconnect.agents.tools.errors import ToolError

    found = []
    for given, item in call.each(DateTimeParameters):
        arguments = given.model_dump(exclude={"into"}, exclude_none=True)
        try:
            found.append(field_paths.put(item, given.into, date_time.run(arguments, call.scope.moment)))
        except ToolError as error:
            raise NodeError("invalid_parameters", str(error)) from error
    return {"main": found}


NODE = NodeType(
    label="Date and time",
    description="Tells the run's moment, adds to dates, measures differences, names weekdays, converts time zones.",
    category="data",
    parameters=DateTimeParameters,
    run=run,
)
