"""JavaScript's statements, as far as they make a function one expression."""

from abc import ABC, abstractmethod

from weconnect.workflows.importers.n8n.syntax_tree import Bound, Conditional, Member, Name, Tree, Unsupported
from weconnect.workflows.importers.n8n.tokenizer import Token

MAX_DEPTH = 40
MAX_LINKS = 100
"""Operators, calls or statements in a row: the tree is as deep as they are many."""

_DECLARED = ("const", "let", "var")


class Statements(ABC):
    """A place among tokens, and the statements that begin there."""

    def __init__(self, found: list[Token], depth: int) -> None:
        self.tokens = found
        self.place = 0
        self.depth = depth
        self._fell = False  # Whether statements ended without a return.

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def take_if(self, mark: str) -> bool:
        found = self.token.kind == "mark" and self.token.value == mark
        self.place += found
        return found

    def identifier(self) -> str:
        token = self.next()
        if token.kind != "name":
            raise Unsupported(f"{token.value!r} where a name should stand")
        return str(token.value)

    def next(self) -> Token:
        token = self.token
        if token.kind == "end":
            raise Unsupported("an expression that breaks off")
        self.place += 1
        return token

    def expect(self, mark: str) -> None:
        if not self.take_if(mark):
            raise Unsupported(f"{self.token.value!r} where {mark!r} should stand")

    @abstractmethod
    def expression(self) -> Tree:
        """The expression that begins here."""

    @abstractmethod
    def followed(self, found: Tree) -> Tree:
        """A value with the calls and members behind it."""

    def body(self, end: str) -> Tree:
        """What a function returns whose statements begin here."""
        fell = self._fell
        found = self._statements(end)
        self._fell = fell
        return found

    def _statements(self, end: str) -> Tree:
        """What the statements up to a brace, or the end, return."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unsupported(f"nesting of more than {MAX_DEPTH}")
        found: list[tuple[str, Tree]] = []
        try:
            while True:
                one_more(len(found))
                while self.take_if(";"):
                    pass
                if self._ends(end):
                    self._fell = True
                    return _nested(found, Name("undefined"))
                if self._word("return"):
                    result = Name("undefined") if self._stops(end) else self.expression()
                    self._skip(end)
                    return _nested(found, result)
                if self._word("if"):
                    return _nested(found, self._choice(end))
                if any(self._word(word) for word in _DECLARED):
                    found += self._declared()
                elif self._word("console"):
                    self.followed(Name("console"))
                else:
                    raise Unsupported(f"a statement that begins with {self.token.value!r}")
        finally:
            self.depth -= 1

    def _choice(self, end: str) -> Tree:
        """`if (test) return …`, and what follows."""
        self.expect("(")
        test = self.expression()
        self.expect(")")
        then = self._branch()
        otherwise = self._choice_or_branch(end) if self._word("else") else self._statements(end)
        return Conditional(test, then, otherwise)

    def _choice_or_branch(self, end: str) -> Tree:
        if self._word("if"):
            return self._choice(end)
        found = self._branch()
        self._skip(end)
        return found

    def _branch(self) -> Tree:
        """A branch that returns: another one goes on behind the `if`, and is refused."""
        if self.take_if("{"):
            fell, self._fell = self._fell, False
            found = self._statements("}")
            if self._fell:
                raise Unsupported("an if that does not return")
            self._fell = fell
            return found
        if not self._word("return"):
            raise Unsupported("an if that does not return")
        found = self.expression()
        self.take_if(";")
        return found

    def _declared(self) -> list[tuple[str, Tree]]:
        found: list[tuple[str, Tree]] = []
        while True:
            if self.take_if("{"):
                names = []
                while not self.take_if("}"):
                    names.append(self.identifier())
                    if not self.take_if(","):
                        self.expect("}")
                        break
                self.expect("=")
                value = self.expression()
                found += [(name, Member(value, name)) for name in names]
            else:
                name = self.identifier()
                self.expect("=")
                found.append((name, self.expression()))
            if not self.take_if(","):
                return found

    def _word(self, word: str) -> bool:
        found = self.token.kind == "name" and self.token.value == word
        self.place += found
        return found

    def _stops(self, end: str) -> bool:
        return self.token == Token("mark", ";") or self._at(end)

    def _at(self, end: str) -> bool:
        return self.token.kind == "end" if end == "end" else self.token == Token("mark", end)

    def _ends(self, end: str) -> bool:
        found = self._at(end)
        self.place += found and end != "end"
        return found

    def _skip(self, end: str) -> None:
        """Nothing may stand behind what returns."""
        while self.take_if(";"):
            pass
        if not self._ends(end):
            raise Unsupported(f"{self.token.value!r} behind what returns")


def _nested(found: list[tuple[str, Tree]], body: Tree) -> Tree:
    for name, value in reversed(found):
        body = Bound(name, value, body)
    return body


def one_more(links: int) -> int:
    if links >= MAX_LINKS:
        raise Unsupported(f"more than {MAX_LINKS} operators in a row")
    return links + 1
