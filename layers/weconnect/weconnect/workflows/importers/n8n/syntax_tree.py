"""The syntax tree of n8n's expressions: the part of JavaScript that can be translated."""

from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """The source is not JavaScript, or uses a part of it without a certain counterpart; the message names it."""


@dataclass(frozen=True)
class Constant:
    """A number, a text, true, false, null; `undefined` is a Name."""

    value: Any


@dataclass(frozen=True)
class Regex:
    pattern: str
    flags: str


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Member:
    """`of.key`, `of["key"]`, `of[0]`, with or without a question mark; a number is an index."""

    of: "Tree"
    key: str | int


@dataclass(frozen=True)
class Element:
    """`of[key]` with a computed key."""

    of: "Tree"
    key: "Tree"


@dataclass(frozen=True)
class Invoke:
    """`function(arguments)`, or `new function(arguments)`."""

    function: "Tree"
    arguments: "tuple[Tree, ...]"
    new: bool = False


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: "Tree"


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Tree"
    right: "Tree"


@dataclass(frozen=True)
class Conditional:
    test: "Tree"
    then: "Tree"
    otherwise: "Tree"


@dataclass(frozen=True)
class Arrow:
    parameters: tuple[str, ...]
    body: "Tree"


@dataclass(frozen=True)
class Bound:
    """`const name = value; body`: a binding, and the rest of the function up to what it returns."""

    name: str
    value: "Tree"
    body: "Tree"


@dataclass(frozen=True)
class Spread:
    """`...of`, within a list or an object."""

    of: "Tree"


@dataclass(frozen=True)
class ListOf:
    elements: "tuple[Tree, ...]"


@dataclass(frozen=True)
class ObjectOf:
    """Fields by name; the name of a Spread is empty."""

    fields: "tuple[tuple[str, Tree], ...]"


@dataclass(frozen=True)
class Joined:
    """A template literal: texts and expressions in order."""

    parts: "tuple[str | Tree, ...]"


Tree = (
    Constant
    | Regex
    | Name
    | Member
    | Element
    | Invoke
    | Unary
    | Binary
    | Conditional
    | Arrow
    | Bound
    | Spread
    | ListOf
    | ObjectOf
    | Joined
)
