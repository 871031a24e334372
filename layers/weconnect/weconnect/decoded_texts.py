"""Decoding of texts: escapes of JSON, HTML and URLs, base64 and hexadecimal, with the place that all comes from."""

import binascii
import functools
import html
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

MAX_PASSES = 6
"""How many times escapes are decoded; from the third time on, an escape that was escaped itself counts once."""
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
REPEATED = re.compile(rb"%(?:25)++|\\{2,}+|&(?:amp;)++")
"""The beginnings of escapes that were escaped themselves, any number of times."""
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_TO_STANDARD_BASE64 = bytes.maketrans(b"-_", b"+/")
_HEXADECIMAL = b"0123456789abcdefABCDEF"
_NOT_HEXADECIMAL = bytes(set(range(256)) - set(_HEXADECIMAL))
PACKED_CLASSES = bytes(
    ord("a" if each in _BASE64 else " " if each in b" \t\r\n" else ".") for each in range(256)
)
PACKED = b"a" * 16
"""So many letters of base64 in a row may be packed; texts whose base64 is shorter are looked for in base64."""
_REST_OF_PACKED = re.compile(rb"(?:a++| {1,4}+(?=a))*+")
_READABLE_CLASSES = bytes(ord("a" if 32 <= each < 127 or each in b"\t\r\n" else ".") for each in range(256))
_READABLE = b"a" * 8
_REST_OF_READABLE = re.compile(
    rb"(?:[\t\n\r\x20-\x7e]++|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})*+"
)
MIN_READABLE = 12

Span = tuple[int, int]


class Layer(NamedTuple):
    """The content that a text decodes to; `locate` returns the span of the text that a span of it comes from."""

    content: bytes
    locate: Callable[[int, int], Span]
    passes: int = 0
    packings: int = 0


def unescape(layer: Layer) -> Layer | None:
    """Return a content with one level of escapes decoded, or None for one without escapes or with too many levels."""
    if layer.passes == MAX_PASSES or not any(each in layer.content for each in (b"%", b"\\", b"&")):
        return None
    simple = layer
    if layer.passes >= 2:
        simple = _substitute(layer, REPEATED, lambda match: match[0][:1]) or layer
    unescaped = _substitute(simple, _ESCAPE, _decode_escape)
    if unescaped is None:  # no escapes, or only entities that do not exist
        return None if simple is layer else simple._replace(passes=layer.passes + 1)
    return unescaped._replace(passes=layer.passes + 1)


def _substitute(
    layer: Layer, pattern: re.Pattern[bytes], decode: Callable[[re.Match[bytes]], bytes]
) -> Layer | None:
    """Return a content with all matches of a pattern decoded, or None when that changes nothing."""
    content = layer.content
    substituted = pattern.sub(decode, content)
    if substituted == content:
        return None
    starts, offsets = array("L"), array("L")

    def place() -> None:
        """List where each escape begins and ends, in the content and in the result."""
        removed = 0
        for match in pattern.finditer(content):
            starts.extend(match.span())
            offsets.append(match.start() - removed)
            removed += len(match[0]) - len(decode(match))
            offsets.append(match.end() - removed)

    def locate(start: int, end: int) -> Span:
        """Return the span in the text; of an escape, all is part of it."""
        if not offsets:
            place()
        # Odd numbers of bounds before a position: it is within an escape.
        first, last = bisect_right(offsets, start), bisect_right(offsets, end - 1)
        before = starts[first - 1] + (0 if first % 2 else start - offsets[first - 1]) if first else start
        after = starts[last] if last % 2 else (starts[last - 1] + end - offsets[last - 1] if last else end)
        return layer.locate(before, after)

    return layer._replace(content=substituted, locate=locate)


def _decode_escape(match: re.Match[bytes]) -> bytes:
    """Return what one escape stands for."""
    return _decode_escape_text(match[0])


@functools.lru_cache(4096)
def _decode_escape_text(escape: bytes) -> bytes:
    """Return what one escape, which is at most some dozen bytes long, stands for."""
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


def select_readable(layer: Layer) -> Layer:
    """Return the long readable parts of what was packed: text that never was packed unpacks to noise."""
    content = layer.content
    matches = []
    classes = content.translate(_READABLE_CLASSES)
    start = classes.find(_READABLE)
    while start >= 0:
        match = _REST_OF_READABLE.match(content, start)
        assert match, "it matches an empty content"
        matches += [match] if len(match[0]) >= MIN_READABLE else []
        start = classes.find(_READABLE, match.end())
    offsets = [0, *accumulate(len(match[0]) + 1 for match in matches)]

    def locate(start: int, end: int) -> Span:
        """Return the span in the text."""
        first, last = bisect_right(offsets, start) - 1, bisect_right(offsets, end - 1) - 1
        return layer.locate(
            matches[first].start() + start - offsets[first],
            min(matches[last].start() + end - offsets[last], matches[last].end()),
        )

    return layer._replace(content=b"\0".join(match[0] for match in matches), locate=locate)


def decode_base64(layer: Layer) -> Iterator[Layer]:
    """Yield what long rows of the letters of base64 decode to, beginning at each alignment."""
    runs = []
    classes = layer.content.translate(PACKED_CLASSES)
    start = classes.find(PACKED)
    while start >= 0:
        match = _REST_OF_PACKED.match(classes, start)
        assert match, "it matches an empty content"
        runs.append((start, match.end()))
        start = classes.find(PACKED, match.end())
    yield from _unpack(layer, runs, _NOT_BASE64, _Packing(binascii.a2b_base64, 4, 3))


def decode_hexadecimal(layer: Layer) -> Iterator[Layer]:
    """Yield what all hexadecimal digits decode to, beginning at each alignment, whatever is between them."""
    yield from _unpack(layer, [(0, len(layer.content))], _NOT_HEXADECIMAL, _Packing(binascii.unhexlify, 2, 1))


class _Packing(NamedTuple):
    """Letters that stand for bytes: `wide` letters are `narrow` bytes."""

    decode: Callable[[bytes], bytes]
    wide: int
    narrow: int


def _unpack(layer: Layer, runs: list[Span], others: bytes, packing: _Packing) -> Iterator[Layer]:
    """Yield what the letters in parts of a content decode to, beginning at each alignment.

    `others` are the bytes that the alphabet lacks.
    """
    content, wide = layer.content, packing.wide
    parts: list[bytes] = []
    offsets = array("L")
    total = 0
    for start, end in runs:
        letters = content[start:end].translate(None, delete=others)
        part = letters + b"A" * (2 * wide - len(letters) % wide)  # zeros between the parts
        parts.append(part)
        offsets.append(total)
        total += len(part)
    joined = b"".join(parts).translate(_TO_STANDARD_BASE64)
    places: dict[int, array[int]] = {}

    def place(letter: int) -> int:
        """Return the position in the content of a letter. The table is made for the first one that is needed."""
        number = bisect_right(offsets, letter) - 1
        start, end = runs[number]
        if number not in places:
            excluded = frozenset(others)
            places[number] = array(
                "L", (start + index for index, each in enumerate(content[start:end]) if each not in excluded)
            )
        table = places[number]
        return table[min(letter - offsets[number], len(table) - 1)]

    for skipped in range(wide if parts else 0):
        usable = joined[skipped:]
        unpacked = packing.decode(usable[: len(usable) // wide * wide])

        def locate(start: int, end: int, skipped: int = skipped) -> Span:
            """Return the span in the text of the letters that a span was decoded from."""
            first = skipped + start * wide // packing.narrow
            last = skipped - (-end * wide // packing.narrow) - 1
            return layer.locate(place(first), place(last) + 1)

        yield Layer(unpacked, locate, layer.passes, layer.packings + 1)
