"""merge: brings branches together."""

from typing import Any, Literal

from pydantic import Field

from weconnect.workflows import fields
from weconnect.workflows.contract import Call, Item, Items, NodeError, NodeType, Outputs, Parameters


class MergeParameters(Parameters):
    mode: Literal["all", "any", "append", "by_key"] = "append"
    """`all`: every input must have items; `any`: the first input that has some; `append`: whatever came; `by_key`:
    items of the inputs with the same key become one.
    """
    key: str | None = Field(default=None, min_length=1, max_length=255)
    """For `by_key`: the field, by its path."""
    keep: Literal["all", "matched"] = "all"
    """For `by_key`: items of every key, or only those whose key is in every input."""


def run(call: Call) -> Outputs:
    """The inputs in the order of their names, merged."""
    parameters = call.once(MergeParameters)
    inputs = {name: call.inputs[name] for name in sorted(call.inputs)}
    if parameters.mode == "any":
        return {"main": next((items for items in inputs.values() if items), [])}
    if parameters.mode == "by_key":
        return {"main": _joined(list(inputs.values()), parameters)}
    return {"main": [item for items in inputs.values() for item in items]}


def _joined(inputs: list[Items], parameters: MergeParameters) -> Items:
    if not parameters.key:
        raise NodeError("invalid_parameters", "/key: by_key needs the field to join by")
    joined: dict[Any, Item] = {}
    seen: dict[Any, set[int]] = {}
    for number, items in enumerate(inputs):
        for item in items:
            place = fields.order(fields.get(item, parameters.key))
            joined[place] = joined.get(place, {}) | item
            seen.setdefault(place, set()).add(number)
    matched = parameters.keep == "matched"
    return [item for place, item in joined.items() if not matched or len(seen[place]) == len(inputs)]


def waits_for(parameters: dict[str, Any]) -> Literal["all", "some"]:
    """`all` needs items at every input."""
    return "all" if parameters.get("mode") == "all" else "some"


NODE = NodeType(
    label="Merge",
    description="Brings branches together: all of them, the first that has items, one after the other, or by a key.",
    category="flow",
    inputs=None,
    parameters=MergeParameters,
    run=run,
    waits_for=waits_for,
)
