"""Texts that people choose and others see: without characters that are invisible, or that reorder others."""

import re

_INVISIBLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufffe\\uffff"
    "\\ud800-\\udfff]"
)
"""Controls (C0, C1), separators, characters without width but joiners, marks and overrides of the direction of writing,
and codes without a character. Joiners are part of emoji, and of words in Persian and Hindi."""


def require_visible(text: str) -> str:
    """Return a text of one line. Raises ValueError for a character that cannot be shown."""
    if match := _INVISIBLE.search(text):
        raise ValueError(f"contains U+{ord(match[0]):04X}, which cannot be shown. Remove that character")
    return text


def make_visible(text: str, keep: str = "") -> str:
    """Return a text with U+FFFD for each character that cannot be shown, except those in `keep`."""
    return _INVISIBLE.sub(lambda match: match[0] if match[0] in keep else "\ufffd", text)
