"""merge: combines branches."""

from typing import Any, Literal

from pydantic import Field

from weconnect.node_sdk import field_paths
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeError, NodeRun, NodeType


class MergeParameters(Parameters):
    mode: Literal["all", "any", "append", "by_key", "by_position", "one"] = "append"
    """`all`: all items, if every input has some; `any`: the items of the first input that has some; `append`: all
    items; `by_key`: items with the same key become one; `by_position`: the first items become one, the second, and so
    on; `one`: the items of one input, after all branches have ended.
    """
    key: str | None = Field(default=None, min_length=1, max_length=255)
    """For `by_key`: path of the field with the key."""
    keep: Literal["all", "matched"] = "all"
    """For `by_key` and `by_position`: return all items, or only those with a counterpart in every input."""
    input: str | None = Field(default=None, min_length=1, max_length=64)
    """For `one`: name of the input."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the inputs, merged in the order of their names."""
    parameters = node_run.resolve_once(MergeParameters)
    inputs = {name: node_run.inputs[name] for name in sorted(node_run.inputs)}
    if parameters.mode == "any":
        return {"main": next((items for items in inputs.values() if items), [])}
    if parameters.mode == "by_key":
        return {"main": _join_by_key(list(inputs.values()), parameters)}
    if parameters.mode == "by_position":
        return {"main": _join_by_position(list(inputs.values()), parameters)}
    if parameters.mode == "one":
        return {"main": _select_input(inputs, parameters)}
    return {"main": [item for items in inputs.values() for item in items]}


def _join_by_key(inputs: list[Items], parameters: MergeParameters) -> Items:
    """Join the items of all inputs that have the same key."""
    if not parameters.key:
        raise NodeError("invalid_parameters", "/key: is required for by_key")
    joined: dict[Any, Item] = {}
    seen: dict[Any, set[int]] = {}
    for number, items in enumerate(inputs):
        for item in items:
            key = field_paths.sort_key(field_paths.get(item, parameters.key))
            joined.setdefault(key, {}).update(item)
            seen.setdefault(key, set()).add(number)
    matched = parameters.keep == "matched"
    return [item for key, item in joined.items() if not matched or len(seen[key]) == len(inputs)]


def _join_by_position(inputs: list[Items], parameters: MergeParameters) -> Items:
    """Join the items of all inputs that have the same index."""
    counts = [len(items) for items in inputs]
    count = min(counts) if parameters.keep == "matched" else max(counts)
    joined: Items = [{} for _ in range(count)]
    for items in inputs:
        for index, item in enumerate(items[:count]):
            joined[index].update(item)
    return joined


def _select_input(inputs: dict[str, Items], parameters: MergeParameters) -> Items:
    """Return the items of the input that the parameters name."""
    if not parameters.input:
        raise NodeError("invalid_parameters", "/input: is required for one")
    return inputs.get(parameters.input, [])


def waits_for(parameters: dict[str, Any]) -> Literal["all", "some"]:
    """Return "all" for the mode `all`, which needs items at every input."""
    return "all" if parameters.get("mode") == "all" else "some"


NODE = NodeType(
    label="Merge",
    description="Combines branches: all items, the first branch with items, one branch, by key, or by position.",
    category="flow",
    inputs=None,
    parameters=MergeParameters,
    run=run,
    waits_for=waits_for,
)
