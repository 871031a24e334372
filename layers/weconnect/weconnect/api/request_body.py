"""The body of a request: its size, its encoding, and the one JSON object in it."""

import base64
import json
from collections import Counter
from math import isfinite
from typing import Any

from weconnect.api.errors import MalformedJson
from weconnect.errors import FieldError, Invalid, TooLarge, UnsupportedMediaType

MAX_DEPTH = 100  # deeper JSON can be read, but not be written again
MEDIA_TYPE = "application/json"


def check_size(event: dict[str, Any], limit: int) -> None:
    """Raise TooLarge when the body of an event exceeds `limit` bytes."""
    body = event.get("body") or ""
    if len(body) > limit or (not body.isascii() and len(body.encode()) > limit):
        raise TooLarge(f"Request body exceeds {format_size(limit)}. Send less, or large files by reference.")


def format_size(size: int) -> str:
    """Return a number of bytes as text, such as `64 KB` or `4 MB`."""
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} KB"


def decode_text(event: dict[str, Any]) -> None:
    """Replace a base64 body by its UTF-8 text, and a Content-Type of JSON by its one usual form, in place.

    Raises UnsupportedMediaType for a Content-Type other than JSON, and MalformedJson for a body that is not UTF-8.
    """
    headers = event.setdefault("headers", {})
    media_type = headers.get("content-type", MEDIA_TYPE).partition(";")[0].strip().lower()
    headers["content-type"] = (
        MEDIA_TYPE  # Powertools knows no other letter case; a charset says nothing (RFC 8259)
    )
    if media_type != MEDIA_TYPE:
        raise UnsupportedMediaType(
            f"Unsupported Content-Type {media_type[:100]!r}. Send Content-Type: {MEDIA_TYPE}."
        )
    if event.get("isBase64Encoded"):
        try:
            text = base64.b64decode(event.get("body") or "").decode()
        except ValueError:
            raise _build_malformed_json("it is not UTF-8") from None
        event |= {"body": text, "isBase64Encoded": False}


def parse_object(text: str) -> Any:
    """Parse a body: one JSON object, or null. Raises MalformedJson, and Invalid for any other JSON value."""
    value = parse_json(text)
    if value is None or isinstance(value, dict):
        return value
    error: FieldError = {"pointer": "", "detail": "Input should be an object", "type": "dict_type"}
    raise Invalid("The body must be a JSON object.", errors=[error])


def parse_json(text: str) -> Any:
    """Parse one JSON value that every parser reads alike (RFC 7493).

    Raises MalformedJson also for a repeated key, NaN, a number beyond the range of floats, invalid Unicode, and for
    objects and arrays nested more than 100 levels deep.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_parse_pairs, parse_constant=_refuse_constant, parse_float=_parse_float
        )
        json.dumps(value, ensure_ascii=False).encode()
        if is_too_deep(value):
            raise _build_malformed_json("it is nested too deeply")
    except RecursionError:
        raise _build_malformed_json("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _build_malformed_json(str(error)) from None
    except UnicodeEncodeError:
        raise _build_malformed_json("a text is not valid Unicode") from None
    except ValueError:
        raise _build_malformed_json("a number has too many digits") from None
    return value


def is_too_deep(value: Any) -> bool:
    """Return whether objects and arrays are nested more than 100 levels deep."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            break
        level = [
            part
            for item in level
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, dict | list)
        ]
    return bool(level)


def _parse_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object as a dict. Raises MalformedJson for a repeated key."""
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise _build_malformed_json(f"the key {repeated[:100]!a} is repeated in one object")
    return value


def _refuse_constant(name: str) -> Any:
    """Raise MalformedJson for `NaN`, `Infinity` or `-Infinity`, which Python's parser accepts."""
    raise _build_malformed_json(f"{name} is not JSON")


def _parse_float(text: str) -> float:
    """Return a number of a JSON text. Raises MalformedJson for one beyond the range of floats."""
    number = float(text)
    if not isfinite(number):
        raise _build_malformed_json("a number is beyond the range of floats")
    return number


def _build_malformed_json(reason: str) -> MalformedJson:
    """Return the MalformedJson problem with this reason, such as `the key 'a' is repeated in one object`."""
    return MalformedJson(f"The body is not JSON: {reason}.", errors=[{"pointer": "", "detail": reason}])
