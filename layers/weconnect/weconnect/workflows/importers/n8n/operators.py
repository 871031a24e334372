"""JavaScript's binary operators."""

from collections.abc import Callable

from weconnect.workflows.importers.n8n.jsonata_terms import (
    SCALARS,
    Term,
    TermTranslator,
    as_condition,
    as_number,
    as_text,
    as_value,
)
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported

MAX_REPEATED_LENGTH = 80


def _translate_add(translator: TermTranslator, left: Term, right: Term) -> Term:
    """Translate `+`: a concatenation when an operand is a text; raise Unsupported."""
    if "text" in (left.kind, right.kind):
        return Term(f"({as_text(translator, left)} & {as_text(translator, right)})", "text")
    if left.kind == right.kind == "number":
        return Term(f"({left.source} + {right.source})", "number")
    if {left.kind, right.kind} - {"any", "number", "boolean"}:
        raise Unsupported("+ of lists, objects or dates")
    return Term(translator.call_helper("plus", left, right))


def _create_arithmetic(operator: str) -> Callable[[TermTranslator, Term, Term], Term]:
    """Return the translator of an arithmetic operator."""

    def apply(translator: TermTranslator, left: Term, right: Term) -> Term:
        return Term(f"({as_number(translator, left)} {operator} {as_number(translator, right)})", "number")

    return apply


def _create_comparison(
    helper: str, operator: str, *, turned: bool
) -> Callable[[TermTranslator, Term, Term], Term]:
    """Return the translator of `operator`: of numbers and times as it is, else with `helper`, `turned` or not."""

    def apply(translator: TermTranslator, left: Term, right: Term) -> Term:
        """Translate the comparison of two terms; raise Unsupported."""
        if {left.kind, right.kind} & {"node", "item", "items", "list", "object", "missing"}:
            raise Unsupported("a comparison of lists, objects or undefined")
        if left.kind in ("number", "moment", "date") and right.kind in ("number", "moment", "date"):
            return Term(f"({left.source} {operator} {right.source})", "boolean")
        pair = (right, left) if turned else (left, right)
        return Term(translator.call_helper(helper, *pair), "boolean")

    return apply


def _compare_strictly(translator: TermTranslator, left: Term, right: Term) -> Term:
    """Translate `===`; raise Unsupported."""
    if left.kind == "missing" or right.kind == "missing":
        other = right if left.kind == "missing" else left
        return Term(f"$not($exists({as_value(other)}))", "boolean")
    if {left.kind, right.kind} & {"node", "item", "items", "moment", "date", "list", "object"}:
        raise Unsupported("=== of lists, objects or dates")
    if left.kind == right.kind == "any" and "null" not in (left.source, right.source):
        return Term(translator.call_helper("same", left, right), "boolean")
    return Term(f"({left.source} = {right.source})", "boolean")


def _compare_loosely(translator: TermTranslator, left: Term, right: Term) -> Term:
    """Translate `==`; raise Unsupported."""
    for one, other in ((left, right), (right, left)):
        if one.kind == "missing" or one.source == "null":
            return Term(f"($not($exists({as_value(other)})) or {as_value(other)} = null)", "boolean")
    if left.kind == right.kind and left.kind in SCALARS:
        return Term(f"({left.source} = {right.source})", "boolean")
    for one, other in ((left, right), (right, left)):
        if other.kind == "any" and one.kind in SCALARS and (source := _compare_with_constant(one, other)):
            return Term(source, "boolean")
    raise Unsupported("== of two values that are both unknown")


def _compare_with_constant(one: Term, other: Term) -> str | None:
    """Return JSONata for JavaScript's `other == one`, where `one` is a constant; None when unsure."""
    if one.kind == "text" and one.source.startswith('"') and one.source.strip('"').strip():
        plain = one.source.strip('"')
        if not plain[0].isdigit() and plain[0] not in "-+. \\" and plain != "Infinity":
            return f"({other.source} = {one.source})"
    if one.kind == "number" and one.source.isdecimal():
        more = {"0": ' or {0} = "" or {0} = false', "1": " or {0} = true"}.get(one.source, "")
        return (
            f'({other.source} = {one.source} or {other.source} = "{one.source}"{more.format(other.source)})'
        )
    return None


def _negate(
    equal: Callable[[TermTranslator, Term, Term], Term],
) -> Callable[[TermTranslator, Term, Term], Term]:
    """Return the translator of the negation of a comparison."""
    return lambda translator, left, right: Term(f"$not({equal(translator, left, right).source})", "boolean")


def translate_conditional(test: str, then: Term, otherwise: Term) -> Term:
    """Return JSONata for `test ? then : otherwise`; raise Unsupported for a choice between items."""
    kinds = {then.kind, otherwise.kind}
    if "match" in kinds:
        then, otherwise = Term(as_value(then)), Term(as_value(otherwise))
        kinds = {"any"}
    elif "moment" in kinds or "date" in kinds:
        if len(kinds) > 1:
            then, otherwise = Term(as_value(then)), Term(as_value(otherwise))
    elif kinds & {"node", "item", "items"}:
        raise Unsupported("a choice between items")
    return Term(f"({test} ? {then.source} : {otherwise.source})", then.kind if len(kinds) == 1 else "any")


def _translate_or(translator: TermTranslator, left: Term, right: Term) -> Term:
    """Translate `||`."""
    return _use_twice(left, lambda one: translate_conditional(as_condition(translator, one), one, right))


def _translate_and(translator: TermTranslator, left: Term, right: Term) -> Term:
    """Translate `&&`."""
    if left.kind == right.kind == "boolean":
        return Term(f"({left.source} and {right.source})", "boolean")
    return _use_twice(left, lambda one: translate_conditional(as_condition(translator, one), right, one))


def _translate_nullish_or(translator: TermTranslator, left: Term, right: Term) -> Term:
    """Translate `??`."""
    if left.kind in SCALARS:
        return left

    def choose(one: Term) -> Term:
        return translate_conditional(f"$exists({one.source}) and {one.source} != null", one, right)

    return _use_twice(left, choose)


def _use_twice(term: Term, use: Callable[[Term], Term]) -> Term:
    """Return the result of `use`, which writes its term twice; a long term is bound to `$v` first."""
    if len(term.source) <= MAX_REPEATED_LENGTH:
        return use(term)
    result = use(Term("$v", term.kind))
    return Term(f"($v := {term.source}; {result.source})", result.kind)


OPERATORS: dict[str, Callable[[TermTranslator, Term, Term], Term]] = {
    "||": _translate_or,
    "&&": _translate_and,
    "??": _translate_nullish_or,
    "+": _translate_add,
    "-": _create_arithmetic("-"),
    "*": _create_arithmetic("*"),
    "/": _create_arithmetic("/"),
    "%": _create_arithmetic("%"),
    "<": _create_comparison("less", "<", turned=False),
    ">": _create_comparison("less", ">", turned=True),
    "<=": _create_comparison("upto", "<=", turned=False),
    ">=": _create_comparison("upto", ">=", turned=True),
    "===": _compare_strictly,
    "!==": _negate(_compare_strictly),
    "==": _compare_loosely,
    "!=": _negate(_compare_loosely),
}
