"""The patterns in the code, and a judgement whether one takes linear time for certain.

A pattern is tried at every position of a text, and a repetition gives characters back one by one when what follows it
fails. Both are linear when, for every repetition without a bound,

- what follows always matches, so that the characters are not read again; or
- what follows cannot begin with what is repeated, or is bounded, so that giving back costs little; and, unless the
  pattern is matched at one position only, another attempt cannot read the same characters: a required character before
  the repetition ends it, or a look-behind (or `\\b`) refuses to begin within it.

Anything else is not judged: it may be linear nevertheless.
"""

import ast
import functools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any, NamedTuple

import weconnect

Characters = frozenset[str]
Item = tuple[Any, Any]

BOUNDED = 255
"""A repetition of at most so many is read as often as it likes."""
ALL: Characters = frozenset(map(chr, range(256))) | frozenset("“”‘’„…–€Ωжא中١\u2028\u202e\ufeff\ud800😀")
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
ONE = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)
NOTHING: Characters = frozenset()


class Doubt(Exception):
    """The pattern is not known to be linear."""


class _Judge:
    """Judges the parsed items of one pattern."""

    def __init__(self, flags: int, *, is_anchored: bool) -> None:
        self.flags = flags & (re.IGNORECASE | re.DOTALL | re.ASCII | re.MULTILINE)
        self.is_anchored = is_anchored

    def judge(self, items: list[Item], before: list[Item], after: list[Item], *, is_lookahead: bool) -> None:
        """Raise Doubt for an item of a sequence; `before` and `after` are what surrounds the sequence."""
        for index, (code, value) in enumerate(items):
            previous, following = before + items[:index], items[index + 1 :] + after
            if code in REPEATS:
                self._judge_repeat((code, value), previous, following, is_lookahead=is_lookahead)
            elif code is sre.SUBPATTERN:
                self.judge(list(value[3]), previous, following, is_lookahead=is_lookahead)
            elif code is sre.ATOMIC_GROUP:
                self.judge(list(value), previous, following, is_lookahead=is_lookahead)
            elif code is sre.BRANCH:
                for branch in value[1]:
                    self.judge(list(branch), previous, following, is_lookahead=is_lookahead)
            elif code in (sre.ASSERT, sre.ASSERT_NOT):
                self.judge(list(value[1]), previous, [], is_lookahead=True)
            elif code not in (*ONE, sre.AT):
                raise Doubt(f"it contains {code}")

    def _judge_repeat(self, item: Item, before: list[Item], after: list[Item], *, is_lookahead: bool) -> None:
        """Raise Doubt for a repetition that may be read more than once."""
        code, (_, most, body) = item
        inner = list(body)
        if not _is_unbounded(item):
            self.judge(inner * min(most, 2), before, after, is_lookahead=is_lookahead)
            return
        self._judge_body(inner, after if code is not sre.POSSESSIVE_REPEAT else [])
        if not self._always_matches(item, after):
            is_possessive = code is sre.POSSESSIVE_REPEAT
            can_give_back = not is_possessive and self.first(inner) & self.first(after)
            if can_give_back and not self._is_short(after):
                raise Doubt("what follows a repetition can begin like it and repeats, too")
        elif not is_lookahead:
            return
        if not (self.is_anchored or self._starts_once(item, before)):
            raise Doubt("a repetition is read from every position of a text that it accepts")

    def _judge_body(self, body: list[Item], after: list[Item]) -> None:
        """Raise Doubt unless a text can be divided into repetitions of a body in one way only."""
        if self.is_optional(body):
            raise Doubt("a repeated part can be empty")
        again: list[Item] = [(sre.MAX_REPEAT, (0, sre.MAXREPEAT, body))]
        self._judge_choice(body, [*again, *after])

    def _judge_choice(self, items: list[Item], after: list[Item]) -> None:
        """Raise Doubt for a choice within a repeated part that the next character does not decide."""
        for index, (code, value) in enumerate(items):
            following = items[index + 1 :] + after
            if code is sre.BRANCH:
                read = NOTHING
                for branch in value[1]:
                    first = self.first([*branch, *(following if self.is_optional(list(branch)) else [])])
                    if first & read:
                        raise Doubt("alternatives within a repetition can begin alike")
                    read |= first
                    self._judge_choice(list(branch), following)
            elif code is sre.SUBPATTERN:
                self._judge_choice(list(value[3]), following)
            elif code in REPEATS:
                least, most, body = value
                is_decided = code is sre.POSSESSIVE_REPEAT or not self.first(list(body)) & self.first(
                    following
                )
                if least != most and not is_decided and not self._always_matches((code, value), following):
                    raise Doubt("a repetition within a repetition can end at several positions")
                self._judge_choice(list(body), [(sre.MAX_REPEAT, (0, most, body)), *following])

    def _always_matches(self, item: Item, after: list[Item]) -> bool:
        """Return whether what follows a repetition matches wherever that ends."""
        if self._are_free(after):
            return True
        rest = next((list(each[1][1]) for each in after[:1] if each[0] is sre.BRANCH), [])
        rest = rest or next((list(each[1][3]) for each in after[:1] if each[0] is sre.SUBPATTERN), [])
        if len(rest) == 1 and isinstance(rest[0], tuple) and rest[0][0] is sre.BRANCH:
            rest = list(rest[0][1][1])
        branches = [list(each) for each in rest if not isinstance(each, tuple)]
        has_end = any(list(_flatten(each)) == [(sre.AT, sre.AT_END_STRING)] for each in branches)
        singles = [self.first(each) for each in branches if len(each) == 1 and each[0][0] in ONE]
        rejected = ALL - self.first(list(item[1][2]))
        return has_end and rejected <= NOTHING.union(*singles) and self._are_free(after[1:])

    def _is_short(self, after: list[Item]) -> bool:
        """Return whether what follows a repetition fails within a bound, or matches."""
        index = next((index for index, each in enumerate(after) if _has_unbounded(each)), len(after))
        return index == len(after) or (
            (_is_unbounded(after[index]) or self._is_free(after[index]))
            and self._are_free(after[index + 1 :])
        )

    def _are_free(self, items: list[Item]) -> bool:
        """Return whether a sequence matches everywhere; at its end may be one that reads all up to the end."""
        *before, last = items or [(sre.MAX_REPEAT, (0, 0, []))]
        if last == (sre.AT, sre.AT_END_STRING) and before:
            before[-1] = _unwrap(before[-1])
            reads_all = _is_unbounded(before[-1]) and self.first([before[-1]]) == ALL
            return reads_all and all(map(self._is_free, before))
        return all(map(self._is_free, items))

    def _is_free(self, item: Item) -> bool:
        """Return whether an item matches everywhere, for example as nothing."""
        code, value = item
        if code in REPEATS:
            return bool(value[0] == 0)
        if code is sre.SUBPATTERN:
            return all(map(self._is_free, value[3]))
        return code is sre.BRANCH and any(all(map(self._is_free, branch)) for branch in value[1])

    def _starts_once(self, item: Item, before: list[Item]) -> bool:
        """Return whether an attempt that begins within the characters of a repetition ends before it reads them."""
        required = list(_flatten(before))
        if any(each in ((sre.AT, sre.AT_BEGINNING_STRING), (sre.AT, sre.AT_BEGINNING)) for each in required):
            return not self.flags & re.MULTILINE
        read = repeated = self.all_of([item])
        refused: Characters = NOTHING
        for each in reversed(required):
            code, value = each
            if self._ends(each, repeated):
                return True
            if code is sre.ASSERT and value[0] < 0:
                if any(self._ends(inner, repeated) for inner in value[1]):
                    return True
            elif code is sre.ASSERT_NOT and value[0] < 0 and len(value[1]) == 1:
                refused = self.first(list(value[1]))
            elif each == (sre.AT, sre.AT_BOUNDARY):
                refused = frozenset(character for character in ALL if re.match(r"\w", character))
            else:
                read |= self.all_of([each])
                repeated |= self.all_of([each]) if _has_unbounded(each) else NOTHING
                continue
            if read <= refused:
                return True
        return False

    def _ends(self, item: Item, read: Characters) -> bool:
        """Return whether an item requires a character that is not in a set."""
        code, value = item
        if code is sre.BRANCH:
            return all(any(self._ends(each, read) for each in _flatten(list(branch))) for branch in value[1])
        return code in ONE and not self.first([item]) & read

    # Sets of characters

    def first(self, items: list[Item]) -> Characters:
        """Return the characters with which a sequence can begin."""
        result = NOTHING
        for code, value in items:
            if code in ONE:
                return result | self._one((code, value))
            if (code, value) == (sre.AT, sre.AT_END_STRING):
                break
            result |= NOTHING.union(*(self.first(each) for each in _children(code, value)))
            if not self.is_optional([(code, value)]):
                break
        return result

    def all_of(self, items: list[Item]) -> Characters:
        """Return the characters that a sequence can contain."""
        result = NOTHING
        for code, value in items:
            if code in ONE:
                result |= self._one((code, value))
            for each in _children(code, value):
                result |= self.all_of(each)
        return result

    def is_optional(self, items: list[Item]) -> bool:
        """Return whether a sequence can match without a character."""
        for code, value in items:
            if code in ONE:
                return False
            if code in REPEATS and value[0] and not self.is_optional(list(value[2])):
                return False
            if code in (sre.SUBPATTERN, sre.BRANCH, sre.ATOMIC_GROUP) and not any(
                map(self.is_optional, _children(code, value))
            ):
                return False
        return True

    def _one(self, item: Item) -> Characters:
        """Return the characters that an item for one character matches."""
        code, value = item
        return _read_set(code, tuple(value) if isinstance(value, list) else value, self.flags)


@functools.cache
def _read_set(code: Any, value: Any, flags: int) -> Characters:
    """Return the characters that an item for one character matches."""
    if code is sre.ANY:
        return ALL if flags & re.DOTALL else ALL - {"\n"}
    kinds = value if code is sre.IN else ((sre.LITERAL, value),)
    is_negated = code is sre.NOT_LITERAL or kinds[0][0] is sre.NEGATE
    accepted = set()
    for character in ALL:
        forms = {character, character.lower(), character.upper()} if flags & re.IGNORECASE else {character}
        if any(_is_of(kind, argument, form, flags) for kind, argument in kinds for form in forms):
            accepted.add(character)
    return ALL - accepted if is_negated else frozenset(accepted)


def _is_of(kind: Any, argument: Any, character: str, flags: int) -> bool:
    """Return whether a part of a set contains a character."""
    if len(character) != 1 or kind is sre.NEGATE:
        return False
    if kind is sre.LITERAL:
        return bool(ord(character) == argument)
    if kind is sre.RANGE:
        return bool(argument[0] <= ord(character) <= argument[1])
    name = str(argument).removeprefix("CATEGORY_")
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.removeprefix("NOT_")]
    escape = letter.upper() if name.startswith("NOT_") else letter
    return re.match(f"\\{escape}", character, flags & re.ASCII) is not None


def _children(code: Any, value: Any) -> list[list[Item]]:
    """Return the sequences within an item that consumes characters."""
    if code in REPEATS:
        return [list(value[2])]
    if code is sre.SUBPATTERN:
        return [list(value[3])]
    if code is sre.BRANCH:
        return [list(each) for each in value[1]]
    return [list(value)] if code is sre.ATOMIC_GROUP else []


def _flatten(items: list[Item]) -> Iterator[Item]:
    """Yield the items of a sequence, with those of its groups and of its required repetitions."""
    for code, value in items:
        if code is sre.SUBPATTERN or code is sre.ATOMIC_GROUP:
            yield from _flatten(list(value[3] if code is sre.SUBPATTERN else value))
        elif code in REPEATS and value[0] and not _is_unbounded((code, value)):
            yield from _flatten(list(value[2]))
            yield code, (0, value[1], value[2])
        else:
            yield code, value


def _unwrap(item: Item) -> Item:
    """Return the only item of a group, or the item itself."""
    code, value = item
    return value[3][0] if code is sre.SUBPATTERN and len(value[3]) == 1 else item


def _is_unbounded(item: Item) -> bool:
    """Return whether an item is a repetition without a bound."""
    code, value = item
    return code in REPEATS and (value[1] is sre.MAXREPEAT or value[1] > BOUNDED)


def _has_unbounded(item: Item) -> bool:
    """Return whether there is a repetition without a bound in an item."""
    code, value = item
    inner = [list(value[1])] if code in (sre.ASSERT, sre.ASSERT_NOT) else _children(code, value)
    return _is_unbounded(item) or any(_has_unbounded(each) for sequence in inner for each in sequence)


def find_doubt(pattern: re.Pattern[Any], *, is_anchored: bool = False) -> str | None:
    """Return why a pattern is not known to take linear time, or None when it is.

    `is_anchored`: the pattern is only matched at the start of a text, and maybe up to its end.
    """
    items = list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    try:
        end = [(sre.AT, sre.AT_END_STRING)] if is_anchored else []
        _Judge(pattern.flags, is_anchored=is_anchored).judge(items, [], end, is_lookahead=False)
    except Doubt as doubt:
        return str(doubt)
    return None


# The patterns of all modules


def list_modules() -> list[str]:
    """Return the names of all modules of the layer."""
    return [each.name for each in pkgutil.walk_packages(weconnect.__path__, "weconnect.") if not each.ispkg]


ANCHORED = frozenset({"match", "fullmatch"})


class Use(NamedTuple):
    """A pattern in a module, or None when local values make it; `is_anchored`: it is only matched at the start."""

    source: str | bytes
    pattern: re.Pattern[Any] | None
    is_anchored: bool


def list_patterns(module: ModuleType) -> Iterator[Use]:
    """Yield the patterns of a module: compiled ones in its values, those that its code gives to functions of `re`."""
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text())
    calls = [
        (each, each.func)
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
    ]
    for name, value in vars(module).items():
        methods = {method.attr for _, method in calls if ast.unparse(method.value) == name}
        for pattern in _find_compiled(value):
            yield Use(pattern.pattern, pattern, bool(methods) and methods <= ANCHORED)
    for call, method in calls:
        function = method.attr
        if ast.unparse(method.value) != "re" or function in ("escape", "purge"):
            continue
        position = {"sub": 4, "subn": 4, "split": 3, "compile": 1}.get(function, 2)
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
            if function != "compile":
                yield Use(pattern.pattern, pattern, function in ANCHORED)


def _find_compiled(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    """Yield the compiled patterns in a value of a module, or of one of its classes."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 4 and isinstance(value, dict):
        for each in value.values():
            yield from _find_compiled(each, depth + 1)
    elif depth < 4 and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _find_compiled(each, depth + 1)
    elif depth == 0 and isinstance(value, type) and value.__module__.startswith("weconnect."):
        for each in vars(value).values():
            yield from _find_compiled(each, depth + 1)


def list_foreign_imports(path: Path) -> list[str]:
    """Return the imports of a file that hide patterns from `list_patterns`: names of `re`, or `re` by another name."""
    return [
        ast.unparse(each)
        for each in ast.walk(ast.parse(path.read_text()))
        if (isinstance(each, ast.ImportFrom) and each.module in ("re", "regex"))
        or (
            isinstance(each, ast.Import)
            and any(name.name == "regex" or (name.name == "re" and name.asname) for name in each.names)
        )
    ]
