"""Conversion of n8n's conditions to one boolean JSONata expression."""

import json
import re
from collections.abc import Callable
from typing import Any

from weconnect.workflows.importers.n8n.jsonata_terms import HELPER_DEPENDENCIES, HELPERS, Term
from weconnect.workflows.importers.n8n.regular_expressions import to_jsonata
from weconnect.workflows.importers.n8n.source_node import NodeReader, NotConvertible, wrap_expression
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


def convert_filter(reader: NodeReader) -> str:
    """Return the conditions of a version 2 node; raise NotConvertible."""
    conditions = reader.read("conditions", default={})
    if not isinstance(conditions, dict):
        raise NotConvertible("it has no conditions")
    ignore = reader.read("options", "ignoreCase") is True
    return convert_rows(reader, conditions, ("conditions",), ignore_case=ignore)


def convert_rows(
    reader: NodeReader, conditions: dict[str, Any], path: tuple[Any, ...], *, ignore_case: bool = False
) -> str:
    """Return the version 2 conditions at a path as one expression; raise NotConvertible."""
    options = conditions.get("options")
    if isinstance(options, dict) and options.get("caseSensitive") is False:
        ignore_case = True
    rows = conditions.get("conditions")
    checks = []
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        if not isinstance(row, dict):
            raise NotConvertible("a condition is invalid")
        path_of_row = (*path, "conditions", number)
        operator = row.get("operator")
        operator = operator if isinstance(operator, dict) else {}
        kind, operation = str(operator.get("type", "string")), str(operator.get("operation", "equals"))
        left = reader.to_term(row.get("leftValue"), (*path_of_row, "leftValue"))
        right = reader.to_term(row.get("rightValue"), (*path_of_row, "rightValue"))
        checks.append(_build_check(kind, operation, left, right, sensitive=not ignore_case))
    return _join_checks(checks, either=conditions.get("combinator") == "or")


def convert_by_kind(reader: NodeReader) -> str:
    """Return the conditions of a version 1 node: lists of checks by type; raise NotConvertible."""
    checks = []
    for kind in ("boolean", "dateTime", "number", "string"):
        for path_of_row, row in reader.read_rows("conditions", kind):
            default = {"number": "smaller", "dateTime": "after"}.get(kind, "equal")
            left = reader.to_term(row.get("value1"), (*path_of_row, "value1"))
            right = reader.to_term(row.get("value2"), (*path_of_row, "value2"))
            checks.append(_build_check(kind, str(row.get("operation", default)), left, right))
    either = reader.read_constant("combineOperation", default="all") == "any"
    return _join_checks(
        checks, either=either or reader.read_constant("combineConditions", default="AND") == "OR"
    )


def convert_rule(
    reader: NodeReader, kind: str, path_of_row: tuple[Any, ...], row: dict[str, Any], left: Term
) -> str:
    """Return the condition of a rule of a switch node of version 1 or 2; raise NotConvertible."""
    default = {"number": "smaller", "dateTime": "after"}.get(kind, "equal")
    right = reader.to_term(row.get("value2"), (*path_of_row, "value2"))
    return wrap_condition(_build_check(kind, str(row.get("operation", default)), left, right))


def wrap_condition(source: str) -> str:
    """Return a condition's JSONata as a parameter, `{{ … }}`."""
    return wrap_expression(source)


def _join_checks(checks: list[str], *, either: bool) -> str:
    """Return the checks, joined by `or` (`either`) or `and`, as a parameter; raise NotConvertible for none."""
    if not checks:
        raise NotConvertible("it has no conditions")
    return wrap_condition(
        checks[0] if len(checks) == 1 else f"({(' or ' if either else ' and ').join(checks)})"
    )


def _build_check(kind: str, operation: str, left: Term, right: Term, *, sensitive: bool = True) -> str:
    """Return one check as JSONata; `kind` is n8n's type of the operands. Raise NotConvertible."""
    operation = _NAMES.get(operation, operation)
    negative = operation in _NEGATIVE
    operation = _NEGATIVE.get(operation, operation)
    if operation == "exists":
        source = f"({_call('absent', left)} = false)"
    elif operation == "empty":
        source = _call("empty", left)
    elif operation == "regex":
        source = f"$contains({_as_text(left)}, {_read_pattern(right)})"
    else:
        source = _KINDS.get(kind, _raise_unsupported)(operation, left, right, sensitive)
    return f"$not({source})" if negative else source


def _read_pattern(right: Term) -> str:
    """Return a constant regular expression, with or without slashes and flags, as JSONata; raise NotConvertible."""
    try:
        text = json.loads(right.source) if right.kind == "text" and right.source.startswith('"') else None
    except ValueError:
        text = None
    if not isinstance(text, str) or not text:
        raise NotConvertible("the regular expression of a condition is an expression, or missing")
    with_slashes = re.fullmatch(r"/(.+)/([a-z]*)", text, re.DOTALL)
    try:
        pattern = to_jsonata(Regex(*with_slashes.groups()) if with_slashes else Regex(text, ""))
    except (Unsupported, IndexError) as refusal:
        raise NotConvertible(f"{refusal} is not supported") from None
    return pattern


def _compare_texts(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Return JSONata that compares two operands as texts; raise NotConvertible for another operation."""
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
    return _raise_unsupported(operation, left, right, sensitive)


def _compare_numbers(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Return JSONata that compares two operands as numbers; raise NotConvertible for another operation."""
    one, other = _as_number(left), _as_number(right)
    if operation == "equals":
        return f"({one} = {other})"
    return _compare_order(operation, one, other)


def _compare_moments(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Return JSONata that compares two operands as times; raise NotConvertible for another operation."""
    one, other = _as_moment(left), _as_moment(right)
    if operation == "equals":
        return f"({one} = {other})"
    return _compare_order(operation, one, other)


def _compare_booleans(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Return JSONata that compares two operands as booleans; raise NotConvertible for another operation."""
    if operation == "true":
        return f"({_as_truth(left)} = true)"
    if operation == "equals":
        return f"({_as_truth(left)} = {_as_truth(right)})"
    return _raise_unsupported(operation, left, right, sensitive)


def _check_list(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Return JSONata that checks a list's elements or length; raise NotConvertible for another operation."""
    if operation == "contains" and sensitive:
        return f"({right.source} in {left.source})"
    ways = {"lengthEquals": "=", "lengthGt": ">", "lengthLt": "<", "lengthGte": ">=", "lengthLte": "<="}
    if operation in ways:
        return f"($count({left.source}) {ways[operation]} {_as_number(right)} ? true : false)"
    if operation == "lengthNotEquals":
        return f"$not($count({left.source}) = {_as_number(right)})"
    return _raise_unsupported(operation, left, right, sensitive)


def _compare_any(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Return JSONata that compares operands of any type for equality; raise NotConvertible for another operation."""
    if operation == "equals":
        return f"({left.source} = {right.source})"
    return _raise_unsupported(operation, left, right, sensitive)


def _raise_unsupported(operation: str, left: Term, right: Term, sensitive: bool) -> str:
    """Raise NotConvertible for an operation without an equivalent; its signature is that of a comparison."""
    raise NotConvertible(f"the condition {operation!r} has no equivalent")


_KINDS: dict[str, Callable[[str, Term, Term, bool], str]] = {
    "string": _compare_texts,
    "number": _compare_numbers,
    "boolean": _compare_booleans,
    "dateTime": _compare_moments,
    "array": _check_list,
    "any": _compare_any,
}


def _compare_order(operation: str, one: str, other: str) -> str:
    """Return JSONata for an operation that orders two numbers, such as `gt`; raise NotConvertible for another one."""
    if operation not in _COMPARED:
        raise NotConvertible(f"the condition {operation!r} has no equivalent")
    return f"({one} {_COMPARED[operation]} {other} ? true : false)"


def _call(helper: str, term: Term) -> str:
    """Return JSONata that defines a helper and calls it; inline, because a condition calls only one or two helpers."""
    defined = {"absent": "function($x) { $not($exists($x)) or $x = null }", **HELPERS}
    inner = "; ".join(
        f"${name} := {defined[name]}" for name in (*HELPER_DEPENDENCIES.get(helper, ()), helper)
    )
    return f"({inner}; ${helper}({term.source}))"


def _as_text(term: Term) -> str:
    """Return JSONata for a term's value as text; a missing value and null become the empty text."""
    if term.kind == "text":
        return term.source
    if term.kind in ("number", "boolean"):
        return f"$string({term.source})"
    if term.source == "null":
        return '""'
    return f'(function($x) {{ $exists($x) and $x != null ? $string($x) : "" }}({term.source}))'


def _as_number(term: Term) -> str:
    """Return JSONata for a term's value as a number."""
    if term.kind == "number":
        return term.source
    return _call("num", term)


def _as_moment(term: Term) -> str:
    """Return JSONata for a term's value in epoch milliseconds; a text must be in ISO 8601."""
    if term.kind in ("moment", "date", "number"):
        return term.source
    source = f"({term.source})"
    return f'($type({source}) = "number" ? {source} : $toMillis({source}))'


def _as_truth(term: Term) -> str:
    """Return JSONata for a term's value as a boolean: true, "true", 1 and "1" are true."""
    if term.kind == "boolean":
        return term.source
    if term.kind == "text":
        return f'($lowercase({term.source}) = "true")'
    source = f"({term.source})"
    return f'({source} = true or {source} = "true" or {source} = 1 or {source} = "1")'
