"""The process that reads HTML for the node type `html`, and nothing else.

The parser's time and memory grow with the square of how deeply elements are nested or formatted, those of a selector
with its combinators: a page of 400 KB can take minutes and gigabytes.

Run as a program with the folder of `selectolax` as its argument. On standard input, one JSON request a line:
`{"text": HTML, "extract": [{"selector", "attribute", "html", "all"}], "maxBytes": of the values}`. On standard output,
one JSON response a line: `{"values": [value per extraction]}` or `{"error": {"extraction", "code", "message"}}`.
"""

import contextlib
import importlib
import json
import resource
import sys
from typing import Any

MAX_MEMORY = 512 * 2**20
MAX_MATCHES = 10_000


class TooLarge(Exception):
    """An extraction has too many matches, or too long values."""


def read(lexbor: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a request, both as the module describes them; `lexbor` is the parser's module."""
    document = lexbor.LexborHTMLParser(request["text"])
    remaining = request["maxBytes"]
    values: list[Any] = []
    for number, extraction in enumerate(request["extract"]):
        try:
            value, remaining = _extract(document, extraction, remaining)
        except (lexbor.SelectolaxError, ValueError):
            message = "is not a valid CSS selector"
            return {"error": {"extraction": number, "code": "invalid_parameters", "message": message}}
        except TooLarge as error:
            return {"error": {"extraction": number, "code": "too_large", "message": str(error)}}
        values.append(value)
    return {"values": values}


def _extract(document: Any, extraction: dict[str, Any], remaining: int) -> tuple[Any, int]:
    """Return the value of an extraction, and the characters that remain for others. Raises TooLarge."""
    elements = document.css(extraction["selector"])
    if len(elements) > MAX_MATCHES:
        raise TooLarge(f"the selector has more than {MAX_MATCHES} matches")
    values = []
    for element in elements if extraction["all"] else elements[:1]:
        value = _read_value(element, extraction)
        remaining -= len(value or "")
        if remaining < 0:
            raise TooLarge("the values are too long. Select fewer or smaller elements")
        values.append(value)
    return values if extraction["all"] else (values[0] if values else None), remaining


def _read_value(element: Any, extraction: dict[str, Any]) -> str | None:
    """Return an element's attribute, HTML or text."""
    name = extraction["attribute"]
    if name is not None:
        value: str | None = element.attributes.get(name)
        return "" if value is None and name in element.attributes else value
    return str(element.html) if extraction["html"] else " ".join(element.text().split())


def main() -> None:
    """Respond to the requests on standard input until it ends, within MAX_MEMORY bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError):  # macOS has no such limit: there only the time is bounded
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    sys.path.append(sys.argv[1])
    lexbor = importlib.import_module("selectolax.lexbor")
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(read(lexbor, json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
