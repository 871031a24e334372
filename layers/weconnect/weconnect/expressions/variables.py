"""The variables that a JSONata expression uses, read from its tokens.

`jsonatapy` does not expose its syntax tree, so this is a tokenizer of JSONata's lexical grammar: strings, quoted names,
comments, regular expressions, numbers, names and operators. A `$name` within a string, a quoted name, a comment or a
regular expression is not a variable.

A slash begins a regular expression where an operand is due and divides after one. Where only the grammar could tell
(after `*`, `%` and the words `and`, `or`, `in`, which are operators or operands), every reading is followed and their
uses are joined, so that no use is missed.
"""

import functools
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_SOURCE = 10_000  # characters of an expression

_BLANKS = re.compile(r"(?:\s++|/\*.*?(?:\*/|(?P<unclosed>\Z)))++", re.DOTALL)
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*")|('(?:[^'\\]|\\.)*')|(`[^`]*`)""", re.DOTALL)
_REGEX = re.compile(r"/(?:[^/\\]|\\.)+/\w*", re.DOTALL)
_ESCAPE_OR_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_ANY_VARIABLE = re.compile(r"\$(\w+)")
_WORDS_OF_BOTH_KINDS = ("and", "or", "in")

_Kind = Literal["operand", "operator", "either"]
"""What a token leaves behind: after an operand a slash divides, after an operator it begins a regular expression."""


@dataclass(frozen=True)
class VariableUse:
    """A use of the variable `$name`.

    `path` are the fields that are read from it by name: `("a b", "x")` for `` $name.`a b`.x ``. `is_definition` means
    that the expression itself defines the variable there: by `:=`, `@`, `#`, or as a function's parameter.
    """

    name: str
    path: tuple[str, ...] = ()
    is_definition: bool = False


@dataclass(frozen=True)
class _Token:
    """A token; `name` is that of a variable, or the field that a word or a quoted text says after a dot."""

    text: str
    end: int
    kind: _Kind
    name: str = ""
    is_variable: bool = False


_Start = tuple[int, _Kind]
"""A position from which tokens are read, and the kind of the token before it."""


@functools.lru_cache(maxsize=1_024)  # every node run asks, several times; reading tokens takes 15 to 80 µs
def find_variables(source: str) -> frozenset[VariableUse]:
    """Return the uses of variables in an expression, definitions included.

    For an expression that is too long or cannot be read to its end, everything that looks like a variable is returned,
    with no path.
    """
    if len(source) > MAX_SOURCE:
        return frozenset(VariableUse(name) for name in _ANY_VARIABLE.findall(source))
    first: _Start = (0, "operator")
    pending = [first]
    uses_by_start: dict[_Start, set[VariableUse]] = {}
    next_starts: dict[_Start, list[_Start | None]] = {}
    while pending:
        start = pending.pop()
        if start not in next_starts:
            reader = _Reader(source, *start)
            next_starts[start] = reader.read()
            uses_by_start[start] = reader.uses
            pending += [following for following in next_starts[start] if following]
    complete = _find_complete(next_starts)
    if first not in complete:
        return frozenset(VariableUse(name) for name in _ANY_VARIABLE.findall(source))
    return frozenset(use for start in complete for use in uses_by_start[start])


def find_variable_names(source: str) -> set[str]:
    """Return the names of the variables that an expression uses, without the dollar sign."""
    return {use.name for use in find_variables(source)}


def find_members(sources: list[str], variable: str) -> set[str] | None:
    """Return the fields that expressions read from a variable, `x` of `$variable.x`; None when one may read any."""
    uses = {use for source in sources for use in find_variables(source) if use.name == variable}
    if any(not use.path and not use.is_definition for use in uses):
        return None
    return {use.path[0] for use in uses if use.path}


def _find_complete(next_starts: dict[_Start, list[_Start | None]]) -> set[_Start]:
    """Return the starts from which a reading reaches the end of the source, which is None in `next_starts`."""
    starts_before: dict[_Start | None, list[_Start]] = {}
    for start, following in next_starts.items():
        for each in following:
            starts_before.setdefault(each, []).append(start)
    complete: set[_Start] = set()
    pending = starts_before.get(None, [])
    while pending:
        start = pending.pop()
        if start not in complete:
            complete.add(start)
            pending += starts_before.get(start, [])
    return complete


class _Reader:
    """Reads tokens from a start to the first slash, or to the end, and collects the uses of variables."""

    def __init__(self, source: str, position: int, kind: _Kind) -> None:
        self.uses: set[VariableUse] = set()
        self._source = source
        self._position = position
        self._kind = kind
        self._variable: str | None = None
        self._path: list[str] = []
        self._before = ""
        self._is_defined = False
        self._is_parameters = False

    def read(self) -> list[_Start | None]:
        """Read to the first slash; return the possible starts after it, [None] at the end, [] for unreadable source."""
        while True:
            if blanks := _BLANKS.match(self._source, self._position):
                if blanks["unclosed"] is not None:
                    return []
                self._position = blanks.end()
            if self._source.startswith("/", self._position):
                self._flush()
                return list(_read_slash(self._source, self._position, self._kind))
            token = _read_token(self._source, self._position)
            if token is None:
                self._flush()
                return [None] if self._position == len(self._source) else []
            self._take(token)

    def _take(self, token: _Token) -> None:
        """Add a token to the variable that is being read: its path, its end, or whether it is defined here."""
        is_step = self._variable is not None and self._before == "." and token.name and not token.is_variable
        if is_step:
            self._path.append(token.name)
        elif token.text != ".":
            self._flush(is_assigned=token.text == ":=" and not self._path)
        if token.is_variable:
            self._variable = token.name
            self._is_defined = self._is_parameters or self._before in ("@", "#")
        if token.text == "(" and self._before in ("function", "λ"):
            self._is_parameters = True
        elif token.text == ")":
            self._is_parameters = False
        self._before, self._position, self._kind = token.text, token.end, token.kind

    def _flush(self, *, is_assigned: bool = False) -> None:
        """Record the use of the variable that was read, if there is one, and begin anew."""
        if self._variable is not None:
            is_definition = is_assigned or self._is_defined
            self.uses.add(VariableUse(self._variable, tuple(self._path), is_definition))
        self._variable, self._path = None, []


def _read_slash(source: str, position: int, kind: _Kind) -> Iterator[_Start]:
    """Yield the starts after a slash: as a division, as a regular expression, or both when `kind` leaves it open."""
    if kind != "operator":
        yield position + 1, "operator"
    if kind != "operand" and (regex := _REGEX.match(source, position)):
        yield regex.end(), "operand"


def _read_token(source: str, position: int) -> _Token | None:
    """Return the token at a position, None at the end and at a quote that nothing closes."""
    if position == len(source):
        return None
    character = source[position]
    if character in "\"'`":
        quoted = _QUOTED.match(source, position)
        return _Token(quoted[0], quoted.end(), "operand", _unquote(quoted[0])) if quoted else None
    if character == "$":
        begin = position + (2 if source.startswith("$$", position) else 1)
        end = _end_of_word(source, begin)
        return _Token(source[position:end], end, "operand", source[begin:end], is_variable=end > begin)
    end = _end_of_word(source, position)
    if end > position:
        word = source[position:end]
        return _Token(word, end, "either" if word in _WORDS_OF_BOTH_KINDS else "operand", word)
    end = position + (2 if source.startswith(("..", ":="), position) else 1)
    text = source[position:end]
    kind: _Kind = "operand" if text in ")]}" else "either" if text in "*%" else "operator"
    return _Token(text, end, kind)


def _unquote(quoted: str) -> str:
    """Return the text of a string, whose escapes are those of JSON, or of a name in backticks, which has none."""
    text = quoted[1:-1]
    if "\\" not in text or quoted[0] == "`":
        return text
    escaped = _ESCAPE_OR_QUOTE.sub(lambda match: '\\"' if match[0] == '"' else match[0], text)
    try:
        return str(json.loads(f'"{escaped}"', strict=False))
    except ValueError:  # an escape that the evaluator refuses, too
        return text


def _end_of_word(source: str, position: int) -> int:
    """Return the position after the word at `position`: letters, digits, underscores and combining marks."""
    while position < len(source):
        character = source[position]
        if not (character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")):
            break
        position += 1
    return position
