"""JSONata that stands for a JavaScript value, and what is known of that value."""

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
`node`: what `$('Name')` answers. `missing`: `undefined`. `function`: one with a name. `match`: what `.match()` finds.
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
"""Functions that do what JavaScript does; those that an expression needs stand at its beginning."""

NEEDS = {"plus": ("text", "num"), "less": ("num",), "upto": ("num",)}

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_WORDS = {"and", "or", "in", "true", "false", "null", "function"}
_TAKEN = {
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
_TAKEN |= {
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
_TAKEN |= {
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
_TAKEN |= {
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
_TAKEN |= {"fromMillis", "toMillis", "match", "sum", "round", "abs", "ceil", "sqrt", "power"}


@dataclass(frozen=True)
class Term:
    """A piece of JSONata that may stand anywhere: what is not a path, a call or a constant is in parentheses."""

    source: str
    kind: Kind = "any"
    name: str = ""
    """Of the node, for the kind `node`."""


@dataclass(frozen=True)
class Surroundings:
    """Where an expression stands: the new names of n8n's nodes, and which item of each belongs to the node's own.

    `of_node` answers `first`, `index` when the item with the same number does, `assumed` when that is not certain.
    """

    names: Mapping[str, str]
    of_node: Callable[[str], Literal["first", "index", "assumed"]]
    timezone: str | None = None
    whole: bool = False
    """Whether it stands for all items at once, so that there is no single one."""


class Writer(Protocol):
    """What methods need of the translation that they are a part of."""

    where: Surroundings
    notes: dict[str, None]

    def term(self, tree: Tree) -> Term: ...

    def function(self, tree: Tree, of: Term, *, same: bool = False) -> tuple[str, Term]:
        """`function($x) { … }` of a callback over what `of` holds, up to its body, and the body.

        Its second parameter is a place, or the `same` as the first: any value.
        """

    def helper(self, name: str, *arguments: Term) -> str:
        """A call of one of the helpers."""


def constant(value: object) -> Term:
    """A JSON value without lists in it."""
    kinds: dict[type, Kind] = {bool: "boolean", int: "number", float: "number", str: "text"}
    return Term(json.dumps(value, ensure_ascii=False), kinds.get(type(value), "any"))


def quoted(key: str) -> str:
    """A field's name in a path."""
    if _PLAIN.fullmatch(key) and key not in _WORDS:
        return key
    if "`" in key or not key or any(ord(letter) < 32 for letter in key):
        raise Unsupported(f"the key {key!r}")
    return f"`{key}`"


def text_of_field(path: str) -> str:
    """What stands at a path of fields; raises Unsupported."""
    return "$json." + ".".join(quoted(part) for part in path.split("."))


def variable(name: str) -> str:
    """A callback's parameter as a variable."""
    if not _PLAIN.fullmatch(name.strip("_$")):
        return "$item_"
    plain = name.strip("_$")
    return f"${plain}_" if plain in _TAKEN or plain != name else f"${plain}"


def text(writer: Writer, term: Term) -> str:
    """A value within a text."""
    if term.kind in ("text", "number", "boolean"):
        return term.source
    if term.kind == "moment":
        return moment_text(term)
    if term.kind in ("date", "node", "item", "items", "missing", "function", "match"):
        raise Unsupported(f"a text made of {'a Date' if term.kind == 'date' else 'what is no value'}")
    return writer.helper("text", term)


def number(writer: Writer, term: Term) -> str:
    """A value as a number."""
    if term.kind in ("number", "moment", "date"):
        return term.source
    if term.kind in ("list", "object", "node", "item", "items", "function", "match"):
        raise Unsupported("a number made of a list or an object")
    return writer.helper("num", term)


def truth(writer: Writer, term: Term) -> str:
    """A value as a condition; never missing."""
    if term.kind == "boolean":
        return term.source
    if term.kind in ("list", "object", "moment", "date", "node", "items", "function"):
        return "true"
    if term.kind == "match":
        return f"$exists({term.source})"
    return writer.helper("truthy", term)


def value(term: Term) -> str:
    """A value as an expression gives it."""
    if term.kind in ("moment", "date"):
        return moment_text(term)
    if term.kind == "match":
        return f"($exists({term.source}) ? [{term.source}.match, {term.source}.groups] : null)"
    if term.kind in ("node", "item", "items", "function"):
        raise Unsupported("n8n's own item as a value")
    return term.source


def moment_text(term: Term) -> str:
    return "$now()" if term.source == "$millis()" else f"$fromMillis({term.source})"
