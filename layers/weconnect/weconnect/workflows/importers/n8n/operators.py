"""JavaScript's operators of two values."""

from collections.abc import Callable

from weconnect.workflows.importers.n8n.jsonata_terms import SCALARS, Term, Writer, number, text, value
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported


def _add(writer: Writer, left: Term, right: Term) -> Term:
    if "text" in (left.kind, right.kind):
        return Term(f"({text(writer, left)} & {text(writer, right)})", "text")
    if left.kind == right.kind == "number":
        return Term(f"({left.source} + {right.source})", "number")
    if {left.kind, right.kind} - {"any", "number", "boolean"}:
        raise Unsupported("+ of lists, objects or dates")
    return Term(writer.helper("plus", left, right))


def _arithmetic(operator: str) -> Callable[[Writer, Term, Term], Term]:
    def apply(writer: Writer, left: Term, right: Term) -> Term:
        return Term(f"({number(writer, left)} {operator} {number(writer, right)})", "number")

    return apply


def _compared(helper: str, operator: str, *, turned: bool) -> Callable[[Writer, Term, Term], Term]:
    def apply(writer: Writer, left: Term, right: Term) -> Term:
        if {left.kind, right.kind} & {"node", "item", "items", "list", "object", "missing"}:
            raise Unsupported("a comparison of lists, objects or nothing")
        if left.kind in ("number", "moment", "date") and right.kind in ("number", "moment", "date"):
            return Term(f"({left.source} {operator} {right.source})", "boolean")
        pair = (right, left) if turned else (left, right)
        return Term(writer.helper(helper, *pair), "boolean")

    return apply


def _strict(writer: Writer, left: Term, right: Term) -> Term:
    if left.kind == "missing" or right.kind == "missing":
        other = right if left.kind == "missing" else left
        return Term(f"$not($exists({value(other)}))", "boolean")
    if {left.kind, right.kind} & {"node", "item", "items", "moment", "date", "list", "object"}:
        raise Unsupported("=== of lists, objects or dates")
    if left.kind == right.kind == "any" and "null" not in (left.source, right.source):
        return Term(writer.helper("same", left, right), "boolean")
    return Term(f"({left.source} = {right.source})", "boolean")


def _loose(writer: Writer, left: Term, right: Term) -> Term:
    for one, other in ((left, right), (right, left)):
        if one.kind == "missing" or one.source == "null":
            return Term(f"($not($exists({value(other)})) or {value(other)} = null)", "boolean")
    if left.kind == right.kind and left.kind in SCALARS:
        return Term(f"({left.source} = {right.source})", "boolean")
    for one, other in ((left, right), (right, left)):
        if other.kind == "any" and one.kind in SCALARS and (found := _alike(one, other)):
            return Term(found, "boolean")
    raise Unsupported("== of values of which neither is known")


def _alike(one: Term, other: Term) -> str | None:
    """`==` with a constant: the values of other types that JavaScript takes for the same."""
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


def _negated(equal: Callable[[Writer, Term, Term], Term]) -> Callable[[Writer, Term, Term], Term]:
    return lambda writer, left, right: Term(f"$not({equal(writer, left, right).source})", "boolean")


OPERATORS: dict[str, Callable[[Writer, Term, Term], Term]] = {
    "+": _add,
    "-": _arithmetic("-"),
    "*": _arithmetic("*"),
    "/": _arithmetic("/"),
    "%": _arithmetic("%"),
    "<": _compared("less", "<", turned=False),
    ">": _compared("less", ">", turned=True),
    "<=": _compared("upto", "<=", turned=False),
    ">=": _compared("upto", ">=", turned=True),
    "===": _strict,
    "!==": _negated(_strict),
    "==": _loose,
    "!=": _negated(_loose),
}
