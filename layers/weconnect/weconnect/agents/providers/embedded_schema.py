"""Reading a tool's JSON Schema without trusting it: it comes from whoever made the tool."""

import json
from typing import Any

from weconnect import schemas


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    """List the parameters; a schema that is wrong has none."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def required_of(schema: dict[str, Any]) -> list[str]:
    """List the required parameters; a schema that is wrong has none."""
    required = schema.get("required")
    return [key for key in required if isinstance(key, str)] if isinstance(required, list) else []


def kind_of(shape: Any) -> str | None:
    """Name the type, the first that is not null."""
    kind = shape.get("type") if isinstance(shape, dict) else None
    if isinstance(kind, list):
        kind = next((item for item in kind if item != "null"), None)
    return kind if isinstance(kind, str) else None


def object_in(text: str) -> dict[str, Any] | None:
    """Read the first JSON object written in the text."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def accepts(schema: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Check arguments against a schema; one that is itself wrong, or that lies elsewhere, accepts nothing."""
    try:
        schemas.check(schema, patterns=False)
    except schemas.BadSchema:
        return False
    return schemas.problem(schema, arguments) is None
