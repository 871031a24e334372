"""aggregate: makes one item of many, or one of each group."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeError, NodeType, Outputs, Parameters

Path = Annotated[str, Field(min_length=1, max_length=255)]


class Operation(Parameters):
    function: Literal["count", "sum", "average", "min", "max", "list", "first", "last"]
    """What to compute."""
    field: Path | None = None
    """Of which field, by its path; none: of whole items, for `count`, `list`, `first` and `last`."""
    into: Path = Field(alias="as")
    """The field of the new item."""


class AggregateParameters(Parameters):
    operations: list[Operation] = Field(min_length=1, max_length=50)
    """The fields of the new items."""
    group_by: list[Path] = Field(default=[], max_length=10)
    """Fields whose values make a group."""


def run(call: Call) -> Outputs:
    """One item for each group, in the order of their first items; without groups always exactly one."""
    parameters = call.once(AggregateParameters)
    groups: dict[Any, Items] = {} if parameters.group_by else {(): []}
    for item in call.items:
        place = tuple(field_paths.order(field_paths.get(item, path)) for path in parameters.group_by)
        groups.setdefault(place, []).append(item)
    return {"main": [_group(items, parameters) for items in groups.values()]}


def _group(items: Items, parameters: AggregateParameters) -> Item:
    found: Item = {}
    for path in parameters.group_by:
        found = field_paths.put(found, path, field_paths.get(items[0], path))
    for operation in parameters.operations:
        found = field_paths.put(found, operation.into, _computed(items, operation))
    return found


def _computed(items: Items, operation: Operation) -> Any:
    path, function = operation.field, operation.function
    values = [field_paths.get(item, path) if path else item for item in items]
    values = [value for value in values if value is not None]
    if function == "count":
        return len(values)
    if function == "list":
        return values
    if function in ("first", "last"):
        return values[0 if function == "first" else -1] if values else None
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) != len(values):
        raise NodeError("not_a_number", f"{path or 'an item'} is not a number everywhere, so no {function}")
    if function == "sum":
        return sum(numbers)
    if not numbers:
        return None
    if function == "average":
        return sum(numbers) / len(numbers)
    return min(numbers) if function == "min" else max(numbers)


NODE = NodeType(
    label="Aggregate",
    description="Makes one item of many: counts, sums, averages, lists, by group.",
    category="data",
    parameters=AggregateParameters,
    run=run,
)
