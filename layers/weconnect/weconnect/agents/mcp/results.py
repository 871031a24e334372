"""Tool results in the form of the Model Context Protocol."""

from typing import Any


def error_result(text: str, code: str, ids: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a result that tells the model why the call failed; `ids` name its execution."""
    return {
        "content": [build_text_block(text)],
        "isError": True,
        "_meta": own_metadata({"code": code, **(ids or {})}),
    }


def build_text_block(text: str) -> dict[str, str]:
    """Return a text as a content block of an MCP result."""
    return {"type": "text", "text": text}


def own_metadata(values: dict[str, str]) -> dict[str, str]:
    """Return values for a result's `_meta`, under WeConnect's prefix."""
    return {f"weconnect/{name}": value for name, value in values.items()}
