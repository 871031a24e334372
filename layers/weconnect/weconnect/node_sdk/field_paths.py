"""Fields of items by path: `customer.address.city`, with numbers for the elements of lists."""

import json
from typing import Any

from weconnect.node_sdk.node_type import NodeError


def get(item: Any, path: str) -> Any:
    """Return the value at a path, or None."""
    for part in path.split("."):
        if isinstance(item, dict):
            item = item.get(part)
        elif isinstance(item, list) and part.isdecimal() and int(part) < len(item):
            item = item[int(part)]
        else:
            return None
    return item


def put(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the item with a value set at a path; missing objects on the way are created.

    Raises NodeError where a value on the way is not an object.
    """
    name, _, rest = path.partition(".")
    if not rest:
        return item | {name: value}
    inner = item.get(name)
    if inner is not None and not isinstance(inner, dict):
        raise NodeError(
            "not_an_object", f"{name} is not an object, so {path} cannot be set. Remove it first."
        )
    return item | {name: put(inner or {}, rest, value)}


def remove(item: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the item without the field at a path."""
    name, _, rest = path.partition(".")
    if name not in item:
        return item
    if not rest:
        return {key: value for key, value in item.items() if key != name}
    inner = item[name]
    return item | {name: remove(inner, rest)} if isinstance(inner, dict) else item


def sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that sorts all JSON values: null, false, true, numbers, texts, then the rest by its text."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | float):
        return (2, value)
    return (3, value) if isinstance(value, str) else (4, repr(value))


def parse_json_or_text(text: str) -> Any:
    """Return the value of a text that is JSON, else the text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> Any:
    """Raise ValueError for NaN and Infinity, which Python's parser would accept."""
    raise ValueError(f"{name} is not JSON")
