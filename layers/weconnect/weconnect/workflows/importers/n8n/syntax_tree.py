"""What n8n's expressions are made of: a part of JavaScript's expressions, as a tree."""

from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """This is not JavaScript, or a part of it that has no certain counterpart here; the text says which."""


@dataclass(frozen=True)
class Constant:
    """A number, a text, true, false, null; `undefined` is the name it is."""

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
    """`of.key`, `of["key"]`, `of[0]`, with or without a question mark: a number is a place in a list."""

    of: "Tree"
    key: str | int


@dataclass(frozen=True)
class Element:
    """`of[key]` with a key that is computed."""

    of: "Tree"
    key: "Tree"


@dataclass(frozen=True)
class Invoke:
    """`function(arguments)`; `new` tells `new Date()`."""

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
    """`const name = value; body`: the body of a function up to what it returns."""

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
    """Fields by name; a Spread has none."""

    fields: "tuple[tuple[str, Tree], ...]"


@dataclass(frozen=True)
class Joined:
    """A template literal: texts and expressions in turn."""

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
