"""jsonata: transforms items with one expression."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.expressions import rendering
from weconnect.expressions.rendering import EvaluationContext, ExpressionError
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import (
    Item,
    Items,
    ItemsByOutput,
    NodeError,
    NodeRun,
    NodeType,
    validate_parameters,
)


class JsonataParameters(Parameters):
    expression: Annotated[str, Field(min_length=1, max_length=10_000)]
    """JSONata expression, without braces around it."""
    mode: Literal["each", "all"] = "each"
    """Evaluate the expression over each item, or once over the list of all items."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the expression's results: an object is an item, a list one per element, other values `{"value": …}`."""
    parameters = validate_parameters(JsonataParameters, node_run.node.parameters)
    source = parameters.expression
    data: list[Any] = node_run.items if parameters.mode == "each" else [node_run.items]
    shared = node_run.scope.bindings([source]) | {"input": node_run.items}
    contexts = [EvaluationContext(value, {"index": index}) for index, value in enumerate(data)]
    template = "{{" + source + "}}"
    try:
        values = rendering.render(template, contexts, shared, node_run.scope.moment)
    except ExpressionError as error:
        raise NodeError("expression_failed", f"/expression: {error}") from error
    return {"main": [item for value in values for item in _list_items(value)]}


def _list_items(value: Any) -> Items:
    """Return the items of one result of the expression."""
    if value is None:
        return []
    elements = value if isinstance(value, list) else [value]
    return [_convert_item(each) for each in elements]


def _convert_item(value: Any) -> Item:
    """Return an object as it is, any other value as `{"value": …}`."""
    return value if isinstance(value, dict) else {"value": value}


NODE = NodeType(
    label="JSONata",
    description="Transforms items with a JSONata expression. Objects in its result are the new items.",
    category="data",
    parameters=JsonataParameters,
    run=run,
)
