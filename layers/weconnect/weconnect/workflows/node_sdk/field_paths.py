"""Fields of items by their path: `customer.address.city`, with numbers for places in lists; and values in texts."""

import json
from typing import Any

from weconnect.workflows.node_sdk.node_type import NodeError

MISSING = object()


def get(item: Any, path: str) -> Any:
    """What stands at a path, or None."""
    for part in path.split("."):
        if isinstance(item, dict):
            item = item.get(part)
        elif isinstance(item, list) and part.isdecimal() and int(part) < len(item):
            item = item[int(part)]
        else:
            return None
    return item


def put(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The item with a value at a path, objects made on the way; raises NodeError where something else stands."""
    name, _, rest = path.partition(".")
    if not rest:
        return item | {name: value}
    inner = item.get(name)
    if inner is not None and not isinstance(inner, dict):
        raise NodeError("not_an_object", f"{name} holds no object, so {path} cannot be set")
    return item | {name: put(inner or {}, rest, value)}


def remove(item: dict[str, Any], path: str) -> dict[str, Any]:
    """The item without what stands at a path."""
    name, _, rest = path.partition(".")
    if name not in item:
        return item
    if not rest:
        return {key: value for key, value in item.items() if key != name}
    inner = item[name]
    return item | {name: remove(inner, rest)} if isinstance(inner, dict) else item


def order(value: Any) -> tuple[int, Any]:
    """A key that sorts any JSON values: nothing, false and true, numbers, texts, then the rest by its text."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | float):
        return (2, value)
    return (3, value) if isinstance(value, str) else (4, repr(value))


def value_of(text: str) -> Any:
    """The value of a text that is JSON, else the text."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
