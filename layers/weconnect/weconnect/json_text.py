"""JSON as it is written into responses and rows, and the texts within a JSON value."""

import json
from collections.abc import Iterator
from typing import Any


def write_json(value: Any) -> str:
    """Return compact JSON in its own letters, with `?` for each half of a surrogate pair.

    JSON may contain one, in keys too, but UTF-8 cannot, and a client could not read it.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.encode(errors="replace").decode()


def list_texts(value: Any) -> Iterator[str]:
    """Yield the names, texts and numbers, as texts, of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from list_texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from list_texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield json.dumps(value, default=str)


def replace_texts(value: Any, texts: Iterator[str]) -> Any:
    """Return a JSON value with the texts that `list_texts` yields of it replaced by others, in the same order.

    A number stays one unless its text is another.
    """
    if isinstance(value, dict):
        return {next(texts): replace_texts(inner, texts) for inner in value.values()}
    if isinstance(value, list | tuple):
        return [replace_texts(inner, texts) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    text = next(texts)
    return text if isinstance(value, str) or text != json.dumps(value, default=str) else value
