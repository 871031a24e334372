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
_NUMBER = re.compile(r"(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def parse(source: str) -> Tree:
    """Return the tree of one expression; raise Unsupported when it is something else, or has no counterpart."""
    wrapped = f"({source.strip().removesuffix(';')}\n)"
    statements = _parse_statements(wrapped)
    inner = statements[0].named_children if len(statements) == 1 else []
    if len(inner) != 1 or inner[0].type != "parenthesized_expression" or _read_text(inner[0]) != wrapped:
        raise Unsupported("not one expression")
    return _build_tree(inner[0], 0)


def parse_program(source: str) -> Tree:
    """Return what a function with these statements returns, as one tree; raise Unsupported when that is none."""
    return _convert_body(_parse_statements(source), 0, must_return=False)


@functools.cache
def _get_parser() -> Parser:
    """Return the parser, which is created once."""
    return Parser(Language(tree_sitter_javascript.language()))


def _parse_statements(source: str) -> list[Node]:
    """Return the syntax nodes of the statements in a program; raise Unsupported for a syntax error."""
    if len(source) > MAX_SOURCE:
        raise Unsupported(f"more than {MAX_SOURCE} characters")
    try:
        root = _get_parser().parse(source.encode()).root_node
    except UnicodeEncodeError:
        raise Unsupported("half a surrogate pair") from None
    if root.has_error:
        raise Unsupported("a syntax error")
    return _list_children(root)


def _list_children(node: Node) -> list[Node]:
    """Return the named children of a syntax node, without comments."""
    return [child for child in node.named_children if child.type != "comment"]


def _read_text(node: Node) -> str:
    """Return a syntax node's text in the source."""
    assert node.text is not None
    return node.text.decode()


def _get(node: Node, name: str) -> Node:
    """Return the child in a field of the grammar, such as `left`; raise Unsupported without one."""
    child = node.child_by_field_name(name)
    if child is None:
        raise Unsupported(f"{_describe_type(node)} without {name}")
    return child


def _describe_type(node: Node) -> str:
    """Return the type of a syntax node in words, for the text of an error."""
    return node.type.replace("_", " ")


# Expressions


def _build_tree(node: Node, depth: int) -> Tree:
    """Return the tree of an expression at a depth in levels; raise Unsupported."""
    if depth > MAX_DEPTH:
        raise Unsupported(f"nesting of more than {MAX_DEPTH} levels")
    depth += 1
    match node.type:
        case "parenthesized_expression":
            (inner,) = _list_children(node)
            return _build_tree(inner, depth)
        case "identifier" | "undefined":
            return Name(_read_identifier(node))
        case "true" | "false" | "null":
            return Constant(_CONSTANTS[node.type])
        case "number":
            return Constant(_read_number(node))
        case "string":
            return Constant(_read_string(node))
        case "template_string":
            return _convert_template(node, depth)
        case "regex":
            flags = node.child_by_field_name("flags")
            return Regex(_read_text(_get(node, "pattern")), _read_text(flags) if flags else "")
        case "array":
            return ListOf(tuple(_convert_elements(node, depth)))
        case "object":
            return ObjectOf(tuple(_convert_entry(child, depth) for child in _list_children(node)))
        case "member_expression":
            return Member(_build_tree(_get(node, "object"), depth), _read_identifier(_get(node, "property")))
        case "subscript_expression":
            return _convert_subscript(node, depth)
        case "call_expression" | "new_expression":
            return _convert_call(node, depth)
        case "unary_expression":
            return Unary(_read_operator(node, _UNARY_OPERATORS), _build_tree(_get(node, "argument"), depth))
        case "binary_expression":
            operator = _read_operator(node, _BINARY_OPERATORS)
            left, right = _get(node, "left"), _get(node, "right")
            return Binary(operator, _build_tree(left, depth), _build_tree(right, depth))
        case "ternary_expression":
            test, then, otherwise = (
                _build_tree(_get(node, name), depth) for name in ("condition", "consequence", "alternative")
            )
            return Conditional(test, then, otherwise)
        case "arrow_function" | "function_expression":
            return _convert_function(node, depth)
    raise Unsupported(_describe_type(node))


def _read_identifier(node: Node) -> str:
    """Return a name; raise Unsupported for one that is not ASCII."""
    name = _read_text(node)
    if not _NAME.fullmatch(name):
        raise Unsupported(f"the name {name!r}")
    return name


def _read_operator(node: Node, supported: set[str]) -> str:
    """Return the operator of an expression; raise Unsupported unless it is one of `supported`."""
    operator = _read_text(_get(node, "operator"))
    if operator not in supported:
        raise Unsupported(f"the operator {operator!r}")
    return operator


def _read_number(node: Node) -> int | float:
    """Return the value of a number literal; raise Unsupported for another base than ten."""
    text = _read_text(node)
    if not _NUMBER.fullmatch(text):
        raise Unsupported(f"the number {text!r}")
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _read_string(node: Node) -> str:
    return "".join(_read_fragment(child) for child in node.named_children)


def _read_fragment(node: Node) -> str:
    """Return the text of a string's fragment or of one of its escape sequences."""
    text = _read_text(node)
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


def _convert_template(node: Node, depth: int) -> Joined:
    """Return the tree of a template string."""
    parts: list[str | Tree] = []
    for child in node.named_children:
        if child.type == "template_substitution":
            parts += [_build_tree(inner, depth) for inner in _list_children(child)]
        elif parts and isinstance(parts[-1], str):
            parts[-1] += _read_fragment(child)
        else:
            parts.append(_read_fragment(child))
    return Joined(tuple(parts))


def _convert_elements(node: Node, depth: int) -> list[Tree]:
    """Return the elements of a list or the arguments of a call."""
    kinds = [child.type for child in node.children if child.type != "comment"]
    if any(before in "[," and after == "," for before, after in itertools.pairwise(kinds)):
        raise Unsupported("a list with holes")
    return [
        _convert_spread(child, depth) if child.type == "spread_element" else _build_tree(child, depth)
        for child in _list_children(node)
    ]


def _convert_spread(node: Node, depth: int) -> Spread:
    (inner,) = _list_children(node)
    return Spread(_build_tree(inner, depth))


def _convert_entry(node: Node, depth: int) -> tuple[str, Tree]:
    """Return an entry of an object literal as (key, value); a spread has an empty key."""
    match node.type:
        case "spread_element":
            return "", _convert_spread(node, depth)
        case "shorthand_property_identifier":
            return _read_identifier(node), Name(_read_identifier(node))
        case "pair":
            return _read_key(_get(node, "key")), _build_tree(_get(node, "value"), depth)
    raise Unsupported(f"{_describe_type(node)} within an object")


def _read_key(node: Node) -> str:
    """Return the key of an object literal's entry."""
    match node.type:
        case "property_identifier":
            return _read_identifier(node)
        case "string":
            return _read_string(node)
        case "number":
            return str(_read_number(node))
    raise Unsupported(f"{_describe_type(node)} within an object")


def _convert_subscript(node: Node, depth: int) -> Tree:
    """Return the tree of `of[key]`: a Member for a constant key, else an Element."""
    of, key = _build_tree(_get(node, "object"), depth), _build_tree(_get(node, "index"), depth)
    value = key.value if isinstance(key, Constant) else None
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return Member(of, value)
    return Element(of, key)


def _convert_call(node: Node, depth: int) -> Invoke:
    """Return the tree of a call or of `new`; raise Unsupported."""
    if node.child_by_field_name("optional_chain"):
        raise Unsupported("a call with ?.")
    arguments = node.child_by_field_name("arguments")
    if arguments and arguments.type != "arguments":
        raise Unsupported("a tagged template")
    values = tuple(_convert_elements(arguments, depth)) if arguments else ()
    if node.type == "new_expression":
        return Invoke(Name(_read_identifier(_get(node, "constructor"))), values, new=True)
    return Invoke(_build_tree(_get(node, "function"), depth), values)


def _convert_function(node: Node, depth: int) -> Arrow:
    """Return the tree of a function; raise Unsupported for async ones and for patterns as parameters."""
    if any(child.type == "async" for child in node.children):
        raise Unsupported("an async function")
    single = node.child_by_field_name("parameter")
    names = [single] if single else _list_children(_get(node, "parameters"))
    if any(name.type != "identifier" for name in names):
        raise Unsupported("a parameter that is a pattern or has a default")
    parameters, body = tuple(_read_identifier(name) for name in names), _get(node, "body")
    if body.type == "statement_block":
        return Arrow(parameters, _convert_body(_list_children(body), depth, must_return=False))
    return Arrow(parameters, _build_tree(body, depth))


# Statements


def _convert_body(statements: Sequence[Node], depth: int, *, must_return: bool) -> Tree:
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
                return _bind_names(bindings, _convert_return(node, depth))
            case "if_statement":
                choice = _convert_if(node, statements[index:], depth + 1, must_return=must_return)
                return _bind_names(bindings, choice)
            case "lexical_declaration" | "variable_declaration":
                bindings += [
                    binding for child in _list_children(node) for binding in _convert_declarator(child, depth)
                ]
            case "expression_statement" if _read_text(node).startswith("console."):
                pass
            case "expression_statement":
                raise Unsupported(f"{_describe_type(_list_children(node)[0])} as a statement")
            case _:
                raise Unsupported(_describe_type(node))
    if must_return:
        raise Unsupported("an if that does not return")
    return _bind_names(bindings, Name("undefined"))


def _bind_names(bindings: list[tuple[str, Tree]], body: Tree) -> Tree:
    """Return `body` within the bindings (name, value), the first one outermost."""
    for name, value in reversed(bindings):
        body = Bound(name, value, body)
    return body


def _expect_nothing(statements: Sequence[Node]) -> None:
    """Raise Unsupported when statements follow a return."""
    for node in statements:
        if node.type != "empty_statement":
            raise Unsupported(f"{_describe_type(node)} after a return")


def _convert_return(node: Node, depth: int) -> Tree:
    """Return the tree of a return statement's value; `undefined` without one."""
    values = _list_children(node)
    if not values:
        return Name("undefined")
    if (
        values[0].start_point.row > node.start_point.row
    ):  # JavaScript ends the statement there, the grammar does not
        raise Unsupported("a return that ends its line")
    return _build_tree(values[0], depth)


def _convert_declarator(node: Node, depth: int) -> list[tuple[str, Tree]]:
    """Return the names that a declarator binds: `name = value` or `{a, b} = value`."""
    name, value = _get(node, "name"), _build_tree(_get(node, "value"), depth)
    if name.type == "identifier":
        return [(_read_identifier(name), value)]
    if name.type != "object_pattern":
        raise Unsupported(_describe_type(name))
    fields = _list_children(name)
    if any(field.type != "shorthand_property_identifier_pattern" for field in fields):
        raise Unsupported("a pattern that renames or has a default")
    return [(_read_identifier(field), Member(value, _read_identifier(field))) for field in fields]


def _convert_if(node: Node, following: Sequence[Node], depth: int, *, must_return: bool) -> Tree:
    """Return `if (test) … return …` as a conditional, whose other side is `else` or the statements that follow."""
    test, then = (
        _build_tree(_get(node, "condition"), depth),
        _convert_branch(_get(node, "consequence"), depth),
    )
    alternative = node.child_by_field_name("alternative")
    if alternative is None:
        return Conditional(test, then, _convert_body(following, depth, must_return=must_return))
    (otherwise,) = _list_children(alternative)
    if otherwise.type == "if_statement":
        return Conditional(test, then, _convert_if(otherwise, following, depth + 1, must_return=must_return))
    _expect_nothing(following)
    return Conditional(test, then, _convert_branch(otherwise, depth))


def _convert_branch(node: Node, depth: int) -> Tree:
    """Return what a branch returns; one that does not return would continue after the `if`, and is refused."""
    statements = _list_children(node) if node.type == "statement_block" else [node]
    return _convert_body(statements, depth, must_return=True)
