"""sort: sorts items."""

from typing import Annotated, Literal

from pydantic import Field

from weconnect.node_sdk import field_paths
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class SortKey(Parameters):
    """A field to sort by."""

    field: Annotated[str, Field(min_length=1, max_length=255)]
    """Path of the field."""
    order: Literal["ascending", "descending"] = "ascending"
    """Order of the values."""


class SortParameters(Parameters):
    by: list[SortKey] = Field(min_length=1, max_length=10)
    """The fields to sort by, the most significant first."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the items sorted: missing values before numbers before texts; equal items keep their order."""
    items = node_run.items
    for by in reversed(node_run.resolve_once(SortParameters).by):
        items = sorted(
            items,
            key=lambda item: field_paths.sort_key(field_paths.get(item, by.field)),
            reverse=by.order == "descending",
        )
    return {"main": items}


NODE = NodeType(
    label="Sort",
    description="Sorts items by their fields.",
    category="data",
    parameters=SortParameters,
    run=run,
)
