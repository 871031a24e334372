"""split: makes an item of each element of a list."""

from typing import Annotated

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, Items, NodeError, NodeType, Outputs, Parameters


class SplitParameters(Parameters):
    field: Annotated[str, Field(min_length=1, max_length=255)]
    """The list, by its path."""
    into: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(default=None, alias="as")
    """The field that takes the element; none: an element that is an object becomes the item."""
    keep_others: bool = False
    """Whether each new item has the other fields of the old one."""


def run(call: Call) -> Outputs:
    """The elements of all items, in order; an item without the list gives none."""
    found: Items = []
    for parameters, item in call.each(SplitParameters):
        elements = field_paths.get(item, parameters.field)
        if elements is None:
            continue
        if not isinstance(elements, list):
            raise NodeError("not_a_list", f"{parameters.field} is no list")
        others = field_paths.remove(item, parameters.field) if parameters.keep_others else {}
        for element in elements:
            if parameters.into or not isinstance(element, dict):
                found.append(field_paths.put(others, parameters.into or "value", element))
            else:
                found.append(others | element)
    return {"main": found}


NODE = NodeType(
    label="Split",
    description="Makes an item of each element of a list.",
    category="data",
    parameters=SplitParameters,
    run=run,
)
