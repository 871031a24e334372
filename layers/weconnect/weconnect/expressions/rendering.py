"""Expressions: JSONata between `{{` and `}}` within the texts of a JSON value.

A text that is one expression is replaced by the expression's value, of any type; within a longer text the value is
written as text. Expressions are pure: `$now()` and `$millis()` return a given time, `$eval`, `$random` and `$shuffle`
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
from weconnect.expressions.variables import find_variable_names
from weconnect.settings import settings

MAX_SECONDS = 3
MAX_SOURCE = 10_000
MAX_INPUT = 16 * 2**20
SHOWN_CHARACTERS = 120

# Parts of an expression in which braces do not close it: quoted texts, quoted names, comments.
SKIPPED = re.compile(
    r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` | /\*.*?\*/ """, re.DOTALL | re.VERBOSE
)


class ExpressionError(Exception):
    """An expression cannot be parsed or evaluated. `pointer` is the JSON pointer of the text that contains it."""

    def __init__(self, message: str, expression: str = "", pointer: str = "") -> None:
        shown = expression if len(expression) <= SHOWN_CHARACTERS else expression[:SHOWN_CHARACTERS] + "…"
        super().__init__(f"{message} in {{{{ {shown} }}}}" if expression else message)
        self.pointer = pointer


@dataclass(frozen=True)
class EvaluationContext:
    """The input of an expression: `data` is its root and `$json`; `bindings` are its variables by name."""

    data: Any
    bindings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expression:
    """An expression and the JSON pointer of the text that contains it."""

    source: str
    pointer: str


def evaluate(expression: str, data: Any, moment: datetime | None = None) -> Any:
    """Return the value of one JSONata expression over JSON data. Raises ExpressionError."""
    return _evaluate([Expression(expression, "")], [EvaluationContext(data)], {}, moment or clock.now())[0][0]


def render(
    value: Any, contexts: list[EvaluationContext], shared: dict[str, Any], moment: datetime
) -> list[Any]:
    """Return `value` once per context, with every expression in it replaced by its value.

    `shared` are variables by name for all contexts. Raises ExpressionError with the pointer of the failed expression.
    """
    expressions = find_expressions(value)
    if not expressions:
        return [value for _ in contexts]
    rows = _evaluate(expressions, contexts, shared, moment)
    return [_replace(value, iter(row)) for row in rows]


def find_expressions(value: Any, pointer: str = "") -> list[Expression]:
    """Return the expressions within a JSON value, in order. Raises ExpressionError for one without its `}}`."""
    match value:
        case str():
            parts = _split(value, pointer)
            return [Expression(part.source, pointer) for part in parts if isinstance(part, _Source)]
        case dict():
            return [
                expression
                for key, inner in value.items()
                for expression in find_expressions(
                    inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
                )
            ]
        case list():
            return [
                expression
                for index, inner in enumerate(value)
                for expression in find_expressions(inner, f"{pointer}/{index}")
            ]
    return []


def syntax_errors(sources: list[str]) -> list[str | None]:
    """Return the syntax error of each expression, or None."""
    length_errors = [
        f"longer than {MAX_SOURCE} characters" if len(source) > MAX_SOURCE else None for source in sources
    ]
    errors = _process.request({"parse": [source[:MAX_SOURCE] for source in sources]})["errors"]
    return [first or second for first, second in zip(length_errors, errors, strict=True)]


def _evaluate(
    expressions: list[Expression], contexts: list[EvaluationContext], shared: dict[str, Any], moment: datetime
) -> list[list[Any]]:
    """Return the values of the expressions per context: `[[value per expression] per context]`.

    `moment` is the time of `$now()`. Raises ExpressionError with the pointer of the expression that failed.
    """
    used: set[str] = set()
    for expression in expressions:
        if len(expression.source) > MAX_SOURCE:
            message = f"Longer than {MAX_SOURCE} characters"
            raise ExpressionError(message, expression.source, expression.pointer)
        used |= find_variable_names(expression.source)
    request = {
        "sources": [expression.source for expression in expressions],
        "contexts": [
            {
                "data": context.data,
                "bindings": _select({"json": context.data} | context.bindings, used),
            }
            for context in contexts
        ],
        "shared": _select(shared, used),
        "now": moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    first = expressions[0]
    try:
        response = _process.request(request)
    except ExpressionError as error:
        raise ExpressionError(str(error), first.source, first.pointer) from None
    if error_details := response.get("error"):
        failed = expressions[error_details["source"]]
        raise ExpressionError(error_details["message"], failed.source, failed.pointer)
    results: list[list[Any]] = response["results"]
    return results


def _select(bindings: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return the variables that are used; only those are sent, since the outputs of all nodes may be large."""
    return {name: value for name, value in bindings.items() if name in names}


@dataclass(frozen=True)
class _Source:
    """The source of an expression within a text."""

    source: str


def _split(text: str, pointer: str = "") -> list[str | _Source]:
    """Return the parts of a text, plain ones and expressions, in order."""
    parts: list[str | _Source] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        end = _find_end(text, start + 2)
        if end is None:
            raise ExpressionError("Missing }}", text[start + 2 :].strip(), pointer)
        if start > position:
            parts.append(text[position:start])
        parts.append(_Source(text[start + 2 : end].strip()))
        position = end + 2
    if position < len(text):
        parts.append(text[position:])
    return parts


def _find_end(text: str, position: int) -> int | None:
    """Return the position of the `}}` that ends an expression, outside of quotes and objects; None without one."""
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


def _replace(value: Any, results: Iterator[Any]) -> Any:
    """Return a copy of a JSON value in which each expression is replaced by the next of `results`."""
    match value:
        case str():
            parts = _split(value)
            if len(parts) == 1 and isinstance(parts[0], _Source):
                return next(results)
            return "".join(part if isinstance(part, str) else _to_text(next(results)) for part in parts)
        case dict():
            return {key: _replace(inner, results) for key, inner in value.items()}
        case list():
            return [_replace(inner, results) for inner in value]
    return value


def _to_text(value: Any) -> str:
    """Return a value as part of a longer text: None as nothing, a text as it is, all else as compact JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Process:
    """The evaluating process, started at first use and again after it was stopped; one request at a time."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a request. Raises ExpressionError when its bounds are exceeded."""
        line = json.dumps(request).encode() + b"\n"
        if len(line) > MAX_INPUT:
            raise ExpressionError(f"The data is larger than {MAX_INPUT >> 20} MB")
        with self._lock:
            process = self._start()
            assert process.stdin and process.stdout
            try:
                process.stdin.write(line)
                process.stdin.flush()
                line = self._read_line(process.stdout.fileno())
            except BrokenPipeError:
                line = b""
            if not line:
                self.stop()
                raise ExpressionError(f"Needs more memory than {evaluator.MAX_MEMORY >> 20} MB")
        response: dict[str, Any] = json.loads(line)
        return response

    def _start(self) -> "subprocess.Popen[bytes]":
        """Return the running process; start one when there is none, it has ended, or this process was forked."""
        # A fork of this process must not talk over its parent's pipes.
        if self._running is None or self._owner != os.getpid() or self._running.poll() is not None:
            self.stop()
            spec = find_spec("jsonatapy")
            assert spec and spec.origin
            library = str(Path(spec.origin).parent.parent)
            self._running = subprocess.Popen(
                [sys.executable, "-I", "-S", evaluator.__file__, library],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LD_LIBRARY_PATH": settings.library_path},
            )
            self._owner = os.getpid()
        return self._running

    def _read_line(self, pipe: int) -> bytes:
        """Return one line, empty when the process ended. Raises ExpressionError when it took too long."""
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
        """Kill the process and close its pipes; does nothing in a fork of the process that started it."""
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
