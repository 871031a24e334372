"""Expressions: JSONata between `{{` and `}}` within the texts of a JSON value.

A text that is one expression becomes the expression's value, of whatever type; within a longer text the value is
written as text. Expressions are pure: `$now()` and `$millis()` tell a given moment, `$eval`, `$random` and `$shuffle`
are refused. They run in a process of their own (`evaluator`), bounded in time and memory, since JSONata can double a
value faster than any check within it.
"""

import atexit
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weconnect import clock
from weconnect.expressions import evaluator
from weconnect.settings import settings

MAX_SECONDS = 3
MAX_SOURCE = 10_000
MAX_INPUT = 16 * 2**20
SHOWN = 120

# What may stand between the braces without closing them: quoted texts, quoted names, comments.
SKIPPED = re.compile(
    r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` | /\*.*?\*/ """, re.DOTALL | re.VERBOSE
)
VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")


class ExpressionError(Exception):
    """An expression cannot be read or evaluated. `pointer` is the JSON pointer of the text that holds it."""

    def __init__(self, message: str, expression: str = "", pointer: str = "") -> None:
        shown = expression if len(expression) <= SHOWN else expression[:SHOWN] + "…"
        super().__init__(f"{message} in {{{{ {shown} }}}}" if expression else message)
        self.pointer = pointer


@dataclass(frozen=True)
class Context:
    """What an expression sees: `data` is its root and `$json`; the names of `bindings` are variables."""

    data: Any
    bindings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One expression, the JSON pointer of its text and whether it is all of it."""

    source: str
    pointer: str


def evaluate(expression: str, data: Any, moment: datetime | None = None) -> Any:
    """The value of one JSONata expression over JSON data; raises ExpressionError."""
    return _evaluate([Found(expression, "")], [Context(data)], {}, moment or clock.now())[0][0]


def resolve(value: Any, contexts: list[Context], shared: dict[str, Any], moment: datetime) -> list[Any]:
    """`value` once per context with every expression in it replaced; raises ExpressionError with the place."""
    found = find(value)
    if not found:
        return [value for _ in contexts]
    rows = _evaluate(found, contexts, shared, moment)
    return [_replaced(value, iter(row)) for row in rows]


def find(value: Any, pointer: str = "") -> list[Found]:
    """The expressions within a JSON value, in order; raises ExpressionError for one that never ends."""
    match value:
        case str():
            return [Found(part[1], pointer) for part in _parts(value, pointer) if isinstance(part, tuple)]
        case dict():
            return [
                found
                for key, inner in value.items()
                for found in find(inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
            ]
        case list():
            return [found for index, inner in enumerate(value) for found in find(inner, f"{pointer}/{index}")]
    return []


def syntax_errors(sources: list[str]) -> list[str | None]:
    """Why each expression cannot be parsed, or None."""
    long = [
        f"longer than {MAX_SOURCE} characters" if len(source) > MAX_SOURCE else None for source in sources
    ]
    answered = _process.ask({"parse": [source[:MAX_SOURCE] for source in sources]})["errors"]
    return [first or second for first, second in zip(long, answered, strict=True)]


def variables(source: str) -> set[str]:
    """The names of the variables that an expression mentions, without the dollar sign."""
    return set(VARIABLE.findall(source))


def _evaluate(
    found: list[Found], contexts: list[Context], shared: dict[str, Any], moment: datetime
) -> list[list[Any]]:
    mentioned: set[str] = set()
    for each in found:
        if len(each.source) > MAX_SOURCE:
            raise ExpressionError(f"Longer than {MAX_SOURCE} characters", each.source, each.pointer)
        mentioned |= variables(each.source)
    request = {
        "sources": [each.source for each in found],
        "contexts": [
            {
                "data": context.data,
                "bindings": _mentioned({"json": context.data} | context.bindings, mentioned),
            }
            for context in contexts
        ],
        "shared": _mentioned(shared, mentioned),
        "now": moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    first = found[0]
    try:
        answer = _process.ask(request)
    except ExpressionError as error:
        raise ExpressionError(str(error), first.source, first.pointer) from None
    if problem := answer.get("error"):
        wrong = found[problem["source"]]
        raise ExpressionError(problem["message"], wrong.source, wrong.pointer)
    results: list[list[Any]] = answer["results"]
    return results


def _mentioned(bindings: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Only what is used is sent: the outputs of all nodes may be large."""
    return {name: value for name, value in bindings.items() if name in names}


def _parts(text: str, pointer: str = "") -> list[str | tuple[str, str]]:
    """A text in parts: plain ones, and `("", source)` for an expression."""
    parts: list[str | tuple[str, str]] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        end = _end(text, start + 2)
        if end is None:
            raise ExpressionError("No }} ends the expression", text[start + 2 :].strip(), pointer)
        if start > position:
            parts.append(text[position:start])
        parts.append(("", text[start + 2 : end].strip()))
        position = end + 2
    if position < len(text):
        parts.append(text[position:])
    return parts


def _end(text: str, position: int) -> int | None:
    """Where the `}}` of an expression stands: outside of quotes and of the braces of objects."""
    depth = 0
    while position < len(text):
        if skipped := SKIPPED.match(text, position):
            position = skipped.end()
            continue
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            if depth == 0 and text.startswith("}}", position):
                return position
            depth -= 1
        position += 1
    return None


def _replaced(value: Any, results: Iterator[Any]) -> Any:
    match value:
        case str():
            parts = _parts(value)
            if len(parts) == 1 and isinstance(parts[0], tuple):
                return next(results)
            return "".join(part if isinstance(part, str) else _text(next(results)) for part in parts)
        case dict():
            return {key: _replaced(inner, results) for key, inner in value.items()}
        case list():
            return [_replaced(inner, results) for inner in value]
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Process:
    """The evaluating process, started at first use and again after it was stopped; one question at a time."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps(request).encode() + b"\n"
        if len(line) > MAX_INPUT:
            raise ExpressionError(f"The data is larger than {MAX_INPUT >> 20} MB")
        with self._lock:
            process = self._started()
            assert process.stdin and process.stdout
            try:
                process.stdin.write(line)
                process.stdin.flush()
                answer = self._read(process.stdout.fileno())
            except BrokenPipeError:
                answer = b""
            if not answer:
                self.stop()
                raise ExpressionError(f"Needs more memory than {evaluator.MAX_MEMORY >> 20} MB")
        result: dict[str, Any] = json.loads(answer)
        return result

    def _started(self) -> "subprocess.Popen[bytes]":
        # A fork of this process must not talk over its parent's pipes.
        if self._running is None or self._owner != os.getpid() or self._running.poll() is not None:
            self.stop()
            found = find_spec("jsonatapy")
            assert found and found.origin
            library = str(Path(found.origin).parent.parent)
            self._running = subprocess.Popen(
                [sys.executable, "-I", "-S", evaluator.__file__, library],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LD_LIBRARY_PATH": settings.library_path},
            )
            self._owner = os.getpid()
        return self._running

    def _read(self, pipe: int) -> bytes:
        """One line, or nothing when the process ended; raises ExpressionError when it took too long."""
        deadline = time.monotonic() + MAX_SECONDS
        chunks: list[bytes] = []
        while not (chunks and chunks[-1].endswith(b"\n")):
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.stop()
                raise ExpressionError(f"Took longer than {MAX_SECONDS} s")
            chunk = os.read(pipe, 1 << 20)
            if not chunk:
                return b""
            chunks.append(chunk)
        return b"".join(chunks)

    def stop(self) -> None:
        process, self._running = self._running, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


_process = _Process()
atexit.register(_process.stop)
