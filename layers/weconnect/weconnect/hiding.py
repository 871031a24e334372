"""Hiding: secrets are replaced by a mask in all that leaves the code that works with them.

A secret is found in a text and in everything that the text decodes to: escapes of JSON, HTML and URLs (repeated as
often as they were applied), base64 and base64url at any alignment and with any line breaks, and hexadecimal, each
within the others. Letters are compared without regard to their case. Only the part of the text that a secret comes
from is replaced, so the rest stays readable.

The work is linear: one automaton (Aho-Corasick) looks for all secrets at once, and a text is decoded to at most
MAX_WORK times its length. A text that decodes to more is withheld as a whole.

Texts shorter than MIN_CHARACTERS are not hidden: they can be guessed, and occur in most texts by chance.
"""

import base64
import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import accumulate
from typing import Any, NamedTuple

from weconnect.json_text import list_texts, replace_texts

MASK = "••••"
MIN_CHARACTERS = 6
MIN_DERIVED_CHARACTERS = 8
MAX_WORK = 64
MAX_PACKINGS = 3
"""How many times base64 or hexadecimal is decoded within itself or the other."""

_ESCAPE = re.compile(
    rb"%u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u\{[0-9a-fA-F]{1,6}\}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\x[0-9a-fA-F]{2}|\\[^A-Za-z0-9]|\\[nrtbfv0ae]"
    rb"|&#0{0,9}[0-9]{1,7};|&#[xX]0{0,9}[0-9a-fA-F]{1,6};|&[A-Za-z][A-Za-z0-9]{1,31};"
)
_CONTROL_CHARACTERS = {
    b"\\n": b"\n",
    b"\\r": b"\r",
    b"\\t": b"\t",
    b"\\b": b"\b",
    b"\\f": b"\f",
    b"\\v": b"\v",
    b"\\0": b"\0",
    b"\\a": b"\a",
    b"\\e": b"\x1b",
}
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_TO_STANDARD_BASE64 = bytes.maketrans(b"-_", b"+/")
_HEXADECIMAL = b"0123456789abcdefABCDEF"
_NOT_HEXADECIMAL = bytes(set(range(256)) - set(_HEXADECIMAL))
_READABLE = re.compile(
    rb"[\t\n\r\x20-\x7e]{4,}"
    rb"(?:[\t\n\r\x20-\x7e]+|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})*"
)
MIN_READABLE = 12
_FOLDED = bytes(b"abcdefghijklmnopqrstuvwxyz"[each - 65] if 65 <= each <= 90 else each for each in range(256))
_FOLDED = _FOLDED.replace(b"+", b" ")
"""Letters in lower case, and `+` as the space that it is in a query."""

_SEPARATOR = b"\0\n"

Span = tuple[int, int]


class _Decoded(NamedTuple):
    """The content that a text decodes to; `locate` returns the span of the text that a span of it comes from."""

    content: bytes
    locate: Callable[[int, int], Span]
    packings: int


class _TooMuchWork(Exception):
    """A text decodes to more than MAX_WORK times its length."""


class Hiding:
    """The secrets of a piece of work, and their replacement in what it returns."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._needles: dict[bytes, re.Pattern[bytes] | None] = {}
        self._automaton: Any = None
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

        Texts and words that `public` values contain come from elsewhere and stay.
        """
        public_texts = set(list_texts(list(public)))
        public_texts.update([word for text in public_texts for word in text.split()])
        for text in {*list_texts(value)} - public_texts:
            for part in {text, *text.split()} - public_texts:
                if len(part) >= MIN_DERIVED_CHARACTERS:
                    self.add(part)

    def hide(self, value: Any) -> Any:
        """Return a JSON value with all secrets replaced by MASK, in keys as in values."""
        if not self._needles:
            return value
        texts = [text.encode(errors="surrogatepass") for text in list_texts(value)]
        spans = self._find(_SEPARATOR.join(texts))
        return replace_texts(value, iter(_mask_texts(texts, spans))) if spans else value

    def hide_bytes(self, content: bytes) -> bytes:
        """Return the content of a file with all secrets replaced by MASK."""
        if not self._needles:
            return content
        parts, position = [], 0
        for start, end in self._find(content):
            parts += [content[position:start], MASK.encode()]
            position = end
        return b"".join([*parts, content[position:]])

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
            for _ in range(MAX_WORK):
                if len(form) < MIN_CHARACTERS:
                    break
                self._needles[form.translate(_FOLDED)] = None
                if (decoded := _unescape(form)) is None:
                    break
                form = decoded.content
        self._automaton = None

    def _find(self, content: bytes) -> list[Span]:
        """Return the parts of a content that contain secrets, in order and without overlaps."""
        if len(content) < MIN_CHARACTERS:
            return []
        if self._automaton is None:
            from ahocorasick_rs import BytesAhoCorasick  # cold start

            self._automaton = BytesAhoCorasick(sorted(self._needles))
        try:
            spans = self._search(_Decoded(content, lambda start, end: (start, end), 0), content)
        except _TooMuchWork:
            return [(0, len(content))]
        merged: list[Span] = []
        for start, end in sorted(set(spans)):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _search(self, whole: _Decoded, content: bytes) -> list[Span]:
        """Return the spans of secrets in a content, of all that it decodes to. Raises _TooMuchWork."""
        work, spans = 0, []
        rests = [self._needles[needle] for needle in sorted(self._needles)]
        waiting = [whole]
        while waiting:
            layer = waiting.pop()
            work += len(layer.content)
            if work > MAX_WORK * len(content) + 65_536:
                raise _TooMuchWork
            for number, start, end in self._automaton.find_matches_as_indexes(
                layer.content.translate(_FOLDED), overlapping=True
            ):
                rest = rests[number]
                if rest is None:
                    spans.append(layer.locate(start, end))
                elif match := rest.match(layer.content, end):
                    spans.append(layer.locate(start, match.end()))
            readable = _compose(layer, _select_readable(layer.content)) if layer.packings else layer
            waiting += [_compose(readable, decoded) for decoded in _decode(readable)]
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


# What a text decodes to


def _decode(layer: _Decoded) -> Iterator[_Decoded]:
    """Yield what a content decodes to, in each encoding that occurs in it."""
    if (unescaped := _unescape(layer.content)) is not None:
        yield unescaped
    if layer.packings < MAX_PACKINGS:
        yield from _unpack(layer.content, _NOT_BASE64, 4, _decode_base64, 4, 3)
        yield from _unpack(layer.content, _NOT_HEXADECIMAL, 2, bytes.fromhex, 2, 1)


def _unescape(content: bytes) -> _Decoded | None:
    """Return a content with one level of escapes decoded, or None for one without escapes."""
    unescaped = _ESCAPE.sub(_decode_escape, content)
    if unescaped == content:  # no escapes, or only entities that do not exist
        return None
    starts: list[int] = []
    offsets: list[int] = []

    def place() -> None:
        """List where each escape begins and ends, in the content and in the result."""
        removed = 0
        for match in _ESCAPE.finditer(content):
            starts.extend(match.span())
            offsets.append(match.start() - removed)
            removed += len(match[0]) - len(_decode_escape(match))
            offsets.append(match.end() - removed)

    def locate(start: int, end: int) -> Span:
        """Return the span in the content; of an escape, all is part of it."""
        if not offsets:
            place()
        # Odd numbers of bounds before a position: it is within an escape.
        first, last = bisect_right(offsets, start), bisect_right(offsets, end - 1)
        before = starts[first - 1] + (0 if first % 2 else start - offsets[first - 1]) if first else start
        after = starts[last] if last % 2 else (starts[last - 1] + end - offsets[last - 1] if last else end)
        return before, after

    return _Decoded(unescaped, locate, 0)


def _select_readable(content: bytes) -> _Decoded:
    """Return the long readable parts of what was packed: text that never was packed unpacks to noise."""
    matches = [match for match in _READABLE.finditer(content) if len(match[0]) >= MIN_READABLE]
    offsets = [0, *accumulate(len(match[0]) + 1 for match in matches)]

    def locate(start: int, end: int) -> Span:
        """Return the span in the content."""
        first, last = bisect_right(offsets, start) - 1, bisect_right(offsets, end - 1) - 1
        return (
            matches[first].start() + start - offsets[first],
            min(matches[last].start() + end - offsets[last], matches[last].end()),
        )

    return _Decoded(b"\0".join(match[0] for match in matches), locate, 0)


def _decode_escape(match: re.Match[bytes]) -> bytes:
    """Return what one escape stands for."""
    escape = match[0]
    kind = escape[:2]
    if kind == b"&#":
        number = int(escape[3:-1], 16) if escape[2:3] in (b"x", b"X") else int(escape[2:-1])
        return chr(min(number, 0x10FFFF)).encode(errors="surrogatepass")
    if escape[:1] == b"&":
        return html.unescape(escape.decode()).encode(errors="surrogatepass")
    if kind in (b"%u", b"\\u", b"\\U"):
        code = escape[2:].strip(b"{}")
        if len(code) == 10:  # a surrogate pair: d83d\ude00
            return chr(0x10000 + ((int(code[:4], 16) & 0x3FF) << 10) + (int(code[6:], 16) & 0x3FF)).encode()
        return chr(min(int(code, 16), 0x10FFFF)).encode(errors="surrogatepass")
    if escape[:1] == b"%" or kind == b"\\x":
        return bytes((int(escape[-2:], 16),))
    return _CONTROL_CHARACTERS.get(escape, escape[1:])


def _decode_base64(text: str) -> bytes:
    """Return the bytes of base64 without padding."""
    packed = text.encode().translate(_TO_STANDARD_BASE64)
    return base64.b64decode(packed + b"=" * (-len(packed) % 4))


def _unpack(
    content: bytes, others: bytes, alignments: int, decode: Callable[[str], bytes], wide: int, narrow: int
) -> Iterator[_Decoded]:
    """Yield what the letters of an alphabet in a content decode to, beginning at each alignment.

    `others` are the bytes that the alphabet lacks; `wide` letters are `narrow` bytes.
    """
    letters = content.translate(None, delete=others).decode()
    positions: list[int] = []

    def place(letter: int) -> int:
        """Return the position in the content of a letter. The table is made for the first one that is needed."""
        if not positions:
            excluded = frozenset(others)
            positions.extend(index for index, each in enumerate(content) if each not in excluded)
        return positions[letter]

    for skipped in range(alignments):
        usable = letters[skipped:]
        usable = usable[: len(usable) - (len(usable) % wide == 1)]
        if len(usable) < MIN_CHARACTERS:
            return
        with suppress(binascii.Error, ValueError):
            unpacked = decode(usable)

            def locate(start: int, end: int, skipped: int = skipped) -> Span:
                """Return the span in the content of the letters that a span was decoded from."""
                first, last = skipped + start * wide // narrow, skipped - (-end * wide // narrow) - 1
                return place(first), place(min(last, len(letters) - 1)) + 1

            yield _Decoded(unpacked, locate, 1)


def _compose(outer: _Decoded, inner: _Decoded) -> _Decoded:
    """Return what a content decodes to, with its spans in the text that the content was decoded from."""

    def locate(start: int, end: int) -> Span:
        """Return the span in the text."""
        return outer.locate(*inner.locate(start, end))

    return _Decoded(inner.content, locate, outer.packings + inner.packings)


def _list_passwords(text: str) -> Iterator[str]:
    """Yield what HTTP's Basic authentication wraps in a text: `user:password`, and the password."""
    scheme, _, packed = text.strip().partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            pair = base64.b64decode(packed, validate=True).decode()
            yield from (part for part in (pair, pair.partition(":")[2]) if len(part) >= MIN_CHARACTERS)


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
