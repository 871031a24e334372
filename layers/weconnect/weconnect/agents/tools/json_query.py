"""Take JSON apart with JSONata, in the bounded evaluator that workflows use too."""

import json
from typing import Any

from weconnect.agents.tools.errors import ToolError

NAME = "json_query"
DISPLAY_NAME = "JSON query"
DESCRIPTION = (
    "Evaluates a JSONata expression over JSON data: picks values, filters, sums, sorts and reshapes. "
    "For example items[price > 10].name or $sum(items.price)."
)
DATA_BYTES = 1024 * 1024
RESULT_BYTES = 64 * 1024
INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "expression": {
            "type": "string",
            "minLength": 1,
            "maxLength": 10_000,
            "description": "A JSONata expression; the data is its root",
        },
        "data": {"description": "Any JSON value; a text that is JSON is read as what it stands for"},
    },
    "required": ["expression", "data"],
    "additionalProperties": False,
}


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """`{"result": value}`, null where the expression finds nothing."""
    from weconnect.expressions import rendering

    expression = arguments.get("expression")
    if not isinstance(expression, str) or not expression.strip():
        raise ToolError("expression must be a JSONata expression, for example items[0].name")
    try:
        result = rendering.evaluate(expression, _data(arguments.get("data")))
    except rendering.ExpressionError as error:
        raise ToolError(str(error)) from None
    if len(json.dumps(result)) > RESULT_BYTES:
        raise ToolError(f"The result takes more than {RESULT_BYTES} bytes as JSON; ask for less")
    return {"result": result}


def _data(given: Any) -> Any:
    if isinstance(given, str) and len(given) <= DATA_BYTES and given.lstrip()[:1] in ("{", "["):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise ToolError("data begins like JSON and is none") from None
    try:
        size = len(json.dumps(given, allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise ToolError("data is not JSON") from None
    if size > DATA_BYTES:
        raise ToolError(f"data takes more than {DATA_BYTES} bytes as JSON")
    return given
