"""JavaScript as n8n's expressions and code nodes use it, parsed by tree-sitter into the tree of `syntax_tree`.

What is rare or has no counterpart here (assignments, loops, classes, patterns) is refused with `Unsupported`, which
names it. Of statements only those are read that make a function one expression: `const`, `if … return` and `return`.
"""

import functools
import itertools
import re
from collections.abc import Sequence

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from weconnect.workflows.importers.n8n.syntax_tree import (
    Arrow,
    Binary,
    Bound,
    Conditional,
    Constant,
    Element,
    Invoke,
    Joined,
    ListOf,
    Member,
    Name,
    ObjectOf,
    Regex,
    Spread,
    Tree,
    Unary,
    Unsupported,
)

MAX_SOURCE = 10_000
MAX_DEPTH = 100
"""Levels of the tree; each operator in a row is one."""

_BINARY_OPERATORS = {
    "??",
    "||",
    "&&",
    "===",
    "!==",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
}
_UNARY_OPERATORS = {"!", "-", "+"}
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def parse(source: str) -> Tree:
    """Return the tree of one expression; raise Unsupported when it is none, or one without a counterpart."""
    wrapped = f"({source.strip().removesuffix(';')}\n)"
    statements = _statements_of(wrapped)
    inner = statements[0].named_children if len(statements) == 1 else []
    if len(inner) != 1 or inner[0].type != "parenthesized_expression" or _text(inner[0]) != wrapped:
        raise Unsupported("not one expression")
    return _expression(inner[0], 0)


def parse_program(source: str) -> Tree:
    """Return what a function with these statements returns, as one tree; raise Unsupported when that is none."""
    return _body(_statements_of(source), 0, must_return=False)


@functools.cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_javascript.language()))


def _statements_of(source: str) -> list[Node]:
    if len(source) > MAX_SOURCE:
        raise Unsupported(f"more than {MAX_SOURCE} characters")
    try:
        root = _parser().parse(source.encode()).root_node
    except UnicodeEncodeError:
        raise Unsupported("half a surrogate pair") from None
    if root.has_error:
        raise Unsupported("a syntax error")
    return _children(root)


def _children(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _field(node: Node, name: str) -> Node:
    child = node.child_by_field_name(name)
    if child is None:
        raise Unsupported(f"{_name_of(node)} without {name}")
    return child


def _name_of(node: Node) -> str:
    return node.type.replace("_", " ")


# Expressions


def _expression(node: Node, depth: int) -> Tree:
    if depth > MAX_DEPTH:
        raise Unsupported(f"nesting of more than {MAX_DEPTH} levels")
    depth += 1
    match node.type:
        case "parenthesized_expression":
            (inner,) = _children(node)
            return _expression(inner, depth)
        case "identifier" | "undefined":
            return Name(_identifier(node))
        case "true" | "false" | "null":
            return Constant(_CONSTANTS[node.type])
        case "number":
            return Constant(_number(node))
        case "string":
            return Constant(_string(node))
        case "template_string":
            return _template(node, depth)
        case "regex":
            flags = node.child_by_field_name("flags")
            return Regex(_text(_field(node, "pattern")), _text(flags) if flags else "")
        case "array":
            return ListOf(tuple(_elements(node, depth)))
        case "object":
            return ObjectOf(tuple(_entry(child, depth) for child in _children(node)))
        case "member_expression":
            return Member(_expression(_field(node, "object"), depth), _identifier(_field(node, "property")))
        case "subscript_expression":
            return _subscript(node, depth)
        case "call_expression" | "new_expression":
            return _call(node, depth)
        case "unary_expression":
            return Unary(_operator(node, _UNARY_OPERATORS), _expression(_field(node, "argument"), depth))
        case "binary_expression":
            operator = _operator(node, _BINARY_OPERATORS)
            left, right = _field(node, "left"), _field(node, "right")
            return Binary(operator, _expression(left, depth), _expression(right, depth))
        case "ternary_expression":
            test, then, otherwise = (
                _expression(_field(node, name), depth) for name in ("condition", "consequence", "alternative")
            )
            return Conditional(test, then, otherwise)
        case "arrow_function" | "function_expression":
            return _function(node, depth)
    raise Unsupported(_name_of(node))


def _identifier(node: Node) -> str:
    name = _text(node)
    if not _NAME.fullmatch(name):
        raise Unsupported(f"the name {name!r}")
    return name


def _operator(node: Node, supported: set[str]) -> str:
    operator = _text(_field(node, "operator"))
    if operator not in supported:
        raise Unsupported(f"the operator {operator!r}")
    return operator


def _number(node: Node) -> int | float:
    text = _text(node)
    if not _NUMBER.fullmatch(text):
        raise Unsupported(f"the number {text!r}")
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _string(node: Node) -> str:
    return "".join(_fragment(child) for child in node.named_children)


def _fragment(node: Node) -> str:
    """Return the text of a string's fragment or of one of its escape sequences."""
    text = _text(node)
    if node.type == "string_fragment":
        return text
    letter, digits = text[1], text[2:]
    if letter in ("u", "x"):
        if not re.fullmatch(r"[0-9a-fA-F]{4}|[0-9a-fA-F]{2}", digits) or "d800" <= digits.lower() <= "dfff":
            raise Unsupported(f"the escape {text}")
        return chr(int(digits, 16))
    if letter.isdigit() and text != "\\0":
        raise Unsupported("an escape of digits")
    return _ESCAPES.get(letter, text[1:])


def _template(node: Node, depth: int) -> Joined:
    parts: list[str | Tree] = []
    for child in node.named_children:
        if child.type == "template_substitution":
            parts += [_expression(inner, depth) for inner in _children(child)]
        elif parts and isinstance(parts[-1], str):
            parts[-1] += _fragment(child)
        else:
            parts.append(_fragment(child))
    return Joined(tuple(parts))


def _elements(node: Node, depth: int) -> list[Tree]:
    """Return the elements of a list or the arguments of a call."""
    kinds = [child.type for child in node.children if child.type != "comment"]
    if any(before in "[," and after == "," for before, after in itertools.pairwise(kinds)):
        raise Unsupported("a list with holes")
    return [
        _spread(child, depth) if child.type == "spread_element" else _expression(child, depth)
        for child in _children(node)
    ]


def _spread(node: Node, depth: int) -> Spread:
    (inner,) = _children(node)
    return Spread(_expression(inner, depth))


def _entry(node: Node, depth: int) -> tuple[str, Tree]:
    match node.type:
        case "spread_element":
            return "", _spread(node, depth)
        case "shorthand_property_identifier":
            return _identifier(node), Name(_identifier(node))
        case "pair":
            return _key(_field(node, "key")), _expression(_field(node, "value"), depth)
    raise Unsupported(f"{_name_of(node)} within an object")


def _key(node: Node) -> str:
    match node.type:
        case "property_identifier":
            return _identifier(node)
        case "string":
            return _string(node)
        case "number":
            return str(_number(node))
    raise Unsupported(f"{_name_of(node)} within an object")


def _subscript(node: Node, depth: int) -> Tree:
    of, key = _expression(_field(node, "object"), depth), _expression(_field(node, "index"), depth)
    value = key.value if isinstance(key, Constant) else None
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return Member(of, value)
    return Element(of, key)


def _call(node: Node, depth: int) -> Invoke:
    if node.child_by_field_name("optional_chain"):
        raise Unsupported("a call with ?.")
    arguments = node.child_by_field_name("arguments")
    if arguments and arguments.type != "arguments":
        raise Unsupported("a tagged template")
    values = tuple(_elements(arguments, depth)) if arguments else ()
    if node.type == "new_expression":
        return Invoke(Name(_identifier(_field(node, "constructor"))), values, new=True)
    return Invoke(_expression(_field(node, "function"), depth), values)


def _function(node: Node, depth: int) -> Arrow:
    if any(child.type == "async" for child in node.children):
        raise Unsupported("an async function")
    single = node.child_by_field_name("parameter")
    names = [single] if single else _children(_field(node, "parameters"))
    if any(name.type != "identifier" for name in names):
        raise Unsupported("a parameter that is a pattern or has a default")
    parameters, body = tuple(_identifier(name) for name in names), _field(node, "body")
    if body.type == "statement_block":
        return Arrow(parameters, _body(_children(body), depth, must_return=False))
    return Arrow(parameters, _expression(body, depth))


# Statements


def _body(statements: Sequence[Node], depth: int, *, must_return: bool) -> Tree:
    """Return what statements return, as one tree: `undefined` when they end without `return`, unless they must."""
    if depth + len(statements) > MAX_DEPTH:
        raise Unsupported(f"nesting of more than {MAX_DEPTH} levels")
    bindings: list[tuple[str, Tree]] = []
    for index, node in enumerate(statements, 1):
        match node.type:
            case "empty_statement":
                pass
            case "return_statement":
                _expect_nothing(statements[index:])
                return _bound(bindings, _returned(node, depth))
            case "if_statement":
                choice = _choice(node, statements[index:], depth + 1, must_return=must_return)
                return _bound(bindings, choice)
            case "lexical_declaration" | "variable_declaration":
                bindings += [binding for child in _children(node) for binding in _declared(child, depth)]
            case "expression_statement" if _text(node).startswith("console."):
                pass
            case "expression_statement":
                raise Unsupported(f"{_name_of(_children(node)[0])} as a statement")
            case _:
                raise Unsupported(_name_of(node))
    if must_return:
        raise Unsupported("an if that does not return")
    return _bound(bindings, Name("undefined"))


def _bound(bindings: list[tuple[str, Tree]], body: Tree) -> Tree:
    for name, value in reversed(bindings):
        body = Bound(name, value, body)
    return body


def _expect_nothing(statements: Sequence[Node]) -> None:
    for node in statements:
        if node.type != "empty_statement":
            raise Unsupported(f"{_name_of(node)} after a return")


def _returned(node: Node, depth: int) -> Tree:
    values = _children(node)
    if not values:
        return Name("undefined")
    if (
        values[0].start_point.row > node.start_point.row
    ):  # JavaScript ends the statement there, the grammar does not
        raise Unsupported("a return that ends its line")
    return _expression(values[0], depth)


def _declared(node: Node, depth: int) -> list[tuple[str, Tree]]:
    """Return the names that a declarator binds: `name = value` or `{a, b} = value`."""
    name, value = _field(node, "name"), _expression(_field(node, "value"), depth)
    if name.type == "identifier":
        return [(_identifier(name), value)]
    if name.type != "object_pattern":
        raise Unsupported(_name_of(name))
    fields = _children(name)
    if any(field.type != "shorthand_property_identifier_pattern" for field in fields):
        raise Unsupported("a pattern that renames or has a default")
    return [(_identifier(field), Member(value, _identifier(field))) for field in fields]


def _choice(node: Node, following: Sequence[Node], depth: int, *, must_return: bool) -> Tree:
    """Return `if (test) … return …` as a conditional, whose other side is `else` or the statements that follow."""
    test, then = _expression(_field(node, "condition"), depth), _branch(_field(node, "consequence"), depth)
    alternative = node.child_by_field_name("alternative")
    if alternative is None:
        return Conditional(test, then, _body(following, depth, must_return=must_return))
    (otherwise,) = _children(alternative)
    if otherwise.type == "if_statement":
        return Conditional(test, then, _choice(otherwise, following, depth + 1, must_return=must_return))
    _expect_nothing(following)
    return Conditional(test, then, _branch(otherwise, depth))


def _branch(node: Node, depth: int) -> Tree:
    """Return what a branch returns; one that does not return would continue after the `if`, and is refused."""
    statements = _children(node) if node.type == "statement_block" else [node]
    return _body(statements, depth, must_return=True)
