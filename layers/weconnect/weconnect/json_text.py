"""JSON as it is written into responses and rows, and the texts within a JSON value."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any


def write_json(value: Any) -> str:
    """Return compact JSON in its own letters, with `?` for each half of a surrogate pair.

    JSON may contain one, in keys too, but UTF-8 cannot, and a client could not read it.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.encode(errors="replace").decode()


def list_texts(value: Any) -> Iterator[str]:
    """Yield the names and texts of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from list_texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from list_texts(inner)


def write_number(number: Any) -> str:
    """Return a number, or another value that JSON has no type for, as a text."""
    return json.dumps(number, default=str)


def list_numbers(value: Any) -> Iterator[Any]:
    """Yield the numbers of a JSON value, and what is neither a text nor a list nor an object."""
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from list_numbers(inner)
    elif value is not None and not isinstance(value, str | bool):
        yield value


def replace_texts(value: Any, texts: Iterator[str], numbers: Mapping[Any, Any]) -> Any:
    """Return a JSON value with the texts that `list_texts` yields of it replaced by others, in the same order.

    `numbers` are the replacements of numbers. Names that were different stay different.
    """
    if isinstance(value, dict):
        names: dict[str, Any] = {}
        counts: Counter[str] = Counter()
        for name, inner in value.items():
            shown = hidden = next(texts)
            while shown != name and (shown in names or shown in value):
                counts[hidden] += 1
                shown = f"{hidden} ({counts[hidden] + 1})"
            names[shown] = replace_texts(inner, texts, numbers)
        return names
    if isinstance(value, list | tuple):
        return [replace_texts(inner, texts, numbers) for inner in value]
    if isinstance(value, str):
        return next(texts)
    return value if value is None or isinstance(value, bool) else numbers.get(value, value)
