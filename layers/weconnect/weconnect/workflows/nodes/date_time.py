"""date_time: the time of the execution, date arithmetic, weekdays and time zones."""

from typing import Annotated, Literal

from pydantic import Field

from weconnect.calculations.errors import CalculationError
from weconnect.node_sdk import field_paths
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType

Amount = Annotated[int, Field(ge=-10_000_000, le=10_000_000)]
Moment = Annotated[str, Field(max_length=40)]


class DateTimeParameters(Parameters):
    operation: Literal["now", "add", "difference", "weekday", "convert"]
    """The operation."""
    date: Moment | None = None
    """ISO 8601, or `now`, `today`, `tomorrow`, `yesterday` as of the start of the execution. Default: `now`."""
    other: Moment | None = None
    """For `difference`: the later date."""
    months: Amount | None = None
    """For `add`: months, negative to subtract."""
    weeks: Amount | None = None
    """For `add`: weeks."""
    days: Amount | None = None
    """For `add`: days."""
    hours: Amount | None = None
    """For `add`: hours."""
    minutes: Amount | None = None
    """For `add`: minutes."""
    timezone: Annotated[str, Field(max_length=64)] | None = None
    """IANA name of a time zone: the target of `now` and `convert`, else the zone of dates without one."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="dateTime", alias="as")
    """Path of the field for the result."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item with the result added, an object as the agents' tool of this name returns it."""
    from weconnect.calculations import date_time  # cold start

    items = []
    for parameters, item in node_run.resolve_each(DateTimeParameters):
        arguments = parameters.model_dump(exclude={"into"}, exclude_none=True)
        try:
            items.append(
                field_paths.put(item, parameters.into, date_time.run(arguments, node_run.scope.moment))
            )
        except CalculationError as error:
            raise NodeError("invalid_parameters", str(error)) from error
    return {"main": items}


NODE = NodeType(
    label="Date and time",
    description="Returns the current time, adds to dates, computes differences and weekdays, converts time zones.",
    category="data",
    parameters=DateTimeParameters,
    run=run,
)
