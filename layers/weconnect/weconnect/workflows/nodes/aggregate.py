"""aggregate: computes one item from many, or one per group."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.node_sdk import field_paths
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeError, NodeRun, NodeType

Path = Annotated[str, Field(min_length=1, max_length=255)]


class Operation(Parameters):
    """A field to compute."""

    function: Literal["count", "sum", "average", "min", "max", "list", "first", "last"]
    """The function to compute."""
    field: Path | None = None
    """Path of the field to compute it from. Without it, `count`, `list`, `first` and `last` use whole items."""
    into: Path = Field(alias="as")
    """Path of the field for the result."""


class AggregateParameters(Parameters):
    operations: list[Operation] = Field(min_length=1, max_length=50)
    """The fields to compute for each new item."""
    group_by: list[Path] = Field(default=[], max_length=10)
    """Paths of the fields whose values form the groups. Without them, all items are one group."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return one item per group, in the order of their first items; without groups, always exactly one."""
    parameters = node_run.resolve_once(AggregateParameters)
    groups: dict[Any, Items] = {} if parameters.group_by else {(): []}
    for item in node_run.items:
        group = tuple(field_paths.sort_key(field_paths.get(item, path)) for path in parameters.group_by)
        groups.setdefault(group, []).append(item)
    return {"main": [_group(items, parameters) for items in groups.values()]}


def _group(items: Items, parameters: AggregateParameters) -> Item:
    """Return the item of a group: the values that form it, and the computed fields."""
    result: Item = {}
    for path in parameters.group_by:
        result = field_paths.put(result, path, field_paths.get(items[0], path))
    for operation in parameters.operations:
        result = field_paths.put(result, operation.into, _compute(items, operation))
    return result


def _compute(items: Items, operation: Operation) -> Any:
    """Return the result of a function over the items of a group. Raises NodeError for values that are not numbers."""
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
        raise NodeError(
            "not_a_number",
            f"{function} needs numbers, but {path or 'an item'} is not always a number. Filter the items first.",
        )
    if function == "sum":
        return sum(numbers)
    if not numbers:
        return None
    if function == "average":
        return sum(numbers) / len(numbers)
    return min(numbers) if function == "min" else max(numbers)


NODE = NodeType(
    label="Aggregate",
    description="Computes one item from many, or one per group: counts, sums, averages, lists and others.",
    category="data",
    parameters=AggregateParameters,
    run=run,
)
