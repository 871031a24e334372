"""The bound of what a node outputs, kept while its items are built, so that no result outgrows the memory first."""

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii
from math import isfinite
from typing import Any

from weconnect.api.request_body import MAX_DEPTH
from weconnect.node_sdk.node_type import Item, Items, NodeError

MAX_OUTPUT_BYTES = 4 * 2**20
_MIN_REMEMBERED_BYTES = 1_000


class Outputs(dict[str, Items]):
    """The outputs of a node run, with the size of their JSON in `bytes`."""

    bytes: int = 0


class OutputBudget:
    """Adds up the JSON of the values that a node outputs; a value that they share is read once and counted each time.

    `bytes` is their size so far, in ASCII. Without its memory of shared values, items of a few bytes that refer to the
    same megabyte a thousand times would be read a thousand times before the limit is noticed.
    """

    def __init__(self, node_name: str, limit: int = MAX_OUTPUT_BYTES) -> None:
        self.bytes = 0
        self._node_name = node_name
        self._limit = limit
        self._shared: dict[int, tuple[Any, int, int]] = {}
        """Sizes and heights by `id`, with the values: one that is gone would leave its id to another."""

    def take(self, value: Any) -> Any:
        """Count a value and return it, with `?` for each half of a surrogate pair: JSON has one, UTF-8 has not.

        Raises NodeError `too_large`, `too_deep` or `not_json`.
        """
        before = self.bytes
        try:
            self._add(value, 2)  # it is within the list of an output
        except UnicodeEncodeError:
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
            self.bytes = before
            self._add(value, 2)
        return value

    def require(self, size: int) -> None:
        """Raise NodeError unless so many bytes more are within the limit; call it before they are made."""
        if self.bytes + size > self._limit:
            raise NodeError(
                "too_large",
                f"The output of the node {self._node_name!r} exceeds {self._limit >> 20} MB. "
                "Process fewer items at once, or keep fewer fields.",
            )

    def _add(self, value: Any, depth: int) -> int:
        """Count a JSON value that is nested so deeply; return how many levels of objects and lists it has."""
        height = 0
        if isinstance(value, str):
            self._add_text(value)
        elif value is None or value is True:
            self.bytes += 4
        elif value is False:
            self.bytes += 5
        elif isinstance(value, int):
            self.bytes += value.bit_length() // 3 + 2 if value.bit_length() > 64 else len(repr(value))
        elif isinstance(value, float):
            if not isfinite(value):
                raise NodeError("not_json", f"The node's output is not JSON: it contains {value!r}")
            self.bytes += len(repr(value))
        elif isinstance(value, dict | list | tuple):
            height = self._add_container(value, depth)
        else:
            kind = type(value).__name__
            raise NodeError("not_json", f"The node's output is not JSON: it contains a value of type {kind}")
        if self.bytes > self._limit:
            self.require(0)
        return height

    def _add_text(self, text: str) -> None:
        """Count a text, of which a long one is read once."""
        if len(text) < _MIN_REMEMBERED_BYTES:
            self.bytes += len(encode_basestring_ascii(text))
            if not text.isascii():
                text.encode()
            return
        remembered = self._shared.get(id(text))
        if remembered is None:
            self.require(len(text))
            text.encode()
            remembered = self._shared[id(text)] = (text, len(encode_basestring_ascii(text)), 0)
        self.bytes += remembered[1]

    def _add_container(self, value: Any, depth: int) -> int:
        """Count an object or a list and return its height; of one that was counted before, both are known."""
        remembered = self._shared.get(id(value))
        if depth + (remembered[2] - 1 if remembered else 0) > MAX_DEPTH:
            raise NodeError("too_deep", f"The node's output is nested more than {MAX_DEPTH} levels deep")
        if remembered:
            self.bytes += remembered[1]
            return remembered[2]
        before, height = self.bytes, 0
        self.bytes += 2 + 2 * max(0, len(value) - 1)
        if isinstance(value, dict):
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise NodeError(
                        "not_json", f"The node's output is not JSON: its key {key!r} is not a text"
                    )
                self._add_text(key)
                self.bytes += 2
                height = max(height, self._add(inner, depth + 1))
        else:
            for inner in value:
                height = max(height, self._add(inner, depth + 1))
        if self.bytes - before >= _MIN_REMEMBERED_BYTES:
            self._shared[id(value)] = (value, self.bytes - before, height + 1)
        return height + 1


def collect(node_name: str, outputs: Mapping[str, Iterable[Item]]) -> Outputs:
    """Return the outputs of a node, whose items are counted one by one as they are made.

    Raises NodeError, as making an item does, and when they exceed 4 MB, are nested too deeply, or are no JSON.
    """
    if isinstance(outputs, Outputs):
        return outputs
    budget, collected = OutputBudget(node_name), Outputs()
    for name, items in outputs.items():
        budget.take(name)
        collected[name] = [budget.take(item) for item in items]
    collected.bytes = budget.bytes
    return collected
