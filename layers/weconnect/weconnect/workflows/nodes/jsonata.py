"""jsonata: transforms items by one expression."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.expressions import rendering
from weconnect.expressions.rendering import Context, ExpressionError
from weconnect.workflows.node_sdk.node_type import (
    Call,
    Item,
    Items,
    NodeError,
    NodeType,
    Outputs,
    Parameters,
    validated,
)


class JsonataParameters(Parameters):
    expression: Annotated[str, Field(min_length=1, max_length=10_000)]
    """JSONata without braces around it."""
    mode: Literal["each", "all"] = "each"
    """Over each item, or over the list of all of them."""


def run(call: Call) -> Outputs:
    """What the expression answers: objects become items, a list's elements one each, other values `{"value": …}`."""
    parameters = validated(JsonataParameters, call.node.parameters)
    source = parameters.expression
    data: list[Any] = call.items if parameters.mode == "each" else [call.items]
    shared = call.scope.bindings([source]) | {"input": call.items}
    contexts = [Context(value, {"index": index}) for index, value in enumerate(data)]
    template = "{{" + source + "}}"
    try:
        found = rendering.resolve(template, contexts, shared, call.scope.moment)
    except ExpressionError as error:
        raise NodeError("expression_failed", f"/expression: {error}") from error
    return {"main": [item for value in found for item in _items(value)]}


def _items(value: Any) -> Items:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [_item(each) for each in values]


def _item(value: Any) -> Item:
    return value if isinstance(value, dict) else {"value": value}


NODE = NodeType(
    label="JSONata",
    description="Transforms items by one JSONata expression.",
    category="data",
    parameters=JsonataParameters,
    run=run,
)
