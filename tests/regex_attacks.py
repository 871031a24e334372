"""Texts that make a backtracking pattern slow, made from the pattern itself, and the patterns of all modules.

A pattern is searched at every position of a text, so a repetition that runs to the end of the text and fails there
costs the square of its length, wherever it is in the pattern. Each attack repeats what one repetition, with what
precedes it, accepts, and ends with what the pattern refuses.
"""

import ast
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any, NamedTuple

import weconnect

UNBOUNDED = 20
"""Repetitions that may be longer are pumped."""
FILLERS = ("a", "0", " ", "\n", "A", "\\", '"\\', "<", "{{", "-", "a ", "a.", "a@", "a1", "'", "\u00e9")
CATEGORIES = {
    sre.CATEGORY_DIGIT: "0",
    sre.CATEGORY_NOT_DIGIT: "a",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_WORD: "a",
    sre.CATEGORY_NOT_WORD: " ",
}
ALPHABET = "aA0_ -.\n\t\"'\\{}<>/:;,=!?@#+*()[]&%$|`~^é\u2026"


def list_attacks(pattern: re.Pattern[str], length: int) -> Iterator[str]:
    """Yield texts of about so many characters."""
    texts = dict.fromkeys(FILLERS)
    for prefix, pump in _find_pumps(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)):
        for unit in (pump, prefix + pump, prefix + pump * 3):
            texts[unit] = None
        for end in ("", "\x00", "\n", "!"):
            if pump:
                yield prefix + pump * (length // len(pump)) + end
    for text in texts:
        if text:
            yield text * (length // len(text))
            yield text * (length // len(text)) + "\x00"


def _find_pumps(items: Any) -> Iterator[tuple[str, str]]:
    """Yield what precedes each long repetition in a parsed pattern, and what it repeats."""
    prefix = ""
    for code, argument in items:
        for inner in _children(code, argument):
            for before, pump in _find_pumps(inner):
                yield prefix + before, pump
        if code in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            _, most, body = argument
            if most is sre.MAXREPEAT or most > UNBOUNDED:
                for pump in dict.fromkeys(_sample(body, choice) for choice in range(4)):
                    yield prefix, pump
        prefix += _sample([(code, argument)], 0)
    yield prefix, ""
    yield "", prefix


def _children(code: Any, argument: Any) -> list[Any]:
    """Return the parsed patterns within an item of a parsed pattern."""
    if code in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [argument[2]]
    if code is sre.SUBPATTERN:
        return [argument[3]]
    if code is sre.BRANCH:
        return list(argument[1])
    if code is sre.ATOMIC_GROUP:
        return [argument]
    if code in (sre.ASSERT, sre.ASSERT_NOT):
        return [argument[1]]
    return []


def _sample(items: Any, choice: int) -> str:
    """Return a text that a parsed pattern is likely to match; `choice` selects among alternatives."""
    text = ""
    for code, argument in items:
        if code is sre.LITERAL:
            text += chr(argument)
        elif code is sre.NOT_LITERAL:
            text += next(character for character in ALPHABET[choice:] if character != chr(argument))
        elif code is sre.ANY:
            text += "a"
        elif code is sre.IN:
            accepted = [character for character in ALPHABET if _is_in(argument, character)]
            first = [chr(value) for kind, value in argument if kind is sre.LITERAL] or accepted
            text += (accepted or first)[choice % len(accepted or first)] if accepted or first else ""
        elif code is sre.BRANCH:
            text += _sample(argument[1][choice % len(argument[1])], choice)
        elif code in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            text += _sample(argument[2], choice) * max(argument[0], min(1, argument[1]))
        elif code is sre.SUBPATTERN:
            text += _sample(argument[3], choice)
        elif code is sre.ATOMIC_GROUP:
            text += _sample(argument, choice)
        elif code is sre.ASSERT and argument[0] < 0:
            text += _sample(argument[1], choice)
    return text


def _is_in(items: Any, character: str) -> bool:
    """Return whether a parsed set of characters contains one."""
    negated, point = False, ord(character)
    for code, argument in items:
        if code is sre.NEGATE:
            negated = True
        elif (
            (code is sre.LITERAL and argument == point)
            or (code is sre.RANGE and argument[0] <= point <= argument[1])
            or (code is sre.CATEGORY and re.match(_category(argument), character))
        ):
            return not negated
    return negated


def _category(code: Any) -> str:
    """Return the escape of a category of characters."""
    letter = CATEGORIES[code]
    is_negated = "NOT" in str(code)
    plain = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[str(code).rpartition("_")[2]]
    assert letter
    return "\\" + (plain.upper() if is_negated else plain)


def measure(pattern: re.Pattern[str], text: str, *, is_anchored: bool = False) -> float:
    """Return the CPU seconds of replacing all matches in a text, or of one match at its start: the least of three."""
    best = 1e9
    for _ in range(3):
        began = time.process_time()
        if is_anchored:
            pattern.match(text)
            pattern.fullmatch(text)
        else:
            pattern.sub("", text)
        best = min(best, time.process_time() - began)
        if best < 0.002 or best > 0.5:
            break
    return best


LENGTHS = (300, 3_000, 30_000)


def find_slow(pattern: re.Pattern[str], *, is_anchored: bool = False) -> str | None:
    """Return an attack that takes more than 20 times as long when it is 10 times as long, or None.

    `is_anchored`: the pattern is only matched at the start of a text.
    """
    for texts in zip(*(list_attacks(pattern, length) for length in LENGTHS), strict=True):
        before = 0.0
        for text in texts:
            seconds = measure(pattern, text, is_anchored=is_anchored)
            if seconds > 0.004 and seconds > 20 * max(before, 0.0001):
                return f"{text[:60]!r} … {text[-3:]!r} of {len(text)} characters: {before:.4f} s, {seconds:.4f} s"
            before = seconds
    return None


# The patterns of all modules


def list_modules() -> list[str]:
    """Return the names of all modules of the layer."""
    return [each.name for each in pkgutil.walk_packages(weconnect.__path__, "weconnect.") if not each.ispkg]


ANCHORED = frozenset({"match", "fullmatch"})


class Use(NamedTuple):
    """A pattern in a module, or None when local values make it; `is_anchored`: it is only matched at the start."""

    source: str
    pattern: re.Pattern[str] | None
    is_anchored: bool


def list_patterns(module: ModuleType) -> Iterator[Use]:
    """Yield the patterns of a module: compiled ones in its values, those that its code gives to functions of `re`."""
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text())
    calls = [
        each for each in ast.walk(tree) if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
    ]
    for name, value in vars(module).items():
        methods = {
            call.func.attr
            for call in calls
            if isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == name
        }
        for pattern in _find_compiled(value):
            yield Use(pattern.pattern, pattern, bool(methods) and methods <= ANCHORED)
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        function, owner = call.func.attr, call.func.value
        if not isinstance(owner, ast.Name) or owner.id != "re" or function in ("escape", "purge", "compile"):
            continue
        position = {"sub": 4, "subn": 4, "split": 3}.get(function, 2)
        flags = [each.value for each in call.keywords if each.arg == "flags"] + call.args[
            position : position + 1
        ]
        try:
            source, *rest = [
                eval(compile(ast.Expression(each), "<pattern>", "eval"), vars(module))
                for each in (call.args[0], *flags)
            ]
            pattern = re.compile(source, *rest)
        except NameError:
            yield Use(ast.unparse(call.args[0]), None, function in ANCHORED)
        else:
            yield Use(pattern.pattern, pattern, function in ANCHORED)


def _find_compiled(value: Any, depth: int = 0) -> Iterator[re.Pattern[str]]:
    """Yield the compiled patterns in a value of a module."""
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            yield value
    elif depth < 4 and isinstance(value, dict):
        for each in value.values():
            yield from _find_compiled(each, depth + 1)
    elif depth < 4 and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _find_compiled(each, depth + 1)
