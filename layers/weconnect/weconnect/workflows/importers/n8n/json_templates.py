"""JSON text with expressions, which n8n parses after it has evaluated them, as a value with expressions."""

import json
import re
from typing import Any

from weconnect.workflows.importers.n8n.source_node import (
    NodeReader,
    NotConvertible,
    escape_braces,
    is_expression,
    split_parts,
    wrap_expression,
)

_MARK = "\ue000{}\ue001"
_MARKED = re.compile("\ue000([0-9]{1,9})\ue001")


def read_json_parameter(reader: NodeReader, *path: str) -> Any:
    """Return a parameter's JSON text as a value; raise NotConvertible when only its evaluation makes it JSON."""
    return to_json_template(reader, reader.read(*path), path)


def to_json_template(reader: NodeReader, text: Any, path: tuple[Any, ...]) -> Any:
    """Return JSON text at a path as a value with translated expressions; raise NotConvertible."""
    if not isinstance(text, str):
        return reader.convert(text, path)
    if not is_expression(text):
        return reader.convert(_parse_json(text), path)
    pieces = split_parts(text[1:])
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        return wrap_expression(_translate_json_value(reader, pieces[0][0], path))
    marked = ""
    sources: list[str] = []
    inside = False
    for piece in pieces:
        if isinstance(piece, str):
            inside = _ends_within_quotes(piece, inside)
            marked += piece
            continue
        mark = _MARK.format(len(sources))
        sources.append(
            reader.translate(piece[0], path).source
            if inside
            else _translate_json_value(reader, piece[0], path)
        )
        marked += mark if inside else json.dumps(mark, ensure_ascii=False)
    return _insert_expressions(_parse_json(marked), sources)


def _parse_json(text: str) -> Any:
    """Return the value of JSON text, `{}` of blank text; raise NotConvertible."""
    try:
        return json.loads(text, strict=False) if text.strip() else {}
    except (ValueError, RecursionError):
        raise NotConvertible("its JSON is assembled from pieces that are not JSON by themselves") from None


def _translate_json_value(reader: NodeReader, source: str, path: tuple[Any, ...]) -> str:
    """Return JSONata for an expression's value; of a conversion to JSON text, such as JSON.stringify, its operand."""
    term = reader.translate(source, path)
    wrapped = _unwrap_stringify(source.strip())
    if wrapped is None or term.source.startswith("$error("):
        return term.source
    reader.expressions.pop()
    return reader.translate(wrapped, path).source


def _unwrap_stringify(source: str) -> str | None:
    """Return `x` of `JSON.stringify(x)` and of `x.toJsonString()`; None when there is anything else around it."""
    if source.endswith(".toJsonString()"):
        return source.removesuffix(".toJsonString()")
    inner = source.removeprefix("JSON.stringify(").removesuffix(")")
    if len(inner) == len(source) - 16 and "," not in inner and _is_balanced(inner):
        return inner
    return None


def _is_balanced(text: str) -> bool:
    """Return whether a text closes as many brackets, of any kind, as it opens, and none before it opens one."""
    depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _ends_within_quotes(text: str, inside: bool) -> bool:
    """Return whether a text ends within quotes, when it begins within quotes (`inside`) or outside."""
    position = 0
    while position < len(text):
        if text[position] == "\\" and inside:
            position += 1
        elif text[position] == '"':
            inside = not inside
        position += 1
    return inside


def _insert_expressions(value: Any, sources: list[str]) -> Any:
    """Return a value in which expressions replace their marks; raise NotConvertible for a mark in a key."""
    if isinstance(value, dict):
        if any("\ue000" in key for key in value):
            raise NotConvertible("the name of a field in its JSON is an expression")
        return {key: _insert_expressions(inner, sources) for key, inner in value.items()}
    if isinstance(value, list):
        return [_insert_expressions(inner, sources) for inner in value]
    if not isinstance(value, str):
        return value
    return _MARKED.sub(
        lambda mark: wrap_expression(sources[int(mark[1])]) if int(mark[1]) < len(sources) else mark[0],
        escape_braces(value),
    )
