"""Functions, and what is done with moments: Luxon's DateTime, JavaScript's Date."""

import re

from weconnect.workflows.importers.n8n.jsonata_terms import (
    Term,
    Writer,
    moment_text,
    number,
    text,
    truth,
    value,
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

SPACES = {"Math", "JSON", "Object", "Array", "Date", "DateTime", "$input", "Number", "String"}

_MATH = {"floor": "$floor", "ceil": "$ceil", "abs": "$abs", "sqrt": "$sqrt"}
_INPUT = {"first": ("$input[0]", "item"), "last": ("$input[-1]", "item"), "all": ("$input", "items")}
_UNITS = {"week": 604_800_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}
_UNITS["millisecond"] = 1

UNITS_OF_NODES = {f"{unit}s": millis for unit, millis in _UNITS.items()}

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


def called(writer: Writer, name: str, arguments: tuple[Tree, ...]) -> Term:
    """The JSONata for a call of a function by its whole name; raises Unsupported."""
    terms = [writer.term(argument) for argument in arguments] if name != "DateTime.fromFormat" else []
    space, _, function = name.partition(".")
    if space == "Math":
        return _math(writer, function, terms)
    if space == "$input" and function in _INPUT and not terms:
        source, kind = _INPUT[function]
        return Term(source, "items" if kind == "items" else "item")
    match name, len(terms):
        case "JSON.stringify", 1:
            return as_json(writer, terms[0])
        case "JSON.stringify", 3 if terms[1].source in ("null", "()") and terms[2].source == "2":
            if terms[0].kind in ("object", "list"):
                return Term(f"$string({terms[0].source}, true)", "text")
            return Term(writer.helper("pretty", Term(value(terms[0]))), "text")
        case "Object.keys", 1 if terms[0].kind in ("any", "object"):
            return Term(f"[$keys({terms[0].source})]", "list")
        case "Object.values", 1 if terms[0].kind in ("any", "object"):
            return Term(f"[$each({terms[0].source}, function($v) {{ $v }})]", "list")
        case "Array.isArray", 1:
            return Term(f'($type({value(terms[0])}) = "array")', "boolean")
        case "Number", 1:
            return Term(number(writer, terms[0]))
        case "String", 1:
            source = text(writer, terms[0])
            return Term(f"$string({source})" if terms[0].kind in ("number", "boolean") else source, "text")
        case "Boolean", 1:
            return Term(truth(writer, terms[0]), "boolean")
        case (("parseInt" | "Number.parseInt"), 1):
            return _parsed(writer, terms[0], "[0-9]+")
        case (("parseInt" | "Number.parseInt"), 2) if terms[1].source == "10":
            return _parsed(writer, terms[0], "[0-9]+")
        case (("parseFloat" | "Number.parseFloat"), 1):
            return _parsed(writer, terms[0], "[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?")
        case "encodeURIComponent", 1:
            return Term(f"$encodeUrlComponent({text(writer, terms[0])})", "text")
        case (("DateTime.now" | "DateTime.utc"), 0):
            return Term("$millis()", "moment")
        case "Date.parse", 1:
            return Term(moment_of(writer, terms[0]), "number")
        case "DateTime.local", 0:
            return Term("$millis()", "moment")
        case "Date.now", 0:
            return Term("$millis()", "number")
        case "DateTime.fromISO", 1:
            need_utc(writer)
            return Term(f"$toMillis({terms[0].source})", "moment")
        case "DateTime.fromMillis", 1:
            return Term(number(writer, terms[0]), "moment")
        case "DateTime.fromSeconds", 1:
            return Term(f"({number(writer, terms[0])} * 1000)", "moment")
        case "$if", 3:
            return Term(f"({truth(writer, terms[0])} ? {value(terms[1])} : {value(terms[2])})")
        case "$ifEmpty", 2:
            test = writer.helper("empty", Term(value(terms[0])))
            return Term(f"({test} ? {value(terms[1])} : {value(terms[0])})")
        case (("$min" | "$max"), count) if count:
            return _math(writer, name[1:], terms)
    raise Unsupported(f"{name}()")


def as_json(writer: Writer, term: Term) -> Term:
    """A value as JSON text."""
    if term.kind in ("object", "list"):
        return Term(f"$string({term.source})", "text")
    if term.kind in ("number", "boolean"):
        return Term(f"$string({term.source})", "text")
    return Term(writer.helper("toJson", Term(value(term))), "text")


def _math(writer: Writer, name: str, terms: list[Term]) -> Term:
    numbers = [number(writer, term) for term in terms]
    if name in _MATH and len(numbers) == 1:
        return Term(f"{_MATH[name]}({numbers[0]})", "number")
    if name == "round" and len(numbers) == 1:
        return Term(f"$floor({numbers[0]} + 0.5)", "number")
    if name == "pow" and len(numbers) == 2:
        return Term(f"$power({', '.join(numbers)})", "number")
    if name in ("max", "min") and numbers:
        return Term(f"${name}([{', '.join(numbers)}])", "number")
    raise Unsupported(f"Math.{name}()")


def reduced(writer: Writer, of: Term, arguments: tuple[Tree, ...]) -> Term:
    """`.reduce(function, start)`; without a start an empty list ends a run, and is nothing here."""
    if len(arguments) != 2 or of.kind not in ("any", "list"):
        raise Unsupported(".reduce() without a start, or of items")
    if not isinstance(arguments[0], Arrow) or len(arguments[0].parameters) != 2:
        raise Unsupported(".reduce() with the place of each element")
    start = writer.term(arguments[1])
    head, body = writer.function(arguments[0], Term("", "any"), same=True)
    return Term(f"$reduce({of.source}, {head} {{ {value(body)} }}, {value(start)})")


def _parsed(writer: Writer, term: Term, digits: str) -> Term:
    said = term.source if term.kind == "text" else f"$string({value(term)})"
    found = f"$match({said}, /^\\s*[-+]?{digits}/)[0].match"
    return Term(f'$number($replace({found}, /^\\s*\\+|^\\s+/, ""))')


# Moments


def need_utc(writer: Writer) -> None:
    """Raise Unsupported where n8n would tell the time of another zone; say so where it was not told which."""
    if writer.where.timezone is None:
        writer.notes["tells the time in UTC; the file names no time zone, so n8n used its own"] = None
    elif writer.where.timezone not in ("UTC", "Etc/UTC", "GMT"):
        raise Unsupported(f"a time in the zone {writer.where.timezone}")


def read_moment(source: str) -> str:
    """Milliseconds of a number, which they are, or of ISO 8601; another text is an error when it runs."""
    return f'(function($x) {{ $type($x) = "string" ? $toMillis($x) : $x }}({source}))'


def today(writer: Writer) -> Term:
    need_utc(writer)
    return Term('$toMillis($now("[Y0001]-[M01]-[D01]"))', "moment")


def made(writer: Writer, tree: Invoke) -> Term:
    """`new Date(…)`."""
    if not isinstance(tree.function, Name) or tree.function.name != "Date" or len(tree.arguments) > 1:
        raise Unsupported("new")
    if not tree.arguments:
        return Term("$millis()", "date")
    return Term(moment_of(writer, writer.term(tree.arguments[0])), "date")


def moment_of(writer: Writer, term: Term) -> str:
    """The milliseconds of a value: a text that is no ISO 8601 ends the run, and is not taken for another time."""
    if term.kind in ("moment", "date") or term.source.isdecimal():
        return term.source
    if term.kind not in ("any", "text", "number"):
        raise Unsupported(f"a moment made of a {term.kind}")
    if term.kind != "number":
        need_utc(writer)
    return writer.helper("date", term)


def part(writer: Writer, term: Term, key: str | int) -> Term:
    """`$now.year`."""
    if key not in _PARTS:
        raise Unsupported(f".{key} of a moment")
    need_utc(writer)
    return Term(f'$number($fromMillis({term.source}, "{_PARTS[str(key)]}"))', "number")


def of_moment(writer: Writer, of: Term, name: str, arguments: tuple[Tree, ...]) -> Term:
    """A method of a moment."""
    if name in ("getTime", "valueOf", "toMillis") and not arguments:
        return Term(of.source, "number")
    if name == "toDateTime" and not arguments:
        return Term(of.source, "moment")
    if name == "toISOString" or (of.kind == "moment" and name in ("toISO", "toString")):
        if arguments:
            raise Unsupported(f".{name}() with options")
        return Term(moment_text(of), "text")
    if of.kind == "date":
        raise Unsupported(f".{name}() of a Date")
    if name in ("toUTC", "toLocal") and not arguments:
        return of
    if name in ("toFormat", "format") and len(arguments) == 1:
        return _formatted(writer, of, picture(arguments[0]))
    if name == "toISODate" and not arguments:
        return _formatted(writer, of, "[Y0001]-[M01]-[D01]")
    if name in ("plus", "minus"):
        sign = "+" if name == "plus" else "-"
        return Term(f"({of.source} {sign} {_duration(writer, arguments)})", "moment")
    if name == "toSeconds" and not arguments:
        return Term(f"({of.source} / 1000)", "number")
    if name == "startOf" and len(arguments) == 1 and arguments[0] == Constant("day"):
        need_utc(writer)
        return Term(f'$toMillis($fromMillis({of.source}, "[Y0001]-[M01]-[D01]"))', "moment")
    raise Unsupported(f".{name}() of a moment")


def _formatted(writer: Writer, of: Term, shape: str) -> Term:
    need_utc(writer)
    if of.source == "$millis()":
        return Term(f'$now("{shape}")', "text")
    return Term(f'$fromMillis({of.source}, "{shape}")', "text")


def picture(tree: Tree) -> str:
    """JSONata's picture for one of Luxon's formats; raises Unsupported."""
    if not isinstance(tree, Constant) or not isinstance(tree.value, str):
        raise Unsupported("a format that is computed")
    found = ""
    for part_of in re.finditer(r"'[^']*'|([A-Za-z])\1*|[^A-Za-z']", tree.value):
        token = part_of[0]
        if part_of[1]:
            if token not in _PICTURES:
                raise Unsupported(f"{token} in a format")
            found += _PICTURES[token]
        else:
            found += token.strip("'")
    if set(re.sub(r"\[[A-Za-z0-9,*-]+\]", "", found)) & set('[]"\\') or tree.value.count("'") % 2:
        raise Unsupported("a format with brackets or quotes")
    return found


def _duration(writer: Writer, arguments: tuple[Tree, ...]) -> str:
    pairs: list[tuple[Tree, str]]
    if len(arguments) == 1 and isinstance(arguments[0], ObjectOf):
        pairs = [(inner, unit) for unit, inner in arguments[0].fields]
    elif len(arguments) == 2 and isinstance(arguments[1], Constant):
        pairs = [(arguments[0], str(arguments[1].value))]
    else:
        raise Unsupported("a duration of that form")
    found = []
    for amount, unit in pairs:
        millis = _UNITS.get(unit.lower().removesuffix("s"))
        if millis is None:
            raise Unsupported(f"a duration in {unit}")
        if millis >= _UNITS["day"]:
            need_utc(writer)
        found.append(f"{number(writer, writer.term(amount))} * {millis}")
    if not found:
        raise Unsupported("an empty duration")
    return f"({' + '.join(found)})"
