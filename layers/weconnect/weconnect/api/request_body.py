"""The body of a request: its size, its encoding, and the one JSON object that it is."""

import base64
import json
from math import isfinite
from typing import Any

from weconnect.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType

LIMIT = 4 * 1024 * 1024
DEEPEST = 100  # what is deeper could be read, but not be written again
JSON = "application/json"


def check_size(event: dict[str, Any]) -> None:
    """Raise TooLarge for more than 4 MB."""
    body = event.get("body") or ""
    if len(body) > LIMIT or (not body.isascii() and len(body.encode()) > LIMIT):
        raise TooLarge("A request may have 4 MB")


def check_text(event: dict[str, Any]) -> None:
    """Refuse what is not JSON by its media type or no UTF-8; what came as base64 becomes the text it is."""
    media_type = event.get("headers", {}).get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON:
        raise UnsupportedMediaType(f"Send the header Content-Type: {JSON}, not {media_type[:100]}")
    if event.get("isBase64Encoded"):
        try:
            text = base64.b64decode(event.get("body") or "").decode()
        except ValueError:
            raise _malformed("it is not UTF-8") from None
        event |= {"body": text, "isBase64Encoded": False}


def parse(text: str) -> Any:
    """The body: one JSON object that every reader understands alike, or null."""
    found = value(text)
    if found is None or isinstance(found, dict):
        return found
    detail = "Input should be an object"
    raise Invalid(
        "The body is not an object", errors=[{"pointer": "", "detail": detail, "type": "dict_type"}]
    )


def value(text: str) -> Any:
    """One JSON value that every reader understands alike (RFC 7493); raises BadRequest `malformed_json`."""
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_float)
        json.dumps(found, ensure_ascii=False).encode()
        if is_deep(found):
            raise _malformed("nested too deeply")
    except RecursionError:
        raise _malformed("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _malformed(str(error)) from None
    except UnicodeEncodeError:
        raise _malformed("a text is not valid Unicode") from None
    except ValueError:
        raise _malformed("a number has too many digits") from None
    return found


def is_deep(found: Any) -> bool:
    """Whether objects and lists stand within each other more than 100 deep."""
    level = [found] if isinstance(found, dict | list) else []
    for _ in range(DEEPEST):
        if not level:
            break
        level = [
            part
            for item in level
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, dict | list)
        ]
    return bool(level)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _malformed(f"the key {twice[:100]!a} stands twice in one object")
    return found


def _no_number(name: str) -> Any:
    raise _malformed(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _no_number("A number beyond the range of floats")


def _malformed(detail: str) -> BadRequest:
    errors = [{"pointer": "", "detail": detail}]
    return BadRequest(f"The body is not JSON: {detail}", code="malformed_json", errors=errors)
