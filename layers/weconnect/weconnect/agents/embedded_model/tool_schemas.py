"""Reading a tool's or an answer's JSON Schema without trusting it: it comes from whoever made it."""

import json
from collections.abc import Callable
from typing import Any

from weconnect import json_schema
from weconnect.agents.models.errors import ProviderError

# All that the schema of a property may say when any text has to fit it.
ANY_TEXT = frozenset({"type", "title", "description", "examples", "default", "$comment"})


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
        json_schema.inspect(schema, patterns=False)
    except json_schema.BadSchema:
        return False
    return json_schema.mismatch(schema, arguments) is None


def answer_form(schema: dict[str, Any]) -> Callable[[str], str]:
    """How an answer becomes JSON text: one string property takes it, constants and defaults fill the rest.

    The string is the required one that takes any text, or the first that is optional. Raise ProviderError, with a
    pointer, for a schema that would need the answer to be understood.
    """
    properties, required = properties_of(schema), required_of(schema)
    takes_text = [
        name for name, shape in properties.items() if kind_of(shape) == "string" and set(shape) <= ANY_TEXT
    ]
    filled = {name: value for name in required for value in _fixed(properties.get(name))}
    open_ones = [name for name in required if name not in filled]
    slot = next((name for name in [*open_ones, *takes_text] if name in takes_text), None)
    other = next((name for name in open_ones if name != slot), None)
    if kind_of(schema) != "object" or slot is None or other is not None:
        place = "" if other is None else "/properties/" + other.replace("~", "~0").replace("/", "~1")
        raise _unfillable(place)
    if not accepts(schema, filled | {slot: "any text"}):
        raise _unfillable("")
    return lambda text: json.dumps(filled | {slot: text}, ensure_ascii=False)


def _fixed(shape: Any) -> list[Any]:
    """The value that a property's schema brings along, if any."""
    found = shape if isinstance(shape, dict) else {}
    return [found[key] for key in ("const", "default") if key in found][:1]


def _unfillable(pointer: str) -> ProviderError:
    return ProviderError(
        "invalid_request",
        f"The embedded provider cannot fill the outputSchema at {pointer or '/'}: it is no language model, and "
        "puts its answer as it is into one string property beside constants and defaults.",
    )
