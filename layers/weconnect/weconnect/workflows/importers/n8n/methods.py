"""Methods of texts, numbers and lists."""

import re
from collections.abc import Callable

from weconnect.workflows.importers.n8n import functions
from weconnect.workflows.importers.n8n.jsonata_terms import Term, Writer, constant, number, text, truth, value
from weconnect.workflows.importers.n8n.regular_expressions import groups_alone, pattern
from weconnect.workflows.importers.n8n.syntax_tree import Constant, Regex, Tree, Unsupported

Method = Callable[[Writer, Term, tuple[Tree, ...]], Term]

_OF_OBJECTS = ("toJsonString", "isEmpty", "isNotEmpty", "keys")
_OF_NUMBERS = ("toString", "toJsonString", "toNumber", "toDateTime")
_OF_ITEMS = ("map", "filter", "find", "some", "every", "first", "last", "reverse")
TRIMMED = '$replace({0}, /^[\\s\\ufeff]+|[\\s\\ufeff]+$/, "")'


def called(writer: Writer, of: Term, name: str, arguments: tuple[Tree, ...]) -> Term:
    """The JSONata for `of.name(arguments)`; raises Unsupported."""
    if of.kind in ("moment", "date"):
        return functions.of_moment(writer, of, name, arguments)
    method = _METHODS.get(name)
    if method is None:
        raise Unsupported(f"the method .{name}()")
    if of.kind in ("item", "function", "match") or (of.kind == "object" and name not in _OF_OBJECTS):
        raise Unsupported(f".{name}() of an object")
    if of.kind in ("number", "boolean", "missing") and name not in _OF_NUMBERS:
        raise Unsupported(f".{name}() of a {of.kind}")
    if of.kind == "items" and name not in _OF_ITEMS:
        raise Unsupported(f".{name}() of items")
    return method(writer, of, arguments)


def length(writer: Writer, of: Term) -> Term:
    """`of.length`."""
    if of.kind in ("list", "items"):
        return Term(f"$count({of.source})", "number")
    if of.kind == "text":
        return Term(f"$length({of.source})", "number")
    if of.kind not in ("any", "object"):
        raise Unsupported(f".length of a {of.kind}")
    return Term(writer.helper("size", of))


def _said(tree: Tree) -> str:
    """An argument that has to be a constant text."""
    if isinstance(tree, Constant) and isinstance(tree.value, str):
        return tree.value
    raise Unsupported("an argument that is not a text written out")


def _whole_number(tree: Tree) -> int:
    found = tree.value if isinstance(tree, Constant) else None
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    negative = getattr(tree, "operand", None) if getattr(tree, "operator", "") == "-" else None
    if isinstance(negative, Constant) and isinstance(negative.value, int):
        return -negative.value
    raise Unsupported("a place that is computed")


def _count(arguments: tuple[Tree, ...], least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        raise Unsupported(f"{len(arguments)} arguments here")


def _of_text(function: str) -> Method:
    def apply(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
        _count(arguments, 0, 0)
        return Term(function.format(of.source), "text")

    return apply


def _replace(writer: Writer, of: Term, arguments: tuple[Tree, ...], *, every: bool = False) -> Term:
    _count(arguments, 2, 2)
    wanted, put = arguments
    with_what = writer.term(put)
    if with_what.kind != "text" and not isinstance(put, Constant):
        with_what = Term(text(writer, with_what), "text")
    if isinstance(wanted, Regex):
        if not isinstance(put, Constant) or not groups_alone(wanted.pattern, str(put.value)):
            raise Unsupported("a regular expression's replacement that is not plain text")
        if every and "g" not in wanted.flags:
            raise Unsupported("replaceAll without the flag g")
        limit = "" if "g" in wanted.flags else ", 1"
        return Term(f"$replace({of.source}, {pattern(wanted)}, {with_what.source}{limit})", "text")
    if isinstance(put, Constant) and (not isinstance(put.value, str) or "$" in put.value):
        raise Unsupported("a replacement that is not plain text")
    if not isinstance(put, Constant):
        raise Unsupported("a replacement that is computed: a dollar sign in it has a meaning")
    if not _said(wanted):
        raise Unsupported("replacing an empty text")
    limit = "" if every else ", 1"
    return Term(f"$replace({of.source}, {constant(_said(wanted)).source}, {with_what.source}{limit})", "text")


def _replace_all(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    return _replace(writer, of, arguments, every=True)


def _split(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    if isinstance(arguments[0], Regex) and "(" not in arguments[0].pattern:
        found = pattern(arguments[0])
        if re.search(r"[*?]|\{0", arguments[0].pattern):
            raise Unsupported("splitting where nothing stands")
        return Term(f"$split({of.source}, {found})", "list")
    by = _said(arguments[0])
    if not by:
        raise Unsupported("splitting into letters")
    return Term(f"$split({of.source}, {constant(by).source})", "list")


def _join(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 1)
    by = constant(_said(arguments[0]) if arguments else ",").source
    if of.kind == "text":
        raise Unsupported(".join() of a text")
    inner = writer.helper("text", Term("$y"))
    return Term(f'$join([$map({of.source}, function($y) {{ $y = null ? "" : {inner} }})], {by})', "text")


def _includes(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    wanted = writer.term(arguments[0])
    if of.kind == "text" and wanted.kind == "text":
        return Term(f"$contains({of.source}, {wanted.source})", "boolean")
    if wanted.kind not in ("text", "number", "any"):
        raise Unsupported(".includes() of what is neither text nor number")
    if of.kind == "list":
        return Term(f"({wanted.source} in {of.source})", "boolean")
    return Term(f"({writer.helper('has', of, wanted)} ? true : false)", "boolean")


def _starts(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    wanted = _said(arguments[0])
    return Term(f"($substring({of.source}, 0, {len(wanted)}) = {constant(wanted).source})", "boolean")


def _ends(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    wanted = _said(arguments[0])
    if not wanted:
        raise Unsupported("an empty end")
    return Term(f"($substring({of.source}, -{len(wanted)}) = {constant(wanted).source})", "boolean")


def _slice(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 2)
    start, *ends = [_whole_number(argument) for argument in arguments]
    end = ends[0] if ends else None
    if end is not None and end < 0 <= start and of.kind in ("any", "text", "list"):
        return _until(of, start, -end)
    if (end is not None and (end < 0 or start < 0)) or of.kind not in ("any", "text", "list"):
        raise Unsupported(".slice() from both ends")
    long = "" if end is None else f", {max(0, end - start)}"
    of_text = f"$substring({of.source}, {start}{long})"
    if of.kind == "text":
        return Term(of_text, "text")
    first = f"$i >= {start}" if start >= 0 else f"$i >= $count({of.source}) - {-start}"
    until = "" if end is None else f" and $i < {end}"
    of_list = f"[$filter({of.source}, function($v, $i) {{ {first}{until} }})]"
    if of.kind == "list":
        return Term(of_list, "list")
    return Term(f'($type({of.source}) = "array" ? {of_list} : {of_text})')


def _until(of: Term, start: int, left: int) -> Term:
    """From a place up to so many before the end."""
    long = f"$max([0, $length({of.source}) - {left + start}])"
    of_text = f"$substring({of.source}, {start}, {long})"
    if of.kind == "text":
        return Term(of_text, "text")
    kept = f"$i >= {start} and $i < $count({of.source}) - {left}"
    of_list = f"[$filter({of.source}, function($v, $i) {{ {kept} }})]"
    if of.kind == "list":
        return Term(of_list, "list")
    return Term(f'($type({of.source}) = "array" ? {of_list} : {of_text})')


def _substring(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 2)
    start, *ends = sorted(max(0, _whole_number(argument)) for argument in arguments)
    long = f", {ends[0] - start}" if ends else ""
    return Term(f"$substring({of.source}, {start}{long})", "text")


def _substr(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 2)
    start, *long = [_whole_number(argument) for argument in arguments]
    more = f", {max(0, long[0])}" if long else ""
    return Term(f"$substring({of.source}, {start}{more})", "text")


def _char_at(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    place = _whole_number(arguments[0])
    if place < 0:
        raise Unsupported("a negative place")
    return Term(f"$substring({of.source}, {place}, 1)", "text")


def _map(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    head, body = writer.function(arguments[0], of)
    if body.kind in ("list", "missing"):
        raise Unsupported("a list of lists")
    return Term(f"[$map({of.source}, {head} {{ {value(body)} }})]", "list")


def _kept(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> str:
    _count(arguments, 1, 1)
    head, body = writer.function(arguments[0], of)
    return f"$filter({of.source}, {head} {{ {truth(writer, body)} }})"


def _filter(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    return Term(f"[{_kept(writer, of, arguments)}]", "items" if of.kind == "items" else "list")


def _find(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    return Term(f"[{_kept(writer, of, arguments)}][0]", "item" if of.kind == "items" else "any")


def _some(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    return Term(f"($count([{_kept(writer, of, arguments)}]) > 0)", "boolean")


def _every(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    return Term(f"($count([{_kept(writer, of, arguments)}]) = $count({of.source}))", "boolean")


def _match(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """The first that a pattern finds with its groups, or with the flag g the texts of all."""
    _count(arguments, 1, 1)
    if not isinstance(arguments[0], Regex):
        raise Unsupported(".match() of what is no regular expression")
    found = f"$match({of.source}, {pattern(arguments[0])})"
    if "g" not in arguments[0].flags:
        return Term(f"({found})[0]", "match")
    return Term(f"($v := [{found}.match]; $count($v) > 0 ? $v : null)")


def _reverse(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    if of.kind not in ("list", "items"):
        raise Unsupported(".reverse() of what may be changed by it")
    return Term(f"[$reverse({of.source})]", of.kind)


def _unique(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(f"[$distinct({of.source})]", "list")


def _index_of(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 1, 1)
    wanted = constant(_said(arguments[0])).source
    if of.kind != "text" or wanted == '""':
        raise Unsupported(".indexOf() of what may be a list")
    found = f"$length($substringBefore({of.source}, {wanted}))"
    return Term(f"($contains({of.source}, {wanted}) ? {found} : -1)", "number")


def _to_date_time(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(functions.moment_of(writer, of), "moment")


def _keys(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    if of.kind != "object":
        raise Unsupported(".keys() of what may be a list")
    return Term(f"[$keys({of.source})]", "list")


def _first(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(f"({of.source})[0]", "item" if of.kind == "items" else "any")


def _last(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(f"({of.source})[-1]", "item" if of.kind == "items" else "any")


def _to_text(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    source = text(writer, of)
    return Term(f"$string({source})" if of.kind in ("number", "boolean") else source, "text")


def _to_json(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return functions.as_json(writer, of)


def _to_number(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(number(writer, of))


def _is_empty(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(writer.helper("empty", of), "boolean")


def _is_not_empty(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    _count(arguments, 0, 0)
    return Term(f"$not({writer.helper('empty', of)})", "boolean")


_METHODS: dict[str, Method] = {
    "toLowerCase": _of_text("$lowercase({0})"),
    "toUpperCase": _of_text("$uppercase({0})"),
    "trim": _of_text(TRIMMED),
    "base64Encode": _of_text("$base64encode({0})"),
    "urlEncode": _of_text("$encodeUrlComponent({0})"),
    "replace": _replace,
    "replaceAll": _replace_all,
    "split": _split,
    "join": _join,
    "includes": _includes,
    "startsWith": _starts,
    "endsWith": _ends,
    "slice": _slice,
    "substring": _substring,
    "substr": _substr,
    "charAt": _char_at,
    "match": _match,
    "reduce": functions.reduced,
    "reverse": _reverse,
    "removeDuplicates": _unique,
    "unique": _unique,
    "indexOf": _index_of,
    "toDateTime": _to_date_time,
    "keys": _keys,
    "map": _map,
    "filter": _filter,
    "find": _find,
    "some": _some,
    "every": _every,
    "first": _first,
    "last": _last,
    "pop": _last,
    "toString": _to_text,
    "toJsonString": _to_json,
    "toNumber": _to_number,
    "isEmpty": _is_empty,
    "isNotEmpty": _is_not_empty,
}
