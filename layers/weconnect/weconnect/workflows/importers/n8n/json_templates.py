"""JSON that n8n makes of text with expressions in it, as a value with expressions in it."""

import json
from typing import Any

from weconnect.workflows.importers.n8n.source_node import (
    Reading,
    Refused,
    embedded,
    is_expression,
    literal,
    parts,
)

_MARK = "\ue000{}\ue001"


def template_of(reading: Reading, *path: str) -> Any:
    """A parameter that is JSON text, as a value of ours; raises Refused where it would be JSON only when it runs."""
    return template(reading, reading.raw(*path), path)


def template(reading: Reading, found: Any, path: tuple[Any, ...]) -> Any:
    """JSON text that stands at a path, as `template_of`."""
    if not isinstance(found, str):
        return reading.value(found, path)
    if not is_expression(found):
        return reading.value(_parsed(found), path)
    pieces = parts(found[1:])
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        return embedded(_unwrapped(reading, pieces[0][0], path))
    text = ""
    sources: list[str] = []
    inside = False
    for piece in pieces:
        if isinstance(piece, str):
            inside = _ends_inside(piece, inside)
            text += piece
            continue
        mark = _MARK.format(len(sources))
        sources.append(
            reading.expression(piece[0], path).source if inside else _unwrapped(reading, piece[0], path)
        )
        text += mark if inside else json.dumps(mark, ensure_ascii=False)
    return _filled(_parsed(text), sources)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, strict=False) if text.strip() else {}
    except (ValueError, RecursionError):
        raise Refused("its JSON is put together from text that is no JSON by itself") from None


def _unwrapped(reading: Reading, source: str, path: tuple[Any, ...]) -> str:
    """An expression that stands for a JSON value; one that makes JSON text of a value is the value."""
    term = reading.expression(source, path)
    wrapped = _inner(source.strip())
    if wrapped is None or term.source.startswith("$error("):
        return term.source
    reading.expressions.pop()
    return reading.expression(wrapped, path).source


def _inner(source: str) -> str | None:
    """`x` of `JSON.stringify(x)` and of `x.toJsonString()`, where nothing else is around it."""
    if source.endswith(".toJsonString()"):
        return source.removesuffix(".toJsonString()")
    inner = source.removeprefix("JSON.stringify(").removesuffix(")")
    if len(inner) == len(source) - 16 and "," not in inner and _balanced(inner):
        return inner
    return None


def _balanced(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _ends_inside(text: str, inside: bool) -> bool:
    """Whether a text leaves off within quotes."""
    position = 0
    while position < len(text):
        if text[position] == "\\" and inside:
            position += 1
        elif text[position] == '"':
            inside = not inside
        position += 1
    return inside


def _filled(value: Any, sources: list[str]) -> Any:
    if isinstance(value, dict):
        if any("\ue000" in key for key in value):
            raise Refused("the name of a field in its JSON is an expression")
        return {key: _filled(inner, sources) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, sources) for inner in value]
    if not isinstance(value, str):
        return value
    found = literal(value)
    for number, source in enumerate(sources):
        found = found.replace(_MARK.format(number), embedded(source))
    return found
