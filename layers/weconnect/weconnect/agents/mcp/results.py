"""Results of tools in the protocol's words."""

from typing import Any


def failed(text: str, code: str, ids: dict[str, str] | None = None) -> dict[str, Any]:
    """A result that says why there is none, for the model to read."""
    return {"content": [text_of(text)], "isError": True, "_meta": own({"code": code, **(ids or {})})}


def text_of(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def own(values: dict[str, str]) -> dict[str, str]:
    """Our own words in a result's `_meta`."""
    return {f"weconnect/{name}": value for name, value in values.items()}
