"""Hiding: secrets are replaced by a mask in all that leaves the code that works with them.

A secret is found in a text and in everything that the text decodes to: escapes of JSON, HTML and URLs (repeated as
often as they were applied), base64 and base64url at any alignment and in lines, and hexadecimal, each within the
others. Letters are compared without regard to their case. Only the part of the text that a secret comes from is
replaced, so the rest stays readable, and no text can make others disappear.

The work is linear: one automaton (Aho-Corasick) looks for all secrets at once, in windows of WINDOW bytes that overlap.
What a window decodes to is searched from the outside to the inside: after MAX_PASSES different escapes within each
other, MAX_PACKINGS packings, and at the latest MAX_WORK times its length, the search ends. No service that returns what
it was sent encodes it so often, and hiding prevents accidents.

Texts shorter than MIN_CHARACTERS are not hidden: they can be guessed, and occur in most texts by chance.
"""

import base64
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from weconnect.decoded_texts import (
    MAX_PACKINGS,
    PACKED,
    PACKED_CLASSES,
    REPEATED,
    Layer,
    Span,
    decode_base64,
    decode_hexadecimal,
    select_readable,
    unescape,
)
from weconnect.json_text import list_numbers, list_texts, replace_texts, write_number

MASK = "••••"
MIN_CHARACTERS = 6
MIN_DERIVED_CHARACTERS = 8
MAX_DERIVED_CHARACTERS = 4096
MAX_ALL_DERIVED_CHARACTERS = 2**16
WINDOW = 2**20
MIN_OVERLAP = 2**16
MAX_WORK = 24
_CODED = re.compile(rb"\\[uUx]")
"""What escapes of JSON that may stand for letters begin with."""
_FOLDED = bytes(b"abcdefghijklmnopqrstuvwxyz"[each - 65] if 65 <= each <= 90 else each for each in range(256))
_FOLDED = _FOLDED.replace(b"+", b" ")
"""Letters in lower case, and `+` as the space that it is in a query."""

_SEPARATOR = b"\0\n"


class Hiding:
    """The secrets of a piece of work, and their replacement in what it returns."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._needles: dict[bytes, re.Pattern[bytes] | None] = {}
        self._automaton: Any = None
        self._derived_characters = 0
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Hide a secret from now on, and each long line of one that has several."""
        if len(text) < MIN_CHARACTERS:
            return
        for form in {text, text.strip(), text.lower(), text.upper(), *_list_passwords(text)}:
            self._add_form(form)
        lines = text.splitlines()
        for line in lines if len(lines) > 1 else []:
            if len(line.strip()) >= 16 and not line.startswith("-----"):
                self._add_form(line.strip())

    def add_prefix(self, prefix: str, rest: str) -> None:
        """Hide, from now on, what begins with a text and goes on as a regular expression says."""
        self._needles[prefix.encode().translate(_FOLDED)] = re.compile(rest.encode(), re.IGNORECASE)
        self._automaton = None

    def add_derived(self, value: Any, public: Iterable[Any] = ()) -> None:
        """Hide a JSON value that was computed from a secret: its texts and numbers, and the words in them.

        What occurs in `public` values, in whatever case, comes from elsewhere and stays. So does what is longer than
        MAX_DERIVED_CHARACTERS; of a longer text, the words are hidden. In all, MAX_ALL_DERIVED_CHARACTERS are.
        """
        parts: dict[bytes, str] = {}
        for text in [*list_texts(value), *map(write_number, list_numbers(value))]:
            for part in [text, *text[: 2 * MAX_ALL_DERIVED_CHARACTERS].split()]:
                folded = part.encode(errors="surrogatepass").translate(_FOLDED)
                is_short = MIN_DERIVED_CHARACTERS <= len(part) <= MAX_DERIVED_CHARACTERS
                if is_short and folded not in self._needles:
                    parts[part.casefold().encode(errors="surrogatepass")] = part
        for public_part in _find_public(list(parts), public):
            parts.pop(public_part, None)
        for part in parts.values():
            self._derived_characters += len(part)
            if self._derived_characters > MAX_ALL_DERIVED_CHARACTERS:
                return
            self.add(part)

    def hide(self, value: Any) -> Any:
        """Return a JSON value with all secrets replaced by MASK, in keys as in values.

        Numbers are replaced when they are a secret. Keys that differ still differ.
        """
        if not self._needles:
            return value
        texts = [text.encode(errors="surrogatepass") for text in list_texts(value)]
        spans = self._find(_SEPARATOR.join(texts))
        numbers = {each: MASK for each in list_numbers(value) if self._is_secret(each)}
        return replace_texts(value, iter(_mask_texts(texts, spans)), numbers) if spans or numbers else value

    def hide_bytes(self, content: bytes) -> bytes:
        """Return the content of a file with all secrets replaced by MASK."""
        if not self._needles:
            return content
        parts, position = [], 0
        for start, end in self._find(content, is_file=True):
            parts += [content[position:start], MASK.encode()]
            position = end
        return b"".join([*parts, content[position:]]) if parts else content

    def _is_secret(self, number: Any) -> bool:
        """Return whether a number is one of the secrets."""
        return write_number(number).encode() in self._needles

    def hide_values(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object whose names are ours, with all secrets in its values replaced by MASK."""
        return dict(zip(value, self.hide(list(value.values())), strict=True))

    def hide_messages(self, lines: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return errors or log lines with all secrets in their messages replaced by MASK."""
        messages = self.hide([line["message"] for line in lines])
        return [{**line, "message": message} for line, message in zip(lines, messages, strict=True)]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Hide the secrets in log lines and in what `hide` and `hide_and_cut` return, within the context."""
        token = _active.set((*_active.get(), self))
        try:
            yield
        finally:
            _active.reset(token)

    def _add_form(self, text: str) -> None:
        """Add a text as each character set writes it, and what is left of it when its own escapes are decoded."""
        forms = {text.encode(errors="surrogatepass"), text.encode("utf-16-le", errors="surrogatepass")}
        with suppress(UnicodeError):
            forms.add(text.encode("latin-1"))
        for form in forms:
            layer: Layer | None = Layer(form, lambda start, end: (start, end))
            while layer and len(layer.content) >= MIN_CHARACTERS:
                for each in (layer.content, REPEATED.sub(lambda match: match[0][:1], layer.content)):
                    self._needles[each.translate(_FOLDED)] = None
                    if len(each) * 4 < len(PACKED) * 3:
                        self._needles.update(dict.fromkeys(_pack_short(each)))
                layer = unescape(layer)
        self._automaton = None

    def _build_automaton(self) -> None:
        """Build what finds all needles at once, unless it is built."""
        if self._automaton is None:
            from ahocorasick_rs import BytesAhoCorasick  # cold start

            needles = sorted(self._needles)
            self._automaton = BytesAhoCorasick(needles)
            self._rests = [self._needles[needle] for needle in needles]
            self._overlap = max(MIN_OVERLAP, min(WINDOW // 2, 4 * max(map(len, needles))))
            self._has_only_letters = all(needle.replace(b"\0", b"").isalnum() for needle in needles)

    def _find(self, content: bytes, *, is_file: bool = False) -> list[Span]:
        """Return the parts of a content that contain secrets, in order and without overlaps."""
        if len(content) < MIN_CHARACTERS:
            return []
        self._build_automaton()
        spans: list[Span] = []
        for begin in range(0, max(1, len(content) - self._overlap), WINDOW - self._overlap):
            window = content[begin : begin + WINDOW]
            spans += [(begin + start, begin + end) for start, end in self._search(window, is_file)]
        return _merge(spans)

    def _search(self, content: bytes, is_file: bool) -> list[Span]:
        """Return the spans of secrets in a content, of all that it decodes to."""
        spans: list[Span] = []
        work, waiting = 0, deque([Layer(content, lambda start, end: (start, end))])
        while waiting:
            layer = waiting.popleft()
            work += len(layer.content)
            if work > MAX_WORK * len(content) + MIN_OVERLAP:
                break
            spans += [layer.locate(start, end) for start, end in self._match(layer.content)]
            is_noise = layer.packings or (is_file and b"\0" in layer.content)
            readable = select_readable(layer) if is_noise else layer
            if self._may_be_escaped(readable.content) and (unescaped := unescape(readable)):
                waiting.append(unescaped)
            if layer.packings < MAX_PACKINGS:
                waiting += decode_base64(readable)
                waiting += decode_hexadecimal(readable)
        return _merge(spans)

    def _may_be_escaped(self, content: bytes) -> bool:
        """Return whether escapes in a content may hide a secret: JSON's quotation marks are in no row of letters.

        Its line breaks are between the lines of base64.
        """
        if not self._has_only_letters or b"%" in content or b"&" in content or _CODED.search(content):
            return True
        return b"\\" in content and PACKED in content.translate(PACKED_CLASSES)

    def _match(self, content: bytes) -> list[Span]:
        """Return the spans of needles in a content, and of what may follow a prefix."""
        spans: list[Span] = []
        for number, start, end in self._automaton.find_matches_as_indexes(
            content.translate(_FOLDED), overlapping=True
        ):
            if rest := self._rests[number]:
                if not (match := rest.match(content, end)):
                    continue
                end = match.end()
            while spans and spans[-1][1] >= start:  # they come in the order of their ends
                before = spans.pop()
                start, end = min(start, before[0]), max(end, before[1])
            spans.append((start, end))
        return spans


_active: ContextVar[tuple[Hiding, ...]] = ContextVar("hiding", default=())


def hide(value: Any) -> Any:
    """Return a JSON value without the secrets of the work that is under way."""
    for hiding in _active.get():
        value = hiding.hide(value)
    return value


def hide_and_cut(text: str, max_length: int) -> str:
    """Return the beginning of a text, without secrets. To be used for every text that leaves shortened.

    Hiding comes first: a secret that the cut divides could not be found any more.
    """
    return str(hide(text))[:max_length]


def _merge(spans: list[Span]) -> list[Span]:
    """Return spans in order, those that touch as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _pack_short(form: bytes) -> Iterator[bytes]:
    """Yield the letters of base64 and base64url, folded, that contain nothing but a text, at each alignment."""
    for before in range(3):
        packed = base64.b64encode(bytes(before) + form + b"\0\0")
        letters = packed[-(-before * 4 // 3) : (before + len(form)) * 4 // 3]
        yield letters.translate(_FOLDED)
        yield letters.replace(b"+", b"-").replace(b"/", b"_").translate(_FOLDED)


def _list_passwords(text: str) -> Iterator[str]:
    """Yield what HTTP's Basic authentication wraps in a text: `user:password`, and the password."""
    scheme, _, packed = text.strip().partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            pair = base64.b64decode(packed, validate=True).decode()
            yield from (part for part in (pair, pair.partition(":")[2]) if len(part) >= MIN_CHARACTERS)


def _find_public(parts: list[bytes], public: Iterable[Any]) -> set[bytes]:
    """Return those parts that occur in public values, in whatever case."""
    occurring: set[bytes] = set()
    if parts and public:
        from ahocorasick_rs import BytesAhoCorasick  # cold start

        automaton = BytesAhoCorasick(parts)
        for value in public:
            for text in [*list_texts(value), *map(write_number, list_numbers(value))]:
                folded = text.casefold().encode(errors="surrogatepass")
                for begin in range(0, len(folded), WINDOW):
                    window = folded[begin : begin + WINDOW + MAX_DERIVED_CHARACTERS * 4]
                    matches = automaton.find_matches_as_indexes(window, overlapping=True)
                    occurring.update(parts[number] for number, _, _ in matches)
    return occurring


def _mask_texts(texts: list[bytes], spans: list[Span]) -> Iterator[str]:
    """Yield the texts with MASK in the place of spans, which count in the texts joined by _SEPARATOR."""
    begin, number = 0, 0
    for text in texts:
        end, position, parts = begin + len(text), 0, []
        while number < len(spans) and spans[number][0] < end:
            first, last = max(spans[number][0] - begin, position), min(spans[number][1] - begin, len(text))
            # A match in another character set may begin or end within a character.
            while first > position and text[first] & 0xC0 == 0x80:
                first -= 1
            while last < len(text) and text[last] & 0xC0 == 0x80:
                last += 1
            if last > first:
                parts += [text[position:first].decode(errors="surrogatepass"), MASK]
                position = last
            if spans[number][1] > end:
                break
            number += 1
        yield "".join([*parts, text[position:].decode(errors="surrogatepass")])
        begin = end + len(_SEPARATOR)
