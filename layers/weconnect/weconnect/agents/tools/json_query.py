"""The builtin tool that evaluates JSONata over JSON data, in the bounded evaluator that workflows also use."""

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
        "data": {"description": "Any JSON value; a text that contains JSON is parsed"},
    },
    "required": ["expression", "data"],
    "additionalProperties": False,
}


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return `{"result": value}`, null where the expression matches nothing. Raises ToolError."""
    from weconnect.expressions import rendering  # cold start

    expression = arguments.get("expression")
    if not isinstance(expression, str) or not expression.strip():
        raise ToolError("expression must be a JSONata expression, for example items[0].name")
    try:
        result = rendering.evaluate(expression, _parse(arguments.get("data")))
    except rendering.ExpressionError as error:
        raise ToolError(str(error)) from None
    if len(json.dumps(result)) > RESULT_BYTES:
        raise ToolError(f"The result exceeds {RESULT_BYTES} bytes as JSON; select less")
    return {"result": result}


def _parse(data: Any) -> Any:
    """Return the data, parsed if it is JSON text. Raises ToolError when it is malformed or too large."""
    if isinstance(data, str) and len(data) <= DATA_BYTES and data.lstrip()[:1] in ("{", "["):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            raise ToolError("data begins like JSON, but is not valid JSON") from None
    try:
        size = len(json.dumps(data, allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise ToolError("data is not JSON") from None
    if size > DATA_BYTES:
        raise ToolError(f"data exceeds {DATA_BYTES} bytes as JSON")
    return data
