"""n8n's conditions as one JSONata expression that is true or false."""

import json
import re
from collections.abc import Callable
from typing import Any

from weconnect.workflows.importers.n8n.jsonata_terms import HELPERS, NEEDS, Term
from weconnect.workflows.importers.n8n.regular_expressions import pattern
from weconnect.workflows.importers.n8n.source_node import Reading, Refused, embedded
from weconnect.workflows.importers.n8n.syntax_tree import Regex, Unsupported

_COMPARED = {
    "gt": ">",
    "larger": ">",
    "lt": "<",
    "smaller": "<",
    "gte": ">=",
    "largerEqual": ">=",
    "lte": "<=",
    "smallerEqual": "<=",
    "after": ">",
    "before": "<",
    "afterOrEquals": ">=",
    "beforeOrEquals": "<=",
}
_NEGATIVE = {
    "notEquals": "equals",
    "notEqual": "equals",
    "notContains": "contains",
    "notStartsWith": "startsWith",
    "notEndsWith": "endsWith",
    "notExists": "exists",
    "notEmpty": "empty",
    "isNotEmpty": "empty",
    "notRegex": "regex",
    "false": "true",
}
_NAMES = {"equal": "equals", "isEmpty": "empty", "isTrue": "true"}


def of_filter(reading: Reading) -> str:
    """The conditions of version 2; raises Refused."""
    given = reading.raw("conditions", default={})
    if not isinstance(given, dict):
        raise Refused("it has no conditions")
    ignore = reading.raw("options", "ignoreCase") is True
    return of_rows(reading, given, ("conditions",), ignore_case=ignore)


def of_rows(
    reading: Reading, given: dict[str, Any], path: tuple[Any, ...], *, ignore_case: bool = False
) -> str:
    """Conditions of version 2 that stand at a path; raises Refused."""
    options = given.get("options")
    if isinstance(options, dict) and options.get("caseSensitive") is False:
        ignore_case = True
    rows = given.get("conditions")
    found = []
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        if not isinstance(row, dict):
            raise Refused("a condition that is none")
        place = (*path, "conditions", number)
        operator = row.get("operator")
        operator = operator if isinstance(operator, dict) else {}
        kind, operation = str(operator.get("type", "string")), str(operator.get("operation", "equals"))
        left = reading.term(row.get("leftValue"), (*place, "leftValue"))
        right = reading.term(row.get("rightValue"), (*place, "rightValue"))
        found.append(_check(kind, operation, left, right, sensitive=not ignore_case))
    return _joined(found, either=given.get("combinator") == "or")


def of_kinds(reading: Reading) -> str:
    """The conditions of version 1: lists of checks by their kind; raises Refused."""
    found = []
    for kind in ("boolean", "dateTime", "number", "string"):
        for place, row in reading.rows("conditions", kind):
            default = {"number": "smaller", "dateTime": "after"}.get(kind, "equal")
            left = reading.term(row.get("value1"), (*place, "value1"))
            right = reading.term(row.get("value2"), (*place, "value2"))
            found.append(_check(kind, str(row.get("operation", default)), left, right))
    either = reading.fixed("combineOperation", default="all") == "any"
    return _joined(found, either=either or reading.fixed("combineConditions", default="AND") == "OR")


def of_rule(reading: Reading, kind: str, place: tuple[Any, ...], row: dict[str, Any], left: Term) -> str:
    """A rule of a switch of version 1 or 2; raises Refused."""
    default = {"number": "smaller", "dateTime": "after"}.get(kind, "equal")
    right = reading.term(row.get("value2"), (*place, "value2"))
    return condition(_check(kind, str(row.get("operation", default)), left, right))


def condition(source: str) -> str:
    """A condition as our parameters take it."""
    return embedded(source)


def _joined(found: list[str], *, either: bool) -> str:
    if not found:
        raise Refused("it has no conditions")
    return condition(found[0] if len(found) == 1 else f"({(' or ' if either else ' and ').join(found)})")


def _check(kind: str, operation: str, left: Term, right: Term, *, sensitive: bool = True) -> str:
    operation = _NAMES.get(operation, operation)
    negative = operation in _NEGATIVE
    operation = _NEGATIVE.get(operation, operation)
    if operation == "exists":
        source = f"({_call('absent', left)} = false)"
    elif operation == "empty":
        source = _call("empty", left)
    elif operation == "regex":
        source = f"$contains({_as_text(left)}, {_pattern(right)})"
    else:
        source = _KINDS.get(kind, _refused)(operation, left, right, sensitive)
    return f"$not({source})" if negative else source


def _pattern(right: Term) -> str:
    """A regular expression that is written out, with slashes and flags or without."""
    try:
        said = json.loads(right.source) if right.kind == "text" and right.source.startswith('"') else None
    except ValueError:
        said = None
    if not isinstance(said, str) or not said:
        raise Refused("the regular expression of a condition is an expression, or missing")
    written = re.fullmatch(r"/(.+)/([a-z]*)", said, re.DOTALL)
    try:
        found = pattern(Regex(*written.groups()) if written else Regex(said, ""))
    except (Unsupported, IndexError) as refusal:
        raise Refused(f"{refusal} is not taken") from None
    return found


def _text(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    one, other = _as_text(left), _as_text(right)
    if not sensitive:
        one, other = f"$lowercase({one})", f"$lowercase({other})"
    match operation:
        case "equals":
            return f"({one} = {other})"
        case "contains":
            return f"$contains({one}, {other})"
        case "startsWith":
            return f"($substring({one}, 0, $length({other})) = {other})"
        case "endsWith":
            return f'({other} = "" or $substring({one}, -$length({other})) = {other})'
    return _refused(operation, left, right, sensitive)


def _number(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    one, other = _as_number(left), _as_number(right)
    if operation == "equals":
        return f"({one} = {other})"
    return _compared(operation, one, other)


def _moment(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    one, other = _as_moment(left), _as_moment(right)
    if operation == "equals":
        return f"({one} = {other})"
    return _compared(operation, one, other)


def _truth(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    if operation == "true":
        return f"({_as_truth(left)} = true)"
    if operation == "equals":
        return f"({_as_truth(left)} = {_as_truth(right)})"
    return _refused(operation, left, right, sensitive)


def _list(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    if operation == "contains" and sensitive:
        return f"({right.source} in {left.source})"
    ways = {"lengthEquals": "=", "lengthGt": ">", "lengthLt": "<", "lengthGte": ">=", "lengthLte": "<="}
    if operation in ways:
        return f"($count({left.source}) {ways[operation]} {_as_number(right)} ? true : false)"
    if operation == "lengthNotEquals":
        return f"$not($count({left.source}) = {_as_number(right)})"
    return _refused(operation, left, right, sensitive)


def _any(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    if operation == "equals":
        return f"({left.source} = {right.source})"
    return _refused(operation, left, right, sensitive)


def _refused(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    raise Refused(f"the condition {operation!r} has no counterpart")


_KINDS: dict[str, Callable[[str, Term, Term, bool], str]] = {
    "string": _text,
    "number": _number,
    "boolean": _truth,
    "dateTime": _moment,
    "array": _list,
    "any": _any,
}


def _compared(operation: str, one: str, other: str) -> str:
    if operation not in _COMPARED:
        raise Refused(f"the condition {operation!r} has no counterpart")
    return f"({one} {_COMPARED[operation]} {other} ? true : false)"


def _call(helper: str, term: Term) -> str:
    """A helper's function, called where it is written: each condition has one or two of them."""
    defined = {"absent": "function($x) { $not($exists($x)) or $x = null }", **HELPERS}
    inner = "; ".join(f"${name} := {defined[name]}" for name in (*NEEDS.get(helper, ()), helper))
    return f"({inner}; ${helper}({term.source}))"


def _as_text(term: Term) -> str:
    if term.kind == "text":
        return term.source
    if term.kind in ("number", "boolean"):
        return f"$string({term.source})"
    if term.source == "null":
        return '""'
    return f'(function($x) {{ $exists($x) and $x != null ? $string($x) : "" }}({term.source}))'


def _as_number(term: Term) -> str:
    if term.kind == "number":
        return term.source
    return _call("num", term)


def _as_moment(term: Term) -> str:
    if term.kind in ("moment", "date", "number"):
        return term.source
    source = f"({term.source})"
    return f'($type({source}) = "number" ? {source} : $toMillis({source}))'


def _as_truth(term: Term) -> str:
    if term.kind == "boolean":
        return term.source
    if term.kind == "text":
        return f'($lowercase({term.source}) = "true")'
    source = f"({term.source})"
    return f'({source} = true or {source} = "true" or {source} = 1 or {source} = "1")'
