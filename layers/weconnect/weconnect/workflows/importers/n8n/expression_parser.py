"""Reads JavaScript expressions by precedence climbing; what is not an expression, or rare, is refused.

There is no library for it: the ones for Python stopped at ES2017, before `?.` and `??`, years ago, and are larger than
this. Of statements only those are read that make a function one expression: `const`, `if … return` and `return`.
Assignments, loops, patterns and classes are refused on purpose: they have no counterpart here.
"""

import re

from weconnect.workflows.importers.n8n.statements import MAX_DEPTH, Statements, one_more
from weconnect.workflows.importers.n8n.syntax_tree import (
    Arrow,
    Binary,
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
from weconnect.workflows.importers.n8n.tokenizer import Token, tokens

MAX_SOURCE = 10_000

_POWERS = {
    "??": 1,
    "||": 2,
    "&&": 3,
    "===": 5,
    "!==": 5,
    "==": 5,
    "!=": 5,
    "<": 6,
    ">": 6,
    "<=": 6,
    ">=": 6,
    "+": 7,
    "-": 7,
    "*": 8,
    "/": 8,
    "%": 8,
}
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = {
    "function",
    "async",
    "await",
    "typeof",
    "void",
    "delete",
    "in",
    "instanceof",
    "this",
    "return",
    "let",
}
_RESERVED |= {"const", "var", "if", "for", "while", "class", "throw", "yield", "switch", "try", "do"}


def parse(source: str, depth: int = 0) -> Tree:
    """The tree of one expression; raises Unsupported."""
    if len(source) > MAX_SOURCE:
        raise Unsupported(f"more than {MAX_SOURCE} characters")
    reader = _Reader(tokens(source), depth)
    found = reader.expression()
    reader.take_if(";")
    if reader.token.kind != "end":
        raise Unsupported(f"{reader.token.value!r} where the expression should end")
    return found


def parse_program(source: str) -> Tree:
    """The tree of statements that end by returning; raises Unsupported."""
    if len(source) > MAX_SOURCE:
        raise Unsupported(f"more than {MAX_SOURCE} characters")
    reader = _Reader(tokens(source), 0)
    found = reader.body("end")
    if re.search(r"\breturn[^\S\n]*\n", source):
        raise Unsupported("a return that ends its line")
    return found


class _Reader(Statements):
    def expression(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unsupported(f"nesting of more than {MAX_DEPTH}")
        try:
            if self._at_arrow():
                return self._arrow()
            test = self._binary(1)
            if not self.take_if("?"):
                return test
            then = self.expression()
            self.expect(":")
            return Conditional(test, then, self.expression())
        finally:
            self.depth -= 1

    def _binary(self, least: int) -> Tree:
        left, links = self._unary(), 0
        while self.token.kind == "mark" and (power := _POWERS.get(self.token.value, 0)) >= least:
            operator = self.next().value
            links = one_more(links)
            left = Binary(operator, left, self._binary(power + 1))
        return left

    def _unary(self) -> Tree:
        operators = []
        while self.token.kind == "mark" and self.token.value in ("!", "-", "+"):
            operators.append(self.next().value)
            one_more(len(operators))
        found = self._postfix()
        for operator in reversed(operators):
            found = Unary(operator, found)
        return found

    def _postfix(self) -> Tree:
        if self.token.kind == "name" and self.token.value == "new":
            self.next()
            name = self.identifier()
            return self.followed(Invoke(Name(name), self._arguments() if self.take_if("(") else (), new=True))
        return self.followed(self._primary())

    def followed(self, found: Tree) -> Tree:
        links = 0
        while True:
            links = one_more(links)
            if self.take_if("."):
                found = Member(found, self.identifier())
            elif self.take_if("?."):
                if self.take_if("["):
                    found = self._within(found)
                elif self.token.value == "(":
                    raise Unsupported("a call with ?.")
                else:
                    found = Member(found, self.identifier())
            elif self.take_if("["):
                found = self._within(found)
            elif self.take_if("("):
                found = Invoke(found, self._arguments())
            else:
                return found

    def _within(self, of: Tree) -> Tree:
        """What stands in brackets behind a value."""
        found = self.expression()
        self.expect("]")
        key = found.value if isinstance(found, Constant) else None
        if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
            return Member(of, key)
        return Element(of, found)

    def _arguments(self) -> tuple[Tree, ...]:
        return tuple(self._until(")"))

    def _until(self, mark: str) -> list[Tree]:
        found: list[Tree] = []
        while not self.take_if(mark):
            found.append(Spread(self.expression()) if self.take_if("...") else self.expression())
            if not self.take_if(","):
                self.expect(mark)
                break
        return found

    def _primary(self) -> Tree:
        token = self.next()
        match token.kind:
            case "number" | "text":
                return Constant(token.value)
            case "regex":
                assert isinstance(token.value, Regex)
                return token.value
            case "template":
                return Joined(
                    tuple(part if isinstance(part, str) else self._inner(part[0]) for part in token.value)
                )
            case "name":
                if token.value == "function":
                    return self._function()
                if token.value in _RESERVED:
                    raise Unsupported(f"the word {token.value!r}")
                if token.value in _CONSTANTS:
                    return Constant(_CONSTANTS[token.value])
                return Name(token.value)
        if token.value == "(":
            found = self.expression()
            self.expect(")")
            return found
        if token.value == "[":
            return ListOf(tuple(self._until("]")))
        if token.value == "{":
            return self._object()
        raise Unsupported(f"{token.value!r} where a value should stand")

    def _inner(self, source: str) -> Tree:
        return parse(source, self.depth)

    def _object(self) -> Tree:
        fields: list[tuple[str, Tree]] = []
        while not self.take_if("}"):
            if self.take_if("..."):
                fields.append(("", Spread(self.expression())))
                if not self.take_if(","):
                    self.expect("}")
                    break
                continue
            token = self.next()
            if token.kind not in ("name", "text", "number"):
                raise Unsupported(f"{token.value!r} within an object")
            name = str(token.value)
            if token.kind == "name" and (self.token.value in (",", "}")):
                fields.append((name, Name(name)))
            else:
                self.expect(":")
                fields.append((name, self.expression()))
            if not self.take_if(","):
                self.expect("}")
                break
        return ObjectOf(tuple(fields))

    def _at_arrow(self) -> bool:
        """Whether `x =>`, `() =>` or `(x, y) =>` begins here."""
        if self.token.kind == "name":
            return self._looks("=>", 1)
        place = 1
        if self.token.value != "(" or self.token.kind != "mark":
            return False
        while self.tokens[self.place + place].kind == "name":
            place += 2 if self._looks(",", place + 1) else 1
        return self._looks(")", place) and self._looks("=>", place + 1)

    def _looks(self, mark: str, ahead: int) -> bool:
        place = self.place + ahead
        return place < len(self.tokens) and self.tokens[place] == Token("mark", mark)

    def _arrow(self) -> Tree:
        parameters: list[str] = []
        while self.token.value != "=>":
            token = self.next()
            parameters += [token.value] if token.kind == "name" else []
        self.expect("=>")
        if self.take_if("{"):
            return Arrow(tuple(parameters), self.body("}"))
        return Arrow(tuple(parameters), self.expression())

    def _function(self) -> Tree:
        """`function (x) { … }`, of which the word is read."""
        if self.token.kind == "name":
            self.next()
        self.expect("(")
        parameters: list[str] = []
        while not self.take_if(")"):
            parameters.append(self.identifier())
            if not self.take_if(","):
                self.expect(")")
                break
        self.expect("{")
        return Arrow(tuple(parameters), self.body("}"))
