"""XML as JSON: `{"order": {"@id": "1", "line": ["a", {"@n": "2", "#text": "b"}]}}`.

An element is an object of its attributes (`@name`), its own text (`#text`) and its children by name, several of a name
as a list; an element with text only is that text, and an empty one is "". The order of children of different names, and
comments, are lost. Names keep their prefixes.
"""

import json
import re
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from weconnect.node_sdk.node_parameters import pointer_of
from weconnect.node_sdk.node_type import NodeError

_Path = tuple[str | int, ...]

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 100
MAX_ELEMENTS = 200_000

_NAME = re.compile(r"[^\W\d][\w.-]*(:[^\W\d][\w.-]*)?")
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(text: str) -> dict[str, Any]:
    """Return a document as JSON. Raises NodeError `invalid_xml` with the line, or `too_large`."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        # The parser gets UTF-8, whatever encoding the declaration names.
        parser.Parse(re.sub(r"\A\s*<\?xml[^>]*\?>", "", text).encode(errors="replace"), True)
    except expat.ExpatError as error:
        raise NodeError("invalid_xml", f"/text: {error}") from error
    return reader.document


def _refuse(*_: Any) -> None:
    """Raise NodeError for a document type, with which entities could be defined."""
    raise NodeError("invalid_xml", "/text: a document type (<!DOCTYPE …>) is not allowed. Remove it.")


class _Reader:
    """The handlers of the XML parser, which build the JSON document."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.open: list[tuple[dict[str, Any], list[str]]] = [(self.document, [])]
        self.count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element. Raises NodeError above the limits of depth and number."""
        self.count += 1
        if len(self.open) > MAX_DEPTH or self.count > MAX_ELEMENTS:
            text = f"/text: at most {MAX_ELEMENTS} elements, nested {MAX_DEPTH} deep, are allowed"
            raise NodeError("too_large", text)
        self.open.append(({f"@{key}": value for key, value in attributes.items()}, []))

    def text(self, text: str) -> None:
        """Add character data to the open element."""
        self.open[-1][1].append(text)

    def end(self, name: str) -> None:
        """Close an element, and add its value to the element around it."""
        content, parts = self.open.pop()
        text = "".join(parts).strip()
        value: Any = content | ({"#text": text} if text else {}) if content else text
        siblings = self.open[-1][0]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]


def write(value: dict[str, Any]) -> str:
    """Return JSON as a document. Raises NodeError for a value that no element can be."""
    if len(value) != 1 or isinstance(next(iter(value.values())), list):
        raise NodeError("invalid_parameters", "/value: must be an object with one field, the root element")
    writer = _Writer()
    for name, content in value.items():
        writer.write(name, content, ("value", name), 1)
    return "".join(writer.parts)


class _Writer:
    """The parts of a document that is being written; paths become pointers only in errors."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._remaining = MAX_CHARACTERS
        self._add('<?xml version="1.0" encoding="UTF-8"?>\n')

    def write(self, name: str, value: Any, path: _Path, depth: int) -> None:
        """Append an element and its children to the document. Raises NodeError with the pointer."""
        if depth > MAX_DEPTH:
            raise NodeError("too_large", f"{pointer_of(path)}: is nested more than {MAX_DEPTH} deep")
        _require_name(name, path)
        if isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, list):
                    message = f"{pointer_of((*path, index))}: a list in a list cannot be an element"
                    raise NodeError("invalid_parameters", message)
                self.write(name, each, (*path, index), depth)
            return
        inner = value if isinstance(value, dict) else {"#text": value}
        self._add(f"<{name}")
        for key, each in inner.items():
            if key.startswith("@"):
                _require_name(key[1:], (*path, key))
                self._add(f" {key[1:]}={quoteattr(_write_text(each, (*path, key)))}")
        self._add(">" + escape(_write_text(inner.get("#text"), path)))
        for key, each in inner.items():
            if key != "#text" and not key.startswith("@"):
                self.write(key, each, (*path, key), depth + 1)
        self._add(f"</{name}>")

    def _add(self, part: str) -> None:
        """Append a part. Raises NodeError when the document becomes too long."""
        self._remaining -= len(part)
        if self._remaining < 0:
            raise NodeError("too_large", f"The document would exceed {MAX_CHARACTERS} characters")
        self.parts.append(part)


def _require_name(name: str, path: _Path) -> None:
    """Raise NodeError for a text that is not an XML name."""
    if not _NAME.fullmatch(name):
        raise NodeError("invalid_parameters", f"{pointer_of(path)}: is not an XML name")


def _write_text(value: Any, path: _Path) -> str:
    """Return the text of a JSON value in XML. Raises NodeError for objects, lists and forbidden characters."""
    if isinstance(value, dict | list):
        raise NodeError("invalid_parameters", f"{pointer_of(path)}: must be a text, a number or a boolean")
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    if _FORBIDDEN.search(text):
        raise NodeError(
            "invalid_parameters", f"{pointer_of(path)}: contains a character that XML does not allow"
        )
    return text
