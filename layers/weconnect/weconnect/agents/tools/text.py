"""The builtin tool for texts; each operation is exact and bounded."""

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from weconnect.agents.tools.errors import ToolError

NAME = "text"
DISPLAY_NAME = "Text"
DESCRIPTION = (
    "Works on a text: upper and lower case, trim, length, split, join, replace, find, slice, count words, slugify, "
    "Base64 and URL encoding and decoding, SHA-256. Positions count characters from 0; negative ones from the end."
)
MAX_CHARACTERS = 100_000
MAX_PARTS = 10_000

INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "enum": [
                *("upper", "lower", "trim", "length", "split", "join", "replace", "find", "slice"),
                *(
                    "count_words",
                    "slugify",
                    "base64_encode",
                    "base64_decode",
                    "url_encode",
                    "url_decode",
                    "sha256",
                ),
            ],
        },
        "text": {"type": "string", "maxLength": MAX_CHARACTERS, "description": "For all but join"},
        "parts": {
            "type": "array",
            "items": {"type": "string", "maxLength": MAX_CHARACTERS},
            "maxItems": MAX_PARTS,
            "description": "For join",
        },
        "separator": {
            "type": "string",
            "maxLength": 1_000,
            "description": "For split (absent: any white space) and join (absent: nothing)",
        },
        "search": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_CHARACTERS,
            "description": "For replace and find",
        },
        "replacement": {
            "type": "string",
            "maxLength": MAX_CHARACTERS,
            "description": "For replace; absent: nothing",
        },
        "start": {
            "type": "integer",
            "minimum": -MAX_CHARACTERS,
            "maximum": MAX_CHARACTERS,
            "description": "For slice",
        },
        "end": {
            "type": "integer",
            "minimum": -MAX_CHARACTERS,
            "maximum": MAX_CHARACTERS,
            "description": "For slice; the first character that is left out",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """Execute an operation and return `{"result": …}`. Raises ToolError.

    The result is a text; a list of texts for split; a number for length, count_words and find (-1: no match).
    """
    operation = arguments.get("operation")
    if operation not in OPERATIONS:
        raise ToolError(f"operation must be one of {', '.join(OPERATIONS)}")
    try:
        result = OPERATIONS[operation](arguments)
    except UnicodeError:
        raise ToolError("The text is not valid Unicode") from None
    if isinstance(result, str) and len(result) > MAX_CHARACTERS:
        raise _build_length_error()
    return {"result": result}


def _build_length_error() -> ToolError:
    """Return the error for a result that is too long."""
    return ToolError(f"The result has more than {MAX_CHARACTERS} characters")


def _require_text(arguments: dict[str, Any], name: str) -> str:
    """Return an argument. Raises ToolError when it is not a text of at most MAX_CHARACTERS."""
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ToolError(f"{name} must be a string for {arguments['operation']}")
    if len(value) > MAX_CHARACTERS:
        raise ToolError(f"{name} has more than {MAX_CHARACTERS} characters")
    return value


def _apply_to_text(function: Callable[[str], Any]) -> Callable[[dict[str, Any]], Any]:
    """Return an operation that applies a function to the argument `text`."""
    return lambda arguments: function(_require_text(arguments, "text"))


def _split(arguments: dict[str, Any]) -> list[str]:
    """Return the parts of `text`, by default between spaces. Raises ToolError for too many."""
    text = _require_text(arguments, "text")
    parts = text.split(arguments.get("separator") or None, MAX_PARTS)
    if len(parts) > MAX_PARTS:
        raise ToolError(f"The text has more than {MAX_PARTS} parts")
    return parts


def _join(arguments: dict[str, Any]) -> str:
    """Return the `parts` joined by `separator`. Raises ToolError for other parts than texts, or too long a result."""
    parts, separator = arguments.get("parts"), arguments.get("separator") or ""
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ToolError("parts must be a list of strings for join")
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_CHARACTERS + len(separator):
        raise _build_length_error()
    return str(separator).join(parts)


def _replace(arguments: dict[str, Any]) -> str:
    """Return `text` with each `search` replaced by `replacement`. Raises ToolError for too long a result."""
    text, search = _require_text(arguments, "text"), _require_text(arguments, "search")
    if not search:
        raise ToolError("search must not be empty")
    replacement = arguments.get("replacement") or ""
    # Checked before it is made: a short text may ask for gigabytes.
    if len(text) + text.count(search) * (len(replacement) - len(search)) > MAX_CHARACTERS:
        raise _build_length_error()
    return text.replace(search, replacement)


def _slice(arguments: dict[str, Any]) -> str:
    """Return the characters of `text` from `start` up to `end`; negative ones count from its end."""
    return _require_text(arguments, "text")[arguments.get("start") : arguments.get("end")]


def _make_slug(text: str) -> str:
    """Return a text as lower-case ASCII letters and digits with `-` between words."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _decode_base64(text: str) -> str:
    """Return the UTF-8 text of standard or URL-safe Base64, with or without padding. Raises ToolError."""
    packed = re.sub(r"\s", "", text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode()
    except UnicodeDecodeError:
        raise ToolError("The decoded bytes are not text") from None
    except (binascii.Error, ValueError):
        raise ToolError("This is not Base64") from None


OPERATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "upper": _apply_to_text(str.upper),
    "lower": _apply_to_text(str.lower),
    "trim": _apply_to_text(str.strip),
    "length": _apply_to_text(len),
    "split": _split,
    "join": _join,
    "replace": _replace,
    "find": lambda arguments: _require_text(arguments, "text").find(_require_text(arguments, "search")),
    "slice": _slice,
    "count_words": _apply_to_text(lambda text: len(text.split())),
    "slugify": _apply_to_text(_make_slug),
    "base64_encode": _apply_to_text(lambda text: base64.b64encode(text.encode()).decode()),
    "base64_decode": _apply_to_text(_decode_base64),
    "url_encode": _apply_to_text(lambda text: quote(text, safe="")),
    "url_decode": _apply_to_text(lambda text: unquote(text, errors="strict")),
    "sha256": _apply_to_text(lambda text: hashlib.sha256(text.encode()).hexdigest()),
}
