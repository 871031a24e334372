"""compare: compares two lists of items by key."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import field_paths as fields
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeError, NodeRun, NodeType

Path = Annotated[str, Field(min_length=1, max_length=255)]


class CompareParameters(Parameters):
    keys: Annotated[list[Path], Field(min_length=1, max_length=20)]
    """Paths of the fields that identify an item in both inputs."""
    fields: Annotated[list[Path], Field(max_length=200)] = []
    """Paths of the fields to compare. Without them, whole items are compared."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return pairs as `same` (item of `a`) or `different` (`{"a", "b", "fields"}`), others as `only_a` and `only_b`."""
    parameters = node_run.resolve_once(CompareParameters)
    left, right = (_index_by_key(node_run.inputs.get(name, []), parameters.keys, name) for name in ("a", "b"))
    outputs: ItemsByOutput = {"same": [], "different": [], "only_a": [], "only_b": []}
    for key, item in left.items():
        if key not in right:
            outputs["only_a"].append(item)
        elif names := _find_differing_fields(item, right[key], parameters.fields):
            outputs["different"].append({"a": item, "b": right[key], "fields": names})
        else:
            outputs["same"].append(item)
    outputs["only_b"] = [item for key, item in right.items() if key not in left]
    return outputs


def _index_by_key(items: Items, keys: list[str], name: str) -> dict[Any, Item]:
    """Return the items of an input by the values of the key fields. Raises NodeError for duplicates."""
    items_by_key: dict[Any, Item] = {}
    for item in items:
        key = tuple(fields.sort_key(fields.get(item, path)) for path in keys)
        if key in items_by_key:
            shown = ", ".join(f"{path} = {str(fields.get(item, path))[:80]}" for path in keys)
            raise NodeError(
                "duplicate_key", f"The input {name} has two items with {shown}. Remove duplicates first."
            )
        items_by_key[key] = item
    return items_by_key


def _find_differing_fields(left: Item, right: Item, paths: list[str]) -> list[str]:
    """Return the fields in which two items differ; without paths, all their fields are compared."""
    names = paths or sorted({*left, *right})
    find = fields.get if paths else dict.get
    return [name for name in names if fields.sort_key(find(left, name)) != fields.sort_key(find(right, name))]


NODE = NodeType(
    label="Compare",
    description="Compares two inputs by key. Returns equal items, pairs of different ones, and the others.",
    category="data",
    inputs=("a", "b"),
    outputs=("same", "different", "only_a", "only_b"),
    parameters=CompareParameters,
    run=run,
)
