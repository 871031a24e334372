"""Pieces of JSONata for JavaScript values, each with the kind of its value."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from weconnect.workflows.importers.n8n.syntax_tree import Tree, Unsupported

Kind = Literal[
    "any",
    "number",
    "text",
    "boolean",
    "list",
    "object",
    "missing",
    "moment",
    "date",
    "item",
    "items",
    "node",
    "function",
    "match",
]
"""`moment` and `date`: a Luxon DateTime and a Date, as milliseconds. `item`, `items`: n8n's, with their `json`.
`node`: the result of `$('Name')`. `missing`: `undefined`. `function`: a named one. `match`: the result of `.match()`.
"""

SCALARS = ("text", "number", "boolean")

HELPERS = {
    "truthy": 'function($x) { $type($x) in ["array", "object"] or $boolean($x) }',
    "num": (
        'function($x) { $type($x) = "number" ? $x : $type($x) = "boolean" ? ($x ? 1 : 0)'
        ' : $type($x) = "null" ? 0 : $type($x) = "string" ? ($contains($x, /\\S/)'
        " ? ($contains($x, /^\\s*[-+]?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?\\s*$/)"
        ' ? $number($replace($x, /^\\s*\\+|^\\s+|\\s+$/, ""))) : 0) }'
    ),
    "text": (
        'function($x) { $type($x) = "array" ? $join([$map($x, function($y) { $y = null ? "" : $text($y) })], ",")'
        ' : $type($x) = "object" ? "[object Object]" : $string($x) }'
    ),
    "plus": (
        'function($x, $y) { $type($x) in ["string", "array", "object"] or $type($y) in ["string", "array", "object"]'
        " ? $text($x) & $text($y) : $num($x) + $num($y) }"
    ),
    "less": (
        'function($x, $y) { ($type($x) = "string" and $type($y) = "string" ? $x < $y : $num($x) < $num($y))'
        " ? true : false }"
    ),
    "upto": (
        'function($x, $y) { ($type($x) = "string" and $type($y) = "string" ? $x <= $y : $num($x) <= $num($y))'
        " ? true : false }"
    ),
    "same": "function($x, $y) { $exists($x) ? $x = $y : $not($exists($y)) }",
    "size": (
        'function($x) { $type($x) = "array" ? $count($x) : $type($x) = "string" ? $length($x) : $x.length }'
    ),
    "has": ('function($x, $y) { $type($x) = "array" ? $y in $x : $type($x) = "string" ? $contains($x, $y) }'),
    "toJson": (
        'function($x) { $type($x) = "string" ? ($s := $string([$x]); $substring($s, 1, $length($s) - 2))'
        " : $string($x) }"
    ),
    "at": (
        'function($x, $y) { $type($x) = "array" ? ($type($y) = "number" ? ($y >= 0 and $floor($y) = $y ? $x[$y]))'
        ' : $type($x) = "string" ? ($type($y) = "number" and $y >= 0 and $y < $length($x)'
        " ? $substring($x, $y, 1)) : $exists($x) ? $lookup($x, $string($y)) }"
    ),
    "one": 'function($x) { $exists($x) ? ($type($x) = "array" ? [[$x]] : $x) : null }',
    "spread": 'function($x) { $type($x) = "string" ? $split($x, "") : $x }',
    "fields": (
        'function($x) { $type($x) = "object" ? $x : $type($x) in ["string", "array"] and $x != "" and $x != []'
        ' ? $error("A text or a list where an object should be spread") : {} }'
    ),
    "pretty": (
        'function($x) { $type($x) = "string" ? ($s := $string([$x]); $substring($s, 1, $length($s) - 2))'
        " : $string($x, true) }"
    ),
    "date": (
        'function($x) { $type($x) = "string" ? $toMillis($x) : $type($x) = "number"'
        ' ? ($x < 0 ? $ceil($x) : $floor($x)) : $type($x) = "boolean" ? ($x ? 1 : 0) : $x = null ? 0 }'
    ),
    "empty": (
        'function($x) { $not($exists($x)) or $x = null or $x = "" or $x = []'
        ' or ($type($x) = "object" and $count($keys($x)) = 0) }'
    ),
}
"""Functions with JavaScript's semantics; an expression begins with those that it needs."""

HELPER_DEPENDENCIES = {"plus": ("text", "num"), "less": ("num",), "upto": ("num",)}

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_KEYWORDS = {"and", "or", "in", "true", "false", "null", "function"}
_RESERVED_VARIABLES = {
    *HELPERS,
    "json",
    "input",
    "index",
    "nodes",
    "execution",
    "trigger",
    "s",
    "v",
    "i",
    "x",
    "y",
    "map",
    "filter",
}
_RESERVED_VARIABLES |= {
    "string",
    "number",
    "type",
    "count",
    "length",
    "join",
    "substring",
    "replace",
    "contains",
    "exists",
    "not",
}
_RESERVED_VARIABLES |= {
    "now",
    "millis",
    "keys",
    "each",
    "split",
    "max",
    "min",
    "boolean",
    "lowercase",
    "uppercase",
    "floor",
}
_RESERVED_VARIABLES |= {
    "append",
    "distinct",
    "error",
    "lookup",
    "merge",
    "pad",
    "reduce",
    "reverse",
    "sort",
    "substringBefore",
}
_RESERVED_VARIABLES |= {"fromMillis", "toMillis", "match", "sum", "round", "abs", "ceil", "sqrt", "power"}


@dataclass(frozen=True)
class Term:
    """A piece of JSONata that may be used anywhere: anything but a path, a call or a constant is in parentheses."""

    source: str
    kind: Kind = "any"
    name: str = ""
    """Of the node, for the kind `node`."""


@dataclass(frozen=True)
class ExpressionScope:
    """The surroundings of an expression: new names of n8n's nodes, and which item of each belongs to the node's own.

    `item_of_node` returns `first`, `index` for the item with the same index, or `assumed` when that is not certain.
    """

    names: Mapping[str, str]
    item_of_node: Callable[[str], Literal["first", "index", "assumed"]]
    timezone: str | None = None
    sees_all_items: bool = False
    """The expression is evaluated once for all items, which then has none of its own."""


class TermTranslator(Protocol):
    """The part of `ExpressionTranslator` that functions and methods need."""

    scope: ExpressionScope
    notes: dict[str, None]

    def translate(self, tree: Tree) -> Term:
        """Return the JSONata for a tree; raise Unsupported."""

    def translate_callback(self, tree: Tree, of: Term, *, same: bool = False) -> tuple[str, Term]:
        """Return the head of a callback over the elements of `of`, `function($x)`, and its body.

        Its second parameter is an index, or, when `same`, any value as the first.
        """

    def call_helper(self, name: str, *arguments: Term) -> str:
        """Return a call of one of `HELPERS`, which the expression then defines."""


def constant(value: object) -> Term:
    """Return the term of a JSON value that contains no list."""
    kinds: dict[type, Kind] = {bool: "boolean", int: "number", float: "number", str: "text"}
    return Term(json.dumps(value, ensure_ascii=False), kinds.get(type(value), "any"))


def quote_field(key: str) -> str:
    """Return a field's name as a path writes it; raise Unsupported."""
    if _PLAIN_NAME.fullmatch(key) and key not in _KEYWORDS:
        return key
    if "`" in key or not key or any(ord(letter) < 32 for letter in key):
        raise Unsupported(f"the key {key!r}")
    return f"`{key}`"


def field_path(path: str) -> str:
    """Return the path of a field of the item, such as `$json.a.b`; raise Unsupported."""
    return "$json." + ".".join(quote_field(part) for part in path.split("."))


def variable_name(name: str) -> str:
    """Return a JSONata variable for a JavaScript name."""
    if not _PLAIN_NAME.fullmatch(name.strip("_$")):
        return "$item_"
    plain = name.strip("_$")
    return f"${plain}_" if plain in _RESERVED_VARIABLES or plain != name else f"${plain}"


def as_text(translator: TermTranslator, term: Term) -> str:
    """Return JSONata for a term as it appears within a text; raise Unsupported."""
    if term.kind in ("text", "number", "boolean"):
        return term.source
    if term.kind == "moment":
        return moment_as_text(term)
    if term.kind in ("date", "node", "item", "items", "missing", "function", "match"):
        raise Unsupported(f"a text made of {'a Date' if term.kind == 'date' else f'a {term.kind}'}")
    return translator.call_helper("text", term)


def as_number(translator: TermTranslator, term: Term) -> str:
    """Return JSONata for a term converted to a number; raise Unsupported."""
    if term.kind in ("number", "moment", "date"):
        return term.source
    if term.kind in ("list", "object", "node", "item", "items", "function", "match"):
        raise Unsupported("a number made of a list or an object")
    return translator.call_helper("num", term)


def as_condition(translator: TermTranslator, term: Term) -> str:
    """Return JSONata for a term as a condition, which is always true or false."""
    if term.kind == "boolean":
        return term.source
    if term.kind in ("list", "object", "moment", "date", "node", "items", "function"):
        return "true"
    if term.kind == "match":
        return f"$exists({term.source})"
    return translator.call_helper("truthy", term)


def as_value(term: Term) -> str:
    """Return JSONata for a term as the value of an expression; raise Unsupported."""
    if term.kind in ("moment", "date"):
        return moment_as_text(term)
    if term.kind == "match":
        return f"($exists({term.source}) ? [{term.source}.match, {term.source}.groups] : null)"
    if term.kind in ("node", "item", "items", "function"):
        raise Unsupported("an item of n8n's as a value")
    return term.source


def moment_as_text(term: Term) -> str:
    """Return JSONata for a moment as text in ISO 8601."""
    return "$now()" if term.source == "$millis()" else f"$fromMillis({term.source})"
