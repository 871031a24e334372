"""Reads JavaScript expressions by precedence climbing; what is not an expression, or rare, is refused.

There is no library for it: the ones for Python stopped at ES2017, before `?.` and `??`, years ago, and are larger than
this. Statements, assignments, spreads, patterns and classes are refused on purpose: they have no counterpart here.
"""

from weconnect.workflows.n8n.syntax import (
    Arrow,
    Binary,
    Conditional,
    Constant,
    Invoke,
    Joined,
    ListOf,
    Member,
    Name,
    ObjectOf,
    Regex,
    Tree,
    Unary,
    Unsupported,
)
from weconnect.workflows.n8n.tokens import Token, tokens

MAX_SOURCE = 10_000
MAX_DEPTH = 40
MAX_LINKS = 100
"""Operators or calls in a row: the tree is as deep as they are many."""

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


class _Reader:
    def __init__(self, found: list[Token], depth: int) -> None:
        self._tokens = found
        self._place = 0
        self._depth = depth

    @property
    def token(self) -> Token:
        return self._tokens[self._place]

    def take_if(self, mark: str) -> bool:
        found = self.token.kind == "mark" and self.token.value == mark
        self._place += found
        return found

    def expression(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unsupported(f"nesting of more than {MAX_DEPTH}")
        try:
            if self._at_arrow():
                return self._arrow()
            test = self._binary(1)
            if not self.take_if("?"):
                return test
            then = self.expression()
            self._expect(":")
            return Conditional(test, then, self.expression())
        finally:
            self._depth -= 1

    def _binary(self, least: int) -> Tree:
        left, links = self._unary(), 0
        while self.token.kind == "mark" and (power := _POWERS.get(self.token.value, 0)) >= least:
            operator = self._next().value
            links = _one_more(links)
            left = Binary(operator, left, self._binary(power + 1))
        return left

    def _unary(self) -> Tree:
        operators = []
        while self.token.kind == "mark" and self.token.value in ("!", "-", "+"):
            operators.append(self._next().value)
            _one_more(len(operators))
        found = self._postfix()
        for operator in reversed(operators):
            found = Unary(operator, found)
        return found

    def _postfix(self) -> Tree:
        if self.token.kind == "name" and self.token.value == "new":
            self._next()
            name = self._identifier()
            return self._followed(
                Invoke(Name(name), self._arguments() if self.take_if("(") else (), new=True)
            )
        return self._followed(self._primary())

    def _followed(self, found: Tree) -> Tree:
        links = 0
        while True:
            links = _one_more(links)
            if self.take_if("."):
                found = Member(found, self._identifier())
            elif self.take_if("?."):
                if self.take_if("["):
                    found = Member(found, self._key())
                elif self.token.value == "(":
                    raise Unsupported("a call with ?.")
                else:
                    found = Member(found, self._identifier())
            elif self.take_if("["):
                found = Member(found, self._key())
            elif self.take_if("("):
                found = Invoke(found, self._arguments())
            else:
                return found

    def _key(self) -> str | int:
        found = self.expression()
        self._expect("]")
        key = found.value if isinstance(found, Constant) else None
        if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
            return key
        raise Unsupported("a key in brackets that is computed")

    def _arguments(self) -> tuple[Tree, ...]:
        return tuple(self._until(")"))

    def _until(self, mark: str) -> list[Tree]:
        found: list[Tree] = []
        while not self.take_if(mark):
            found.append(self.expression())
            if not self.take_if(","):
                self._expect(mark)
                break
        return found

    def _primary(self) -> Tree:
        token = self._next()
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
                if token.value in _RESERVED:
                    raise Unsupported(f"the word {token.value!r}")
                if token.value in _CONSTANTS:
                    return Constant(_CONSTANTS[token.value])
                return Name(token.value)
        if token.value == "(":
            found = self.expression()
            self._expect(")")
            return found
        if token.value == "[":
            return ListOf(tuple(self._until("]")))
        if token.value == "{":
            return self._object()
        raise Unsupported(f"{token.value!r} where a value should stand")

    def _inner(self, source: str) -> Tree:
        return parse(source, self._depth)

    def _object(self) -> Tree:
        fields: list[tuple[str, Tree]] = []
        while not self.take_if("}"):
            token = self._next()
            if token.kind not in ("name", "text", "number"):
                raise Unsupported(f"{token.value!r} within an object")
            name = str(token.value)
            if token.kind == "name" and (self.token.value in (",", "}")):
                fields.append((name, Name(name)))
            else:
                self._expect(":")
                fields.append((name, self.expression()))
            if not self.take_if(","):
                self._expect("}")
                break
        return ObjectOf(tuple(fields))

    def _at_arrow(self) -> bool:
        """Whether `x =>`, `() =>` or `(x, y) =>` begins here."""
        if self.token.kind == "name":
            return self._looks("=>", 1)
        place = 1
        if self.token.value != "(" or self.token.kind != "mark":
            return False
        while self._tokens[self._place + place].kind == "name":
            place += 2 if self._looks(",", place + 1) else 1
        return self._looks(")", place) and self._looks("=>", place + 1)

    def _looks(self, mark: str, ahead: int) -> bool:
        place = self._place + ahead
        return place < len(self._tokens) and self._tokens[place] == Token("mark", mark)

    def _arrow(self) -> Tree:
        parameters: list[str] = []
        while self.token.value != "=>":
            token = self._next()
            parameters += [token.value] if token.kind == "name" else []
        self._expect("=>")
        if self.token.value == "{" and self.token.kind == "mark":
            raise Unsupported("a function with statements")
        return Arrow(tuple(parameters), self.expression())

    def _identifier(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise Unsupported(f"{token.value!r} where a name should stand")
        return str(token.value)

    def _next(self) -> Token:
        token = self.token
        if token.kind == "end":
            raise Unsupported("an expression that breaks off")
        self._place += 1
        return token

    def _expect(self, mark: str) -> None:
        if not self.take_if(mark):
            raise Unsupported(f"{self.token.value!r} where {mark!r} should stand")


def _one_more(links: int) -> int:
    if links >= MAX_LINKS:
        raise Unsupported(f"more than {MAX_LINKS} operators in a row")
    return links + 1
