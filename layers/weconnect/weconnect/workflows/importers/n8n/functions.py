"""JavaScript's functions, and the methods of moments: Luxon's DateTime and JavaScript's Date."""

import re

from weconnect.workflows.importers.n8n.jsonata_terms import (
    Term,
    TermTranslator,
    as_condition,
    as_number,
    as_text,
    as_value,
    moment_as_text,
)
from weconnect.workflows.importers.n8n.syntax_tree import (
    Arrow,
    Constant,
    Invoke,
    Name,
    ObjectOf,
    Tree,
    Unsupported,
)

NAMESPACES = {"Math", "JSON", "Object", "Array", "Date", "DateTime", "$input", "Number", "String"}

_MATH = {"floor": "$floor", "ceil": "$ceil", "abs": "$abs", "sqrt": "$sqrt"}
_INPUT = {"first": ("$input[0]", "item"), "last": ("$input[-1]", "item"), "all": ("$input", "items")}
_UNITS = {"week": 604_800_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}
_UNITS["millisecond"] = 1

MILLIS_BY_UNIT = {f"{unit}s": millis for unit, millis in _UNITS.items()}

_PICTURES = {
    "yyyy": "[Y0001]",
    "MMMM": "[MNn]",
    "LLLL": "[MNn]",
    "MMM": "[MNn,*-3]",
    "LLL": "[MNn,*-3]",
    "MM": "[M01]",
    "LL": "[M01]",
    "M": "[M]",
    "L": "[M]",
    "dd": "[D01]",
    "d": "[D]",
    "HH": "[H01]",
    "H": "[H]",
    "hh": "[h01]",
    "h": "[h]",
    "mm": "[m01]",
    "ss": "[s01]",
    "SSS": "[f001]",
    "a": "[PN]",
    "cccc": "[FNn]",
    "EEEE": "[FNn]",
    "ccc": "[FNn,*-3]",
    "EEE": "[FNn,*-3]",
}
_PARTS = {"year": "[Y]", "month": "[M]", "day": "[D]", "hour": "[H]", "minute": "[m]", "second": "[s]"}


def translate_call(translator: TermTranslator, name: str, arguments: tuple[Tree, ...]) -> Term:
    """Return the JSONata for a call of a function by its full name, such as `Math.floor`; raise Unsupported."""
    terms = (
        [translator.translate(argument) for argument in arguments] if name != "DateTime.fromFormat" else []
    )
    space, _, function = name.partition(".")
    if space == "Math":
        return _translate_math(translator, function, terms)
    if space == "$input" and function in _INPUT and not terms:
        source, kind = _INPUT[function]
        return Term(source, "items" if kind == "items" else "item")
    match name, len(terms):
        case "JSON.stringify", 1:
            return as_json(translator, terms[0])
        case "JSON.stringify", 3 if terms[1].source in ("null", "()") and terms[2].source == "2":
            if terms[0].kind in ("object", "list"):
                return Term(f"$string({terms[0].source}, true)", "text")
            return Term(translator.call_helper("pretty", Term(as_value(terms[0]))), "text")
        case "Object.keys", 1 if terms[0].kind in ("any", "object"):
            return Term(f"[$keys({terms[0].source})]", "list")
        case "Object.values", 1 if terms[0].kind in ("any", "object"):
            return Term(f"[$each({terms[0].source}, function($v) {{ $v }})]", "list")
        case "Array.isArray", 1:
            return Term(f'($type({as_value(terms[0])}) = "array")', "boolean")
        case "Number", 1:
            return Term(as_number(translator, terms[0]))
        case "String", 1:
            source = as_text(translator, terms[0])
            return Term(f"$string({source})" if terms[0].kind in ("number", "boolean") else source, "text")
        case "Boolean", 1:
            return Term(as_condition(translator, terms[0]), "boolean")
        case (("parseInt" | "Number.parseInt"), 1):
            return _parse_number(translator, terms[0], "[0-9]+")
        case (("parseInt" | "Number.parseInt"), 2) if terms[1].source == "10":
            return _parse_number(translator, terms[0], "[0-9]+")
        case (("parseFloat" | "Number.parseFloat"), 1):
            return _parse_number(translator, terms[0], "[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?")
        case "encodeURIComponent", 1:
            return Term(f"$encodeUrlComponent({as_text(translator, terms[0])})", "text")
        case (("DateTime.now" | "DateTime.utc"), 0):
            return Term("$millis()", "moment")
        case "Date.parse", 1:
            return Term(as_millis(translator, terms[0]), "number")
        case "DateTime.local", 0:
            return Term("$millis()", "moment")
        case "Date.now", 0:
            return Term("$millis()", "number")
        case "DateTime.fromISO", 1:
            require_utc(translator)
            return Term(f"$toMillis({terms[0].source})", "moment")
        case "DateTime.fromMillis", 1:
            return Term(as_number(translator, terms[0]), "moment")
        case "DateTime.fromSeconds", 1:
            return Term(f"({as_number(translator, terms[0])} * 1000)", "moment")
        case "$if", 3:
            return Term(
                f"({as_condition(translator, terms[0])} ? {as_value(terms[1])} : {as_value(terms[2])})"
            )
        case "$ifEmpty", 2:
            test = translator.call_helper("empty", Term(as_value(terms[0])))
            return Term(f"({test} ? {as_value(terms[1])} : {as_value(terms[0])})")
        case (("$min" | "$max"), count) if count:
            return _translate_math(translator, name[1:], terms)
    raise Unsupported(f"{name}()")


def as_json(translator: TermTranslator, term: Term) -> Term:
    """Return JSONata for a term as JSON text."""
    if term.kind in ("object", "list"):
        return Term(f"$string({term.source})", "text")
    if term.kind in ("number", "boolean"):
        return Term(f"$string({term.source})", "text")
    return Term(translator.call_helper("toJson", Term(as_value(term))), "text")


def _translate_math(translator: TermTranslator, name: str, terms: list[Term]) -> Term:
    """Return the JSONata for `Math.name(terms)`; raise Unsupported."""
    numbers = [as_number(translator, term) for term in terms]
    if name in _MATH and len(numbers) == 1:
        return Term(f"{_MATH[name]}({numbers[0]})", "number")
    if name == "round" and len(numbers) == 1:
        return Term(f"$floor({numbers[0]} + 0.5)", "number")
    if name == "pow" and len(numbers) == 2:
        return Term(f"$power({', '.join(numbers)})", "number")
    if name in ("max", "min") and numbers:
        return Term(f"${name}([{', '.join(numbers)}])", "number")
    raise Unsupported(f"Math.{name}()")


def translate_reduce(translator: TermTranslator, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """Translate `.reduce(function, start)`; without a start, an empty list is an error in JavaScript."""
    if len(arguments) != 2 or of.kind not in ("any", "list"):
        raise Unsupported(".reduce() without a start, or of items")
    if not isinstance(arguments[0], Arrow) or len(arguments[0].parameters) != 2:
        raise Unsupported(".reduce() with the index of each element")
    start = translator.translate(arguments[1])
    head, body = translator.translate_callback(arguments[0], Term("", "any"), same=True)
    return Term(f"$reduce({of.source}, {head} {{ {as_value(body)} }}, {as_value(start)})")


def _parse_number(translator: TermTranslator, term: Term, digits: str) -> Term:
    """Return JSONata for the number that a text begins with; `digits` is the pattern of an unsigned number."""
    text = term.source if term.kind == "text" else f"$string({as_value(term)})"
    match = f"$match({text}, /^\\s*[-+]?{digits}/)[0].match"
    return Term(f'$number($replace({match}, /^\\s*\\+|^\\s+/, ""))')


# Moments


def require_utc(translator: TermTranslator) -> None:
    """Raise Unsupported where n8n would use another time zone; note it where the file names none."""
    if translator.scope.timezone is None:
        translator.notes["uses UTC; the file names no time zone, so n8n used its own"] = None
    elif translator.scope.timezone not in ("UTC", "Etc/UTC", "GMT"):
        raise Unsupported(f"a time in the zone {translator.scope.timezone}")


def read_millis(source: str) -> str:
    """Return JSONata for a value in milliseconds: a number, or a text in ISO 8601; other texts fail the execution."""
    return f'(function($x) {{ $type($x) = "string" ? $toMillis($x) : $x }}({source}))'


def translate_today(translator: TermTranslator) -> Term:
    """Return JSONata for the start of today in UTC, in epoch milliseconds; raise Unsupported for another time zone."""
    require_utc(translator)
    return Term('$toMillis($now("[Y0001]-[M01]-[D01]"))', "moment")


def translate_new(translator: TermTranslator, tree: Invoke) -> Term:
    """Translate `new Date(…)`; raise Unsupported."""
    if not isinstance(tree.function, Name) or tree.function.name != "Date" or len(tree.arguments) > 1:
        raise Unsupported("new with another class than Date, or with more than one argument")
    if not tree.arguments:
        return Term("$millis()", "date")
    return Term(as_millis(translator, translator.translate(tree.arguments[0])), "date")


def as_millis(translator: TermTranslator, term: Term) -> str:
    """Return JSONata for a term in milliseconds; a text that is not ISO 8601 fails the execution. Raise Unsupported."""
    if term.kind in ("moment", "date") or term.source.isdecimal():
        return term.source
    if term.kind not in ("any", "text", "number"):
        raise Unsupported(f"a moment made of a {term.kind}")
    if term.kind != "number":
        require_utc(translator)
    return translator.call_helper("date", term)


def translate_moment_part(translator: TermTranslator, term: Term, key: str | int) -> Term:
    """Translate a property of a moment, such as `$now.year`; raise Unsupported."""
    if key not in _PARTS:
        raise Unsupported(f".{key} of a moment")
    require_utc(translator)
    return Term(f'$number($fromMillis({term.source}, "{_PARTS[str(key)]}"))', "number")


def translate_moment_method(
    translator: TermTranslator, of: Term, name: str, arguments: tuple[Tree, ...]
) -> Term:
    """Translate a method of a moment; raise Unsupported."""
    if name in ("getTime", "valueOf", "toMillis") and not arguments:
        return Term(of.source, "number")
    if name == "toDateTime" and not arguments:
        return Term(of.source, "moment")
    if name == "toISOString" or (of.kind == "moment" and name in ("toISO", "toString")):
        if arguments:
            raise Unsupported(f".{name}() with options")
        return Term(moment_as_text(of), "text")
    if of.kind == "date":
        raise Unsupported(f".{name}() of a Date")
    if name in ("toUTC", "toLocal") and not arguments:
        return of
    if name in ("toFormat", "format") and len(arguments) == 1:
        return _format_moment(translator, of, format_picture(arguments[0]))
    if name == "toISODate" and not arguments:
        return _format_moment(translator, of, "[Y0001]-[M01]-[D01]")
    if name in ("plus", "minus"):
        sign = "+" if name == "plus" else "-"
        return Term(f"({of.source} {sign} {_translate_duration(translator, arguments)})", "moment")
    if name == "toSeconds" and not arguments:
        return Term(f"({of.source} / 1000)", "number")
    if name == "startOf" and len(arguments) == 1 and arguments[0] == Constant("day"):
        require_utc(translator)
        return Term(f'$toMillis($fromMillis({of.source}, "[Y0001]-[M01]-[D01]"))', "moment")
    raise Unsupported(f".{name}() of a moment")


def _format_moment(translator: TermTranslator, of: Term, shape: str) -> Term:
    """Return JSONata for a moment as text; `shape` is a JSONata picture string. Raise Unsupported, unless in UTC."""
    require_utc(translator)
    if of.source == "$millis()":
        return Term(f'$now("{shape}")', "text")
    return Term(f'$fromMillis({of.source}, "{shape}")', "text")


def format_picture(tree: Tree) -> str:
    """Return JSONata's picture string for one of Luxon's formats; raise Unsupported."""
    if not isinstance(tree, Constant) or not isinstance(tree.value, str):
        raise Unsupported("a computed format")
    picture = ""
    for part_of in re.finditer(r"'[^']*'|([A-Za-z])\1*|[^A-Za-z']", tree.value):
        token = part_of[0]
        if part_of[1]:
            if token not in _PICTURES:
                raise Unsupported(f"{token} in a format")
            picture += _PICTURES[token]
        else:
            picture += token.strip("'")
    if set(re.sub(r"\[[A-Za-z0-9,*-]+\]", "", picture)) & set('[]"\\') or tree.value.count("'") % 2:
        raise Unsupported("a format with brackets or quotes")
    return picture


def _translate_duration(translator: TermTranslator, arguments: tuple[Tree, ...]) -> str:
    """Return JSONata for a duration in milliseconds: `({days: 1})` or `(1, "days")`; raise Unsupported."""
    pairs: list[tuple[Tree, str]]
    if len(arguments) == 1 and isinstance(arguments[0], ObjectOf):
        pairs = [(inner, unit) for unit, inner in arguments[0].fields]
    elif len(arguments) == 2 and isinstance(arguments[1], Constant):
        pairs = [(arguments[0], str(arguments[1].value))]
    else:
        raise Unsupported("a duration of that form")
    addends = []
    for amount, unit in pairs:
        millis = _UNITS.get(unit.lower().removesuffix("s"))
        if millis is None:
            raise Unsupported(f"a duration in {unit}")
        if millis >= _UNITS["day"]:
            require_utc(translator)
        addends.append(f"{as_number(translator, translator.translate(amount))} * {millis}")
    if not addends:
        raise Unsupported("an empty duration")
    return f"({' + '.join(addends)})"
