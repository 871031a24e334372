"""sort: orders items."""

from typing import Annotated, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class By(Parameters):
    field: Annotated[str, Field(min_length=1, max_length=255)]
    """A field's path."""
    order: Literal["ascending", "descending"] = "ascending"


class SortParameters(Parameters):
    by: list[By] = Field(min_length=1, max_length=10)
    """The first field decides, then the next."""


def run(call: Call) -> Outputs:
    """The items in order: nothing before numbers before texts; equal ones stay as they came."""
    items = call.items
    for by in reversed(call.once(SortParameters).by):
        items = sorted(
            items,
            key=lambda item: field_paths.order(field_paths.get(item, by.field)),
            reverse=by.order == "descending",
        )
    return {"main": items}


NODE = NodeType(
    label="Sort",
    description="Orders items by their fields.",
    category="data",
    parameters=SortParameters,
    run=run,
)
