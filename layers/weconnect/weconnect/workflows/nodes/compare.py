"""compare: what two lists of items have in common, and what not."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths as fields
from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeError, NodeType, Outputs, Parameters

Path = Annotated[str, Field(min_length=1, max_length=255)]


class CompareParameters(Parameters):
    keys: Annotated[list[Path], Field(min_length=1, max_length=20)]
    """Fields that tell which items belong together, by their paths."""
    fields: Annotated[list[Path], Field(max_length=200)] = []
    """Fields that are compared, by their paths; none: the whole items."""


def run(call: Call) -> Outputs:
    """Pairs go to `same` (as in `a`) or `different` (`{"a", "b", "fields"}`), the others to `only_a`, `only_b`."""
    given = call.once(CompareParameters)
    left, right = (_by_key(call.inputs.get(name, []), given.keys, name) for name in ("a", "b"))
    found: Outputs = {"same": [], "different": [], "only_a": [], "only_b": []}
    for place, item in left.items():
        if place not in right:
            found["only_a"].append(item)
        elif names := _differing(item, right[place], given.fields):
            found["different"].append({"a": item, "b": right[place], "fields": names})
        else:
            found["same"].append(item)
    found["only_b"] = [item for place, item in right.items() if place not in left]
    return found


def _by_key(items: Items, keys: list[str], name: str) -> dict[Any, Item]:
    found: dict[Any, Item] = {}
    for item in items:
        place = tuple(fields.order(fields.get(item, path)) for path in keys)
        if place in found:
            shown = ", ".join(f"{path} = {str(fields.get(item, path))[:80]}" for path in keys)
            raise NodeError("duplicate_key", f"Input {name} has two items with {shown}")
        found[place] = item
    return found


def _differing(left: Item, right: Item, paths: list[str]) -> list[str]:
    names = paths or sorted({*left, *right})
    find = fields.get if paths else dict.get
    return [name for name in names if fields.order(find(left, name)) != fields.order(find(right, name))]


NODE = NodeType(
    label="Compare",
    description="Tells which items two inputs have in common, which differ, and which only one of them has.",
    category="data",
    inputs=("a", "b"),
    outputs=("same", "different", "only_a", "only_b"),
    parameters=CompareParameters,
    run=run,
)
