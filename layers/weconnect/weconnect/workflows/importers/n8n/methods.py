"""JavaScript's and n8n's methods of texts, numbers and lists."""

import re
from collections.abc import Callable

from weconnect.workflows.importers.n8n import functions
from weconnect.workflows.importers.n8n.jsonata_terms import (
    Term,
    TermTranslator,
    as_condition,
    as_number,
    as_text,
    as_value,
    constant,
)
from weconnect.workflows.importers.n8n.regular_expressions import to_jsonata, uses_groups_only
from weconnect.workflows.importers.n8n.syntax_tree import Constant, Regex, Tree, Unsupported

Method = Callable[[TermTranslator, Term, tuple[Tree, ...]], Term]

_OF_OBJECTS = ("toJsonString", "isEmpty", "isNotEmpty", "keys")
_OF_NUMBERS = ("toString", "toJsonString", "toNumber", "toDateTime")
_OF_ITEMS = ("map", "filter", "find", "some", "every", "first", "last", "reverse")
TRIM_TEMPLATE = '$replace({0}, /^[\\s\\ufeff]+|[\\s\\ufeff]+$/, "")'


def translate_method(translator: TermTranslator, of: Term, name: str, arguments: tuple[Tree, ...]) -> Term:
    """Return the JSONata for `of.name(arguments)`; raise Unsupported."""
    if of.kind in ("moment", "date"):
        return functions.translate_moment_method(translator, of, name, arguments)
    method = _METHODS.get(name)
    if method is None:
        raise Unsupported(f"the method .{name}()")
    if of.kind in ("item", "function", "match") or (of.kind == "object" and name not in _OF_OBJECTS):
        raise Unsupported(f".{name}() of an object")
    if of.kind in ("number", "boolean", "missing") and name not in _OF_NUMBERS:
        raise Unsupported(f".{name}() of a {of.kind}")
    if of.kind == "items" and name not in _OF_ITEMS:
        raise Unsupported(f".{name}() of items")
    return method(translator, of, arguments)


def translate_length(translator: TermTranslator, of: Term) -> Term:
    """Translate `of.length`; raise Unsupported."""
    if of.kind in ("list", "items"):
        return Term(f"$count({of.source})", "number")
    if of.kind == "text":
        return Term(f"$length({of.source})", "number")
    if of.kind not in ("any", "object"):
        raise Unsupported(f".length of a {of.kind}")
    return Term(translator.call_helper("size", of))


def _read_constant_text(tree: Tree) -> str:
    """Return an argument that must be a constant text; raise Unsupported."""
    if isinstance(tree, Constant) and isinstance(tree.value, str):
        return tree.value
    raise Unsupported("an argument that is not a constant text")


def _read_whole_number(tree: Tree) -> int:
    """Return an argument that must be a constant integer; raise Unsupported."""
    value = tree.value if isinstance(tree, Constant) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    negative = getattr(tree, "operand", None) if getattr(tree, "operator", "") == "-" else None
    if isinstance(negative, Constant) and isinstance(negative.value, int):
        return -negative.value
    raise Unsupported("a computed index")


def _expect_arguments(arguments: tuple[Tree, ...], least: int, most: int) -> None:
    """Raise Unsupported unless there are `least` to `most` arguments."""
    if not least <= len(arguments) <= most:
        raise Unsupported(f"{len(arguments)} arguments")


def _create_text_method(function: str) -> Method:
    """Return the translator of a method without arguments; `function` is JSONata with `{0}` for the text."""

    def apply(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
        _expect_arguments(arguments, 0, 0)
        return Term(function.format(of.source), "text")

    return apply


def _replace(
    translator: TermTranslator, of: Term, arguments: tuple[Tree, ...], *, every: bool = False
) -> Term:
    """Translate `.replace(wanted, put)`, or with `every` `.replaceAll`; raise Unsupported."""
    _expect_arguments(arguments, 2, 2)
    wanted, put = arguments
    with_what = translator.translate(put)
    if with_what.kind != "text" and not isinstance(put, Constant):
        with_what = Term(as_text(translator, with_what), "text")
    if isinstance(wanted, Regex):
        if not isinstance(put, Constant) or not uses_groups_only(wanted.pattern, str(put.value)):
            raise Unsupported("a regular expression's replacement that is not plain text")
        if every and "g" not in wanted.flags:
            raise Unsupported("replaceAll without the flag g")
        limit = "" if "g" in wanted.flags else ", 1"
        return Term(f"$replace({of.source}, {to_jsonata(wanted)}, {with_what.source}{limit})", "text")
    if isinstance(put, Constant) and (not isinstance(put.value, str) or "$" in put.value):
        raise Unsupported("a replacement that is not plain text")
    if not isinstance(put, Constant):
        raise Unsupported("a replacement that is computed: a dollar sign in it has a meaning")
    if not _read_constant_text(wanted):
        raise Unsupported("replacing an empty text")
    limit = "" if every else ", 1"
    return Term(
        f"$replace({of.source}, {constant(_read_constant_text(wanted)).source}, {with_what.source}{limit})",
        "text",
    )


def _replace_all(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    return _replace(translator, of, arguments, every=True)


def _split(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.split(separator)` by a text or a regular expression; raise Unsupported."""
    _expect_arguments(arguments, 1, 1)
    if isinstance(arguments[0], Regex) and "(" not in arguments[0].pattern:
        separator = to_jsonata(arguments[0])
        if re.search(r"[*?]|\{0", arguments[0].pattern):
            raise Unsupported("splitting at an empty match")
        return Term(f"$split({of.source}, {separator})", "list")
    by = _read_constant_text(arguments[0])
    if not by:
        raise Unsupported("splitting into letters")
    return Term(f"$split({of.source}, {constant(by).source})", "list")


def _join(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.join(separator)` of a list; raise Unsupported."""
    _expect_arguments(arguments, 0, 1)
    by = constant(_read_constant_text(arguments[0]) if arguments else ",").source
    if of.kind == "text":
        raise Unsupported(".join() of a text")
    inner = translator.call_helper("text", Term("$y"))
    return Term(f'$join([$map({of.source}, function($y) {{ $y = null ? "" : {inner} }})], {by})', "text")


def _includes(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.includes(value)` of a text or a list; raise Unsupported."""
    _expect_arguments(arguments, 1, 1)
    wanted = translator.translate(arguments[0])
    if of.kind == "text" and wanted.kind == "text":
        return Term(f"$contains({of.source}, {wanted.source})", "boolean")
    if wanted.kind not in ("text", "number", "any"):
        raise Unsupported(".includes() with an argument that is neither text nor number")
    if of.kind == "list":
        return Term(f"({wanted.source} in {of.source})", "boolean")
    return Term(f"({translator.call_helper('has', of, wanted)} ? true : false)", "boolean")


def _starts_with(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.startsWith(text)`; raise Unsupported for a computed text."""
    _expect_arguments(arguments, 1, 1)
    wanted = _read_constant_text(arguments[0])
    return Term(f"($substring({of.source}, 0, {len(wanted)}) = {constant(wanted).source})", "boolean")


def _ends_with(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.endsWith(text)`; raise Unsupported for a computed or empty text."""
    _expect_arguments(arguments, 1, 1)
    wanted = _read_constant_text(arguments[0])
    if not wanted:
        raise Unsupported("an empty end")
    return Term(f"($substring({of.source}, -{len(wanted)}) = {constant(wanted).source})", "boolean")


def _slice(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.slice(start, end)` of a text or a list; raise Unsupported."""
    _expect_arguments(arguments, 1, 2)
    start, *ends = [_read_whole_number(argument) for argument in arguments]
    end = ends[0] if ends else None
    if end is not None and end < 0 <= start and of.kind in ("any", "text", "list"):
        return _slice_before_end(of, start, -end)
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


def _slice_before_end(of: Term, start: int, left: int) -> Term:
    """Return the elements or letters from index `start` up to `left` before the end."""
    long = f"$max([0, $length({of.source}) - {left + start}])"
    of_text = f"$substring({of.source}, {start}, {long})"
    if of.kind == "text":
        return Term(of_text, "text")
    condition = f"$i >= {start} and $i < $count({of.source}) - {left}"
    of_list = f"[$filter({of.source}, function($v, $i) {{ {condition} }})]"
    if of.kind == "list":
        return Term(of_list, "list")
    return Term(f'($type({of.source}) = "array" ? {of_list} : {of_text})')


def _substring(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.substring(start, end)`; raise Unsupported."""
    _expect_arguments(arguments, 1, 2)
    start, *ends = sorted(max(0, _read_whole_number(argument)) for argument in arguments)
    long = f", {ends[0] - start}" if ends else ""
    return Term(f"$substring({of.source}, {start}{long})", "text")


def _substr(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.substr(start, length)`; raise Unsupported."""
    _expect_arguments(arguments, 1, 2)
    start, *long = [_read_whole_number(argument) for argument in arguments]
    more = f", {max(0, long[0])}" if long else ""
    return Term(f"$substring({of.source}, {start}{more})", "text")


def _char_at(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.charAt(index)`; raise Unsupported."""
    _expect_arguments(arguments, 1, 1)
    index = _read_whole_number(arguments[0])
    if index < 0:
        raise Unsupported("a negative index")
    return Term(f"$substring({of.source}, {index}, 1)", "text")


def _map(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.map(function)`; raise Unsupported when it would return lists."""
    _expect_arguments(arguments, 1, 1)
    head, body = translator.translate_callback(arguments[0], of)
    if body.kind in ("list", "missing"):
        raise Unsupported("a list of lists")
    return Term(f"[$map({of.source}, {head} {{ {as_value(body)} }})]", "list")


def _build_filter(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> str:
    """Return JSONata for the elements for which the callback, the only argument, is true; raise Unsupported."""
    _expect_arguments(arguments, 1, 1)
    head, body = translator.translate_callback(arguments[0], of)
    return f"$filter({of.source}, {head} {{ {as_condition(translator, body)} }})"


def _filter(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.filter(function)`."""
    return Term(f"[{_build_filter(translator, of, arguments)}]", "items" if of.kind == "items" else "list")


def _find(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.find(function)`."""
    return Term(f"[{_build_filter(translator, of, arguments)}][0]", "item" if of.kind == "items" else "any")


def _some(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.some(function)`."""
    return Term(f"($count([{_build_filter(translator, of, arguments)}]) > 0)", "boolean")


def _every(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.every(function)`."""
    return Term(f"($count([{_build_filter(translator, of, arguments)}]) = $count({of.source}))", "boolean")


def _match(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.match()`: the first match with its groups, or with the flag g the texts of all matches."""
    _expect_arguments(arguments, 1, 1)
    if not isinstance(arguments[0], Regex):
        raise Unsupported(".match() with an argument that is not a regular expression")
    matches = f"$match({of.source}, {to_jsonata(arguments[0])})"
    if "g" not in arguments[0].flags:
        return Term(f"({matches})[0]", "match")
    return Term(f"($v := [{matches}.match]; $count($v) > 0 ? $v : null)")


def _reverse(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.reverse()`; raise Unsupported for a value that may not be a new list."""
    _expect_arguments(arguments, 0, 0)
    if of.kind not in ("list", "items"):
        raise Unsupported(".reverse() of a list that it may change in place")
    return Term(f"[$reverse({of.source})]", of.kind)


def _unique(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.unique()` and `.removeDuplicates()`."""
    _expect_arguments(arguments, 0, 0)
    return Term(f"[$distinct({of.source})]", "list")


def _index_of(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.indexOf(text)` of a text; raise Unsupported."""
    _expect_arguments(arguments, 1, 1)
    wanted = constant(_read_constant_text(arguments[0])).source
    if of.kind != "text" or wanted == '""':
        raise Unsupported(".indexOf() of a value that may be a list")
    index = f"$length($substringBefore({of.source}, {wanted}))"
    return Term(f"($contains({of.source}, {wanted}) ? {index} : -1)", "number")


def _to_date_time(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.toDateTime()`."""
    _expect_arguments(arguments, 0, 0)
    return Term(functions.as_millis(translator, of), "moment")


def _keys(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.keys()` of an object; raise Unsupported."""
    _expect_arguments(arguments, 0, 0)
    if of.kind != "object":
        raise Unsupported(".keys() of a value that may be a list")
    return Term(f"[$keys({of.source})]", "list")


def _first(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.first()`."""
    _expect_arguments(arguments, 0, 0)
    return Term(f"({of.source})[0]", "item" if of.kind == "items" else "any")


def _last(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.last()`, and `.pop()`, whose effect on the list is lost."""
    _expect_arguments(arguments, 0, 0)
    return Term(f"({of.source})[-1]", "item" if of.kind == "items" else "any")


def _to_text(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.toString()`."""
    _expect_arguments(arguments, 0, 0)
    source = as_text(translator, of)
    return Term(f"$string({source})" if of.kind in ("number", "boolean") else source, "text")


def _to_json(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.toJsonString()`."""
    _expect_arguments(arguments, 0, 0)
    return functions.as_json(translator, of)


def _to_number(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.toNumber()`."""
    _expect_arguments(arguments, 0, 0)
    return Term(as_number(translator, of))


def _is_empty(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.isEmpty()`."""
    _expect_arguments(arguments, 0, 0)
    return Term(translator.call_helper("empty", of), "boolean")


def _is_not_empty(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate n8n's `.isNotEmpty()`."""
    _expect_arguments(arguments, 0, 0)
    return Term(f"$not({translator.call_helper('empty', of)})", "boolean")


_METHODS: dict[str, Method] = {
    "toLowerCase": _create_text_method("$lowercase({0})"),
    "toUpperCase": _create_text_method("$uppercase({0})"),
    "trim": _create_text_method(TRIM_TEMPLATE),
    "base64Encode": _create_text_method("$base64encode({0})"),
    "urlEncode": _create_text_method("$encodeUrlComponent({0})"),
    "replace": _replace,
    "replaceAll": _replace_all,
    "split": _split,
    "join": _join,
    "includes": _includes,
    "startsWith": _starts_with,
    "endsWith": _ends_with,
    "slice": _slice,
    "substring": _substring,
    "substr": _substr,
    "charAt": _char_at,
    "match": _match,
    "reduce": functions.translate_reduce,
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
