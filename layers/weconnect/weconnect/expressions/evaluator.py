"""The process that evaluates JSONata for `rendering`, and nothing else, so that a bomb kills only this process.

Run as a program with the folder of `jsonatapy` as its argument. On standard input, one JSON request a line:
`{"parse": [source]}` or `{"sources": [source], "contexts": [{"data", "bindings"}], "shared": {…}, "now": ISO 8601}`.
On standard output, one JSON response a line: `{"errors": [text or null]}`, `{"results": [[value per source] per
context]}` or `{"error": {"source", "context", "message"}}`. It ends when its input does.
"""

import contextlib
import importlib
import json
import resource
import sys
from collections.abc import Callable
from typing import Any

MAX_MEMORY = 512 * 2**20
MAX_MILLISECONDS = 500
MAX_DEPTH = 300
MAX_SEQUENCE = 100_000
MAX_OUTPUT = 4 * 2**20
MAX_WIDTH = 10_000
MAX_COMPILED_CHARACTERS = 1_000_000
REFUSED_FUNCTIONS = ("eval", "random", "shuffle")


class Evaluator:
    """Evaluates requests; keeps compiled expressions, and the time that `$now()` and `$millis()` return."""

    def __init__(self, jsonata: Any) -> None:
        self._jsonata = jsonata
        self._compiled: dict[str, Any] = {}
        self._compiled_characters = 0
        self._now = "1970-01-01T00:00:00.000Z"

    def evaluate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a request, both as the module describes them."""
        if "parse" in request:
            return {"errors": [self._find_syntax_error(source) for source in request["parse"]]}
        self._now = request["now"]
        results = []
        for number, context in enumerate(request["contexts"]):
            bindings = request["shared"] | context["bindings"]
            row = []
            for position, source in enumerate(request["sources"]):
                try:
                    row.append(require_finite(self._compile(source).evaluate(context["data"], bindings)))
                except (ValueError, TypeError) as error:
                    return {"error": {"source": position, "context": number, "message": error_message(error)}}
            results.append(row)
        return {"results": results}

    def _find_syntax_error(self, source: str) -> str | None:
        """Return the message of an expression's syntax error, or None."""
        try:
            self._compile(source)
        except ValueError as error:
            return error_message(error)
        return None

    def _compile(self, source: str) -> Any:
        """Return a compiled expression, kept for later requests, with our limits and replacements of functions."""
        if source not in self._compiled:
            compiled = self._jsonata.compile(
                source,
                timeout=MAX_MILLISECONDS,
                max_stack_depth=MAX_DEPTH,
                max_sequence_length=MAX_SEQUENCE,
            )
            compiled.register_override("now", self._format_now)
            compiled.register_override("millis", self._compute_now_millis)
            compiled.register_override("pad", bounded_pad)
            for name in REFUSED_FUNCTIONS:
                compiled.register_override(name, refuse_call(name))
            self._compiled_characters += len(source)
            if self._compiled_characters > MAX_COMPILED_CHARACTERS:
                self._compiled.clear()
                self._compiled_characters = len(source)
            self._compiled[source] = compiled
        return self._compiled[source]

    def _format_now(self, picture: str | None = None, zone: str | None = None) -> Any:
        """Return what `$now(picture, zone)` returns at the time of the request."""
        if picture is None and zone is None:
            return self._now
        names = {"millis": self._compute_now_millis(), "picture": picture, "zone": zone}
        call = "$fromMillis($millis, $picture, $zone)" if zone else "$fromMillis($millis, $picture)"
        return self._jsonata.evaluate(call, None, names)

    def _compute_now_millis(self) -> Any:
        """Return what `$millis()` returns at the time of the request: milliseconds since 1970."""
        return self._jsonata.evaluate("$toMillis($now)", None, {"now": self._now})


def bounded_pad(text: str, width: int, character: str = " ") -> str:
    """Return what JSONata's `$pad` returns, which has no bound of its own. Raises ValueError beyond MAX_WIDTH."""
    if abs(width) > MAX_WIDTH:
        raise ValueError(f"$pad is bounded at {MAX_WIDTH} characters")
    missing = max(0, abs(int(width)) - len(text))
    filling = (character or " ") * missing
    return text + filling[:missing] if width > 0 else filling[:missing] + text


def refuse_call(name: str) -> Callable[..., Any]:
    """Return a function that replaces `$name` and raises ValueError."""

    def refuse(*_: Any) -> Any:
        """Raise ValueError."""
        raise ValueError(build_refusal_message(name))

    return refuse


def build_refusal_message(name: str) -> str:
    """Return the message for a call of the refused function `$name`."""
    return f"${name} is not allowed here: an expression must give the same result each time"


def require_finite(value: Any) -> Any:
    """Return the value; raise ValueError for a number that JSON does not have, such as 1/0."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise ValueError("The result is not a number that JSON can represent")
    return value


def error_message(error: Exception) -> str:
    """Return the message of an error without the prefixes that libraries add, cut to 500 characters."""
    text = str(error)
    for prefix in (
        "host function raised ",
        "Parse error: ",
        "Invalid syntax: ",
        "ValueError: ",
        "TypeError: ",
    ):
        text = text.removeprefix(prefix)
    return text[:500]


def main() -> None:
    """Respond to the requests on standard input until it ends, within MAX_MEMORY bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError):  # macOS has no such limit: there only the time is bounded
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    sys.path.append(sys.argv[1])
    evaluator = Evaluator(importlib.import_module("jsonatapy"))
    for line in sys.stdin.buffer:
        try:
            response = json.dumps(evaluator.evaluate(json.loads(line)), allow_nan=False)
            if len(response) > MAX_OUTPUT:
                raise ValueError(f"The result is larger than {MAX_OUTPUT >> 20} MB")
        except (ValueError, RecursionError) as error:
            message = str(error) if isinstance(error, ValueError) else "The result is nested too deeply"
            response = json.dumps({"error": {"source": 0, "context": 0, "message": message}})
        sys.stdout.buffer.write(response.encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
