"""Expressions: JSONata between `{{` and `}}` within the texts of a JSON value.

A text that is one expression is replaced by the expression's value, of any type; within a longer text the value is
written as text. Expressions are pure: `$now()` and `$millis()` return a given time, `$eval`, `$random` and `$shuffle`
are refused. They run in a process of their own (`evaluator`), bounded in time and memory, since JSONata can double a
value faster than any check within it.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from weconnect import clock
from weconnect.expressions import evaluator
from weconnect.expressions.bounded_process import BoundedProcess, BoundExceeded
from weconnect.expressions.variables import MAX_SOURCE, find_variable_names

MAX_SECONDS = 3
MAX_INPUT = 16 * 2**20
MAX_COPIED = 2**30
SHOWN_CHARACTERS = 120

# Parts of an expression in which braces do not close it: quoted texts, quoted names, comments.
SKIPPED = re.compile(
    r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` | /\*.*?\*/ """, re.DOTALL | re.VERBOSE
)


# Where a part that is skipped may begin, an opening brace, or closing ones; and pairs of both, which change nothing.
TOKEN = re.compile(r"""["'`]|/\*|(?:\{\}){1,200}(?!\})|\{|\}+""")


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
    """An expression, and the path of the text that contains it: keys of objects and indexes of lists."""

    source: str
    path: tuple[str | int, ...] = ()

    @property
    def pointer(self) -> str:
        """Return the path as a JSON pointer, which is only built where it is shown."""
        return _to_pointer(self.path)

    @property
    def shown_pointer(self) -> str:
        """Return the pointer as messages show it, each name in it cut: many expressions may be below a long name."""
        names = (part[:SHOWN_CHARACTERS] if isinstance(part, str) else part for part in self.path)
        return _to_pointer(tuple(names))


@dataclass(frozen=True)
class _Part:
    """A part of a text: plain, or the source of an expression."""

    text: str
    is_source: bool = False


def evaluate(expression: str, data: Any, moment: datetime | None = None) -> Any:
    """Return the value of one JSONata expression over JSON data. Raises ExpressionError."""
    return _evaluate([Expression(expression)], [EvaluationContext(data)], {}, moment or clock.now())[0][0]


def render(
    value: Any, contexts: list[EvaluationContext], shared: dict[str, Any], moment: datetime
) -> list[Any]:
    """Return `value` once per context, with every expression in it replaced by its value.

    `shared` are variables by name for all contexts. Raises ExpressionError with the pointer of the failed expression.
    """
    return list(render_each(value, contexts, shared, moment))


def render_each(
    value: Any, contexts: list[EvaluationContext], shared: dict[str, Any], moment: datetime
) -> Iterator[Any]:
    """Return what `render` returns as an iterator: the expressions are evaluated at once, the values made one by one.

    They share what has no expression in it.
    """
    expressions: list[Expression] = []
    build, cost = _compile(value, (), expressions)
    if not expressions:
        return itertools.repeat(value, len(contexts))
    if cost * len(contexts) > MAX_COPIED:
        message = f"The values of {len(contexts)} items are too long together. Process fewer items at once"
        raise ExpressionError(message, pointer=expressions[0].pointer)
    rows = _evaluate(expressions, contexts, shared, moment)
    return (build(iter(row)) for row in rows)


def find_expressions(value: Any) -> list[Expression]:
    """Return the expressions within a JSON value, in order. Raises ExpressionError for one without its `}}`."""
    expressions: list[Expression] = []
    _compile(value, (), expressions)
    return expressions


_Builder = Callable[[Iterator[Any]], Any]
"""Builds a value from the results of its expressions, in their order."""

_ELEMENT_COST = 64  # an element of an object or a list takes about as long to copy as so many characters


def _compile(value: Any, path: tuple[str | int, ...], expressions: list[Expression]) -> tuple[_Builder, int]:
    """Return a function that builds a value, and its cost in copied characters; append the value's expressions.

    A value without expressions is returned as it is. Its elements cost something nevertheless, since whatever takes
    the value reads them.
    """
    count = len(expressions)
    match value:
        case str():
            parts = _split(value, path)
            expressions += [Expression(part.text, path) for part in parts if part.is_source]
            if len(expressions) == count:
                return lambda results: value, 1
            if len(parts) == 1:
                return next, 1
            return lambda results: "".join(
                _to_text(next(results)) if part.is_source else part.text for part in parts
            ), len(value)
        case dict():
            fields = {key: _compile(inner, (*path, key), expressions) for key, inner in value.items()}
            cost = sum(_ELEMENT_COST + cost for _, cost in fields.values())
            if len(expressions) == count:
                return lambda results: value, cost
            return lambda results: {key: build(results) for key, (build, _) in fields.items()}, cost
        case list():
            elements = [_compile(inner, (*path, index), expressions) for index, inner in enumerate(value)]
            cost = sum(_ELEMENT_COST + cost for _, cost in elements)
            if len(expressions) == count:
                return lambda results: value, cost
            return lambda results: [build(results) for build, _ in elements], cost
    return lambda results: value, 1


def _to_pointer(path: tuple[str | int, ...]) -> str:
    """Return the JSON pointer of a path."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def syntax_errors(sources: list[str]) -> list[str | None]:
    """Return the syntax error of each expression, or None. Raises ExpressionError when that takes too long."""
    length_errors = [
        f"longer than {MAX_SOURCE} characters" if len(source) > MAX_SOURCE else None for source in sources
    ]
    errors = _request({"parse": [source[:MAX_SOURCE] for source in sources]})["errors"]
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
        response = _request(request)
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


def _split(text: str, path: tuple[str | int, ...]) -> list[_Part]:
    """Return the parts of a text, plain ones and expressions, in order."""
    parts: list[_Part] = []
    position = 0
    unclosed: set[str] = set()
    while (start := text.find("{{", position)) >= 0:
        end = _find_end(text, start + 2, unclosed)
        if end is None:
            shown = text[start + 2 : start + 2 + 2 * SHOWN_CHARACTERS].strip()
            raise ExpressionError("Missing }}", shown, _to_pointer(path))
        if start > position:
            parts.append(_Part(text[position:start]))
        parts.append(_Part(text[start + 2 : end].strip(), is_source=True))
        position = end + 2
    if position < len(text):
        parts.append(_Part(text[position:]))
    return parts


def _find_end(text: str, position: int, unclosed: set[str]) -> int | None:
    """Return the position of the `}}` that ends an expression, outside of quotes and objects; None without one.

    `unclosed` has the tokens that were found to begin what nothing in the rest of the text closes. What the rest
    of it begins is not closed either, so each of them is looked for once and not at every quote.
    """
    depth = 0
    while token := TOKEN.search(text, position):
        position = token.end()
        first = token[0]
        if first == "{":
            depth += 1
        elif first.startswith("}"):
            if 0 <= depth <= len(first) - 2:
                return token.start() + depth
            depth -= len(first)
        elif first[0] != "{" and first not in unclosed:
            if skipped := SKIPPED.match(text, token.start()):
                position = skipped.end()
            else:
                unclosed.add(first)
    return None


def _to_text(value: Any) -> str:
    """Return a value as part of a longer text: None as nothing, a text as it is, all else as compact JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _dump_request(request: dict[str, Any]) -> str:
    """Return a request as JSON. Raises ExpressionError beyond MAX_INPUT, before much more of it is made.

    Items may share long values, so that their JSON is many times longer than what they hold in memory: it is made item
    by item.
    """
    pieces: list[str] = []
    remaining = MAX_INPUT

    def add(piece: str) -> None:
        """Append a piece of the JSON."""
        nonlocal remaining
        remaining -= len(piece)
        if remaining < 0:
            raise ExpressionError(f"The data is larger than {MAX_INPUT >> 20} MB")
        pieces.append(piece)

    def add_value(value: Any, levels: int) -> None:
        """Append a value; one of the first levels of objects and lists element by element."""
        if not levels or not value or not isinstance(value, dict | list):
            add(json.dumps(value))
        elif isinstance(value, dict):
            for index, (key, inner) in enumerate(value.items()):
                add(f"{',' if index else '{'}{json.dumps(key)}:")
                add_value(inner, levels - 1)
            add("}")
        else:
            for index, inner in enumerate(value):
                add("," if index else "[")
                add_value(inner, levels - 1)
            add("]")

    levels_by_key = {"contexts": 1, "shared": 2}
    if any(isinstance(context["data"], list) for context in request.get("contexts", [])):
        levels_by_key["contexts"] = 3  # its elements may be all items of a node
    if "nodes" in request.get("shared", {}):
        levels_by_key["shared"] = 4  # the variable, a node, its list of items, an item
    for key, value in request.items():
        add(f"{',' if pieces else '{'}{json.dumps(key)}:")
        add_value(value, levels_by_key.get(key, 0))
    add("}")
    return "".join(pieces)


def _request(request: dict[str, Any]) -> dict[str, Any]:
    """Return the evaluator's response. Raises ExpressionError when the bounds of data, time or memory are exceeded."""
    try:
        return _process.request(_dump_request(request))
    except BoundExceeded as error:
        raise ExpressionError(str(error)) from None


_process = BoundedProcess(evaluator.__file__, "jsonatapy", evaluator.MAX_MEMORY, MAX_SECONDS)
