"""Fields of items by path: `customer.address.city`, with numbers for the elements of lists."""

import json
from collections.abc import Iterable, Mapping
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
    return change(item, (), {path: value})


def remove(item: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the item without the field at a path."""
    return change(item, (path,), {})


def change(item: dict[str, Any], removed: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item without the fields at `removed` paths, and with values set by path.

    Missing objects on the way to a value are created. Raises NodeError where a value on the way is not an object. Each
    object on a way is copied once, however many paths go through it.
    """
    result = dict(item)
    copies = {id(result): result}

    def step(parent: dict[str, Any], name: str) -> dict[str, Any]:
        """Return the object in a field of a copied object, copied itself."""
        inner = parent.get(name) or {}
        if id(inner) not in copies:
            parent[name] = inner = dict(inner)
            copies[id(inner)] = inner
        return inner

    for path in removed:
        target: Any = result
        *way, last = path.split(".")
        for name in way:
            target = step(target, name) if isinstance(target.get(name), dict) else {}
        target.pop(last, None)
    for path, value in values.items():
        target = result
        *way, last = path.split(".")
        for name in way:
            if target.get(name) is not None and not isinstance(target[name], dict):
                raise NodeError(
                    "not_an_object", f"{name} is not an object, so {path} cannot be set. Remove it first."
                )
            target = step(target, name)
        target[last] = value
    return result


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
