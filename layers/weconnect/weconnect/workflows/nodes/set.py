"""set: sets and removes fields of items."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import field_paths, output_budget
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class SetParameters(Parameters):
    values: dict[Annotated[str, Field(min_length=1, max_length=255)], Any] = {}
    """Values by the path of the field to set: `customer.name`."""
    remove: list[Annotated[str, Field(min_length=1, max_length=255)]] = []
    """Paths of the fields to remove."""
    keep_input: bool = True
    """Whether to keep the item's other fields."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item with the values set; without items, one new item."""
    if not node_run.items:
        return {"main": [_change(node_run.resolve_once(SetParameters), {})]}
    return output_budget.collect(
        node_run.node.name,
        {"main": (_change(parameters, item) for parameters, item in node_run.resolve_each(SetParameters))},
    )


def _change(parameters: SetParameters, item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with fields removed and values set."""
    base = item if parameters.keep_input else {}
    return field_paths.change(base, parameters.remove, parameters.values)


NODE = NodeType(
    label="Set fields",
    description="Sets fields of items, to values or expressions, and removes fields.",
    category="data",
    parameters=SetParameters,
    run=run,
)
