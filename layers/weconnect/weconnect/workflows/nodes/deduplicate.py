"""deduplicate: removes duplicate items."""

from typing import Annotated

from pydantic import Field

from weconnect.node_sdk import field_paths as fields
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class DeduplicateParameters(Parameters):
    fields: list[Annotated[str, Field(min_length=1, max_length=255)]] = []
    """Paths of the fields to compare. Without them, whole items are compared."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the first of equal items as `main`, the repeated ones as `duplicates`."""
    paths = node_run.resolve_once(DeduplicateParameters).fields
    seen: set[object] = set()
    outputs: ItemsByOutput = {"main": [], "duplicates": []}
    for item in node_run.items:
        values = [fields.get(item, path) for path in paths] if paths else [item]
        key = tuple(fields.sort_key(value) for value in values)
        outputs["duplicates" if key in seen else "main"].append(item)
        seen.add(key)
    return outputs


NODE = NodeType(
    label="Remove duplicates",
    description="Removes duplicates: passes on the first of equal items, and the others to `duplicates`.",
    category="data",
    outputs=("main", "duplicates"),
    parameters=DeduplicateParameters,
    run=run,
)
