"""merge: brings branches together."""

from typing import Any, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeError, NodeType, Outputs, Parameters


class MergeParameters(Parameters):
    mode: Literal["all", "any", "append", "by_key", "by_position", "one"] = "append"
    """`all`: every input must have items; `any`: the first input that has some; `append`: whatever came; `by_key`:
    items of the inputs with the same key become one; `by_position`: so do the first items, the second, and so on;
    `one`: the items of one input, when all have ended.
    """
    key: str | None = Field(default=None, min_length=1, max_length=255)
    """For `by_key`: the field, by its path."""
    keep: Literal["all", "matched"] = "all"
    """For `by_key` and `by_position`: all items, or only those that have one of their own in every input."""
    input: str | None = Field(default=None, min_length=1, max_length=64)
    """For `one`: which."""


def run(call: Call) -> Outputs:
    """The inputs in the order of their names, merged."""
    parameters = call.once(MergeParameters)
    inputs = {name: call.inputs[name] for name in sorted(call.inputs)}
    if parameters.mode == "any":
        return {"main": next((items for items in inputs.values() if items), [])}
    if parameters.mode == "by_key":
        return {"main": _joined(list(inputs.values()), parameters)}
    if parameters.mode == "by_position":
        return {"main": _side_by_side(list(inputs.values()), parameters)}
    if parameters.mode == "one":
        return {"main": _of_one(inputs, parameters)}
    return {"main": [item for items in inputs.values() for item in items]}


def _joined(inputs: list[Items], parameters: MergeParameters) -> Items:
    if not parameters.key:
        raise NodeError("invalid_parameters", "/key: by_key needs the field to join by")
    joined: dict[Any, Item] = {}
    seen: dict[Any, set[int]] = {}
    for number, items in enumerate(inputs):
        for item in items:
            place = field_paths.order(field_paths.get(item, parameters.key))
            joined[place] = joined.get(place, {}) | item
            seen.setdefault(place, set()).add(number)
    matched = parameters.keep == "matched"
    return [item for place, item in joined.items() if not matched or len(seen[place]) == len(inputs)]


def _side_by_side(inputs: list[Items], parameters: MergeParameters) -> Items:
    counts = [len(items) for items in inputs]
    count = min(counts) if parameters.keep == "matched" else max(counts)
    found: Items = [{} for _ in range(count)]
    for items in inputs:
        for place, item in enumerate(items[:count]):
            found[place] = found[place] | item
    return found


def _of_one(inputs: dict[str, Items], parameters: MergeParameters) -> Items:
    if not parameters.input:
        raise NodeError("invalid_parameters", "/input: one needs the input whose items it takes")
    return inputs.get(parameters.input, [])


def waits_for(parameters: dict[str, Any]) -> Literal["all", "some"]:
    """`all` needs items at every input."""
    return "all" if parameters.get("mode") == "all" else "some"


NODE = NodeType(
    label="Merge",
    description="Brings branches together: all, the first that has items, one alone, by a key, or side by side.",
    category="flow",
    inputs=None,
    parameters=MergeParameters,
    run=run,
    waits_for=waits_for,
)
