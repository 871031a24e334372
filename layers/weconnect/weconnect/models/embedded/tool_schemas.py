"""JSON Schemas of tools and answers. They are untrusted: whoever declared the tool wrote them."""

import json
from collections.abc import Callable
from typing import Any

from weconnect import json_schema
from weconnect.models.errors import ProviderError

# The keywords that the schema of a property may have if any text is valid for it.
ANY_TEXT = frozenset({"type", "title", "description", "examples", "default", "$comment"})


def read_properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters by name; an invalid schema has none."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def read_required(schema: dict[str, Any]) -> list[str]:
    """Return the names of required parameters; an invalid schema has none."""
    required = schema.get("required")
    return [key for key in required if isinstance(key, str)] if isinstance(required, list) else []


def read_type(shape: Any) -> str | None:
    """Return the type, the first one that is not null."""
    kind = shape.get("type") if isinstance(shape, dict) else None
    if isinstance(kind, list):
        kind = next((item for item in kind if item != "null"), None)
    return kind if isinstance(kind, str) else None


def parse_first_object(text: str) -> dict[str, Any] | None:
    """Return the first JSON object in the text; None without one."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> Any:
    """Raise ValueError for NaN and Infinity, which `json` would accept."""
    raise ValueError(f"{constant} is not JSON")


def accepts_arguments(schema: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Return whether a schema accepts the arguments; one that is invalid or has a remote reference accepts none."""
    try:
        json_schema.check_schema(schema, patterns=False)
    except json_schema.UnusableSchema:
        return False
    return json_schema.find_mismatch(schema, arguments) is None


def build_answer_formatter(schema: dict[str, Any]) -> Callable[[str], str]:
    """Return a function that formats an answer as JSON text: in one string property, besides constants and defaults.

    The property is the required one that accepts any text, or the first optional one. Raises ProviderError, with a
    JSON pointer, for a schema that would require an understanding of the answer.
    """
    properties, required = read_properties(schema), read_required(schema)
    takes_text = [
        name for name, shape in properties.items() if read_type(shape) == "string" and set(shape) <= ANY_TEXT
    ]
    filled = {name: value for name in required for value in _fixed(properties.get(name))}
    open_ones = [name for name in required if name not in filled]
    slot = next((name for name in [*open_ones, *takes_text] if name in takes_text), None)
    other = next((name for name in open_ones if name != slot), None)
    if read_type(schema) != "object" or slot is None or other is not None:
        pointer = "" if other is None else "/properties/" + other.replace("~", "~0").replace("/", "~1")
        raise _build_unfillable_error(pointer)
    if not accepts_arguments(schema, filled | {slot: "any text"}):
        raise _build_unfillable_error("")
    return lambda text: json.dumps(filled | {slot: text}, ensure_ascii=False)


def _fixed(shape: Any) -> list[Any]:
    """Return the constant or default in a property's schema, as a list of at most one value."""
    schema = shape if isinstance(shape, dict) else {}
    return [schema[key] for key in ("const", "default") if key in schema][:1]


def _build_unfillable_error(pointer: str) -> ProviderError:
    """Return the error for a part of an output schema that needs a language model, by its JSON pointer."""
    return ProviderError(
        "invalid_request",
        f"The embedded provider cannot fill the outputSchema at {pointer or '/'}: it is not a language model. "
        "Give the schema one string property, besides constants and defaults.",
    )
