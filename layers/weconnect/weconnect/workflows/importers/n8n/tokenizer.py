"""JavaScript's tokens, as far as expressions need them."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from weconnect.workflows.importers.n8n.syntax_tree import Regex, Unsupported

Kind = Literal["number", "text", "name", "mark", "regex", "template", "end"]

_BLANK = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_REGEX = re.compile(r"/((?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/([a-z]*)")
_MARKS = re.compile(
    r"===|!==|\.\.\.|\*\*|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?!\d)|\+\+|--|[-+*/%<>!?:.,()\[\]{}=&|^~;]"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


@dataclass(frozen=True)
class Token:
    """`value`: the number, the text, the name, the mark, a Regex, or a template's parts: texts and sources."""

    kind: Kind
    value: Any


def tokens(source: str) -> list[Token]:
    """All of them and an end; raises Unsupported."""
    found: list[Token] = []
    position = 0
    while True:
        if blank := _BLANK.match(source, position):
            position = blank.end()
        if position == len(source):
            return [*found, Token("end", "the end")]
        token, position = _next(source, position, found)
        found.append(token)


def _next(source: str, position: int, before: list[Token]) -> tuple[Token, int]:
    letter = source[position]
    if letter in "\"'":
        return _text(source, position)
    if letter == "`":
        return _template(source, position)
    if number := _NUMBER.match(source, position):
        if _NAME.match(source, number.end()):
            raise Unsupported(f"the number {source[position : number.end() + 5]!r}")
        value = float(number[0])
        return Token(
            "number", int(value) if value.is_integer() and abs(value) < 2**53 else value
        ), number.end()
    if name := _NAME.match(source, position):
        return Token("name", name[0]), name.end()
    if letter == "/" and not _ends_value(before) and (regex := _REGEX.match(source, position)):
        return Token("regex", Regex(regex[1], regex[2])), regex.end()
    if mark := _MARKS.match(source, position):
        return Token("mark", mark[0]), mark.end()
    raise Unsupported(f"the letter {letter!r}")


def _ends_value(before: list[Token]) -> bool:
    """Whether what came may be divided, so that a slash begins no regular expression."""
    return bool(before) and (before[-1].kind != "mark" or before[-1].value in (")", "]", "}"))


def _text(source: str, start: int) -> tuple[Token, int]:
    quote, position, found = source[start], start + 1, ""
    while position < len(source) and source[position] != quote:
        if source[position] == "\n":
            break
        part, position = _letter(source, position)
        found += part
    if position >= len(source) or source[position] != quote:
        raise Unsupported("a text that never ends")
    return Token("text", found), position + 1


def _letter(source: str, position: int) -> tuple[str, int]:
    """One letter of a text, which may be escaped, and where the next stands."""
    if source[position] != "\\":
        return source[position], position + 1
    following = source[position + 1 : position + 2]
    if following in ("u", "x"):
        digits = source[position + 2 : position + (6 if following == "u" else 4)]
        if not re.fullmatch(r"[0-9a-fA-F]{4}|[0-9a-fA-F]{2}", digits) or "d800" <= digits.lower() <= "dfff":
            raise Unsupported(f"the escape \\{following}{digits}")
        return chr(int(digits, 16)), position + 2 + len(digits)
    if following in "123456789" or (following == "0" and source[position + 2 : position + 3].isdigit()):
        raise Unsupported("an escape of digits")
    if following == "\n":
        return "", position + 2
    return _ESCAPES.get(following, following), position + 2


def _template(source: str, start: int) -> tuple[Token, int]:
    parts: list[str | tuple[str]] = [""]
    position = start + 1
    while position < len(source) and source[position] != "`":
        if source.startswith("${", position):
            end = _closing(source, position + 2)
            parts += [(source[position + 2 : end],), ""]
            position = end + 1
            continue
        part, position = _letter(source, position)
        parts[-1] = f"{parts[-1]}{part}"
    if position >= len(source):
        raise Unsupported("a template that never ends")
    return Token("template", tuple(part for part in parts if part != "")), position + 1


def _closing(source: str, position: int) -> int:
    """Where the brace stands that ends an expression within a template."""
    depth = 0
    while position < len(source):
        letter = source[position]
        if letter in "\"'":
            position = _text(source, position)[1]
            continue
        if letter == "`":
            position = _template(source, position)[1]
            continue
        if letter == "}" and depth == 0:
            return position
        depth += {"{": 1, "}": -1}.get(letter, 0)
        position += 1
    raise Unsupported("a template that never ends")
