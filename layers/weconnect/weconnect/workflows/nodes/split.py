"""split: returns an item for each element of a list."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from weconnect.node_sdk import field_paths, output_budget
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeError, NodeRun, NodeType


class SplitParameters(Parameters):
    field: Annotated[str, Field(min_length=1, max_length=255)]
    """Path of the list."""
    into: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(default=None, alias="as")
    """Path of the field for the element. Without it, an element that is an object becomes the item."""
    keep_others: bool = False
    """Whether to keep the item's other fields in each new item."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the elements of all items, in order; an item without the list has none."""
    return output_budget.collect(node_run.node.name, {"main": _split(node_run)})


def _split(node_run: NodeRun) -> Iterator[Item]:
    """Yield an item for each element of each item's list. Raises NodeError for a field that is not a list."""
    for parameters, item in node_run.resolve_each(SplitParameters):
        elements = field_paths.get(item, parameters.field)
        if elements is None:
            continue
        if not isinstance(elements, list):
            raise NodeError("not_a_list", f"{parameters.field} is not a list. Check the path.")
        others = field_paths.remove(item, parameters.field) if parameters.keep_others else {}
        for element in elements:
            if parameters.into or not isinstance(element, dict):
                yield field_paths.put(others, parameters.into or "value", element)
            else:
                yield others | element


NODE = NodeType(
    label="Split",
    description="Returns an item for each element of a list in an item.",
    category="data",
    parameters=SplitParameters,
    run=run,
)
