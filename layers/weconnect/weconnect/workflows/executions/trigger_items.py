"""The items of an execution's input."""

from typing import Any

from weconnect.node_sdk.node_type import Items


def to_items(value: Any) -> Items:
    """Return the items of a JSON value. None becomes one empty item, so that the execution has something to work on."""
    if isinstance(value, list):
        return [item if isinstance(item, dict) else {"value": item} for item in value]
    if value is None:
        return [{}]
    return [value if isinstance(value, dict) else {"value": value}]
