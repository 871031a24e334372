"""deduplicate: keeps the first of equal items."""

from typing import Annotated

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths as fields
from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class DeduplicateParameters(Parameters):
    fields: list[Annotated[str, Field(min_length=1, max_length=255)]] = []
    """Fields that decide, by their paths; none: the whole item."""


def run(call: Call) -> Outputs:
    """First items go to `main`, the repeated ones to `duplicates`."""
    paths = call.once(DeduplicateParameters).fields
    seen: set[object] = set()
    found: Outputs = {"main": [], "duplicates": []}
    for item in call.items:
        values = [fields.get(item, path) for path in paths] if paths else [item]
        place = tuple(fields.order(value) for value in values)
        found["duplicates" if place in seen else "main"].append(item)
        seen.add(place)
    return found


NODE = NodeType(
    label="Remove duplicates",
    description="Keeps the first of equal items.",
    category="data",
    outputs=("main", "duplicates"),
    parameters=DeduplicateParameters,
    run=run,
)
