"""set: gives items fields."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class SetParameters(Parameters):
    values: dict[Annotated[str, Field(min_length=1, max_length=255)], Any] = {}
    """Fields to set, by path: `customer.name`."""
    remove: list[Annotated[str, Field(min_length=1, max_length=255)]] = []
    """Fields to take away, by path."""
    keep_input: bool = True
    """Whether the item's other fields stay."""


def run(call: Call) -> Outputs:
    """Each item with the values; an empty input gives one item of them."""
    if not call.items:
        return {"main": [_changed(call.once(SetParameters), {})]}
    return {"main": [_changed(parameters, item) for parameters, item in call.each(SetParameters)]}


def _changed(parameters: SetParameters, item: dict[str, Any]) -> dict[str, Any]:
    changed = item if parameters.keep_input else {}
    for path in parameters.remove:
        changed = field_paths.remove(changed, path)
    for path, value in parameters.values.items():
        changed = field_paths.put(changed, path, value)
    return changed


NODE = NodeType(
    label="Set fields",
    description="Gives items fields, from values and expressions, and takes others away.",
    category="data",
    parameters=SetParameters,
    run=run,
)
