"""Texts that people choose and others see: without characters that are invisible, or that reorder others."""

import re

_INVISIBLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\ufffe\\uffff\\ud800-\\udfff]"
)
"""Controls (C0, C1), separators, overrides of the direction of writing, and codes without a character."""


def require_visible(text: str) -> str:
    """Return a text of one line. Raises ValueError for a character that cannot be shown."""
    if match := _INVISIBLE.search(text):
        raise ValueError(f"contains U+{ord(match[0]):04X}, which cannot be shown. Remove that character")
    return text


def make_visible(text: str, keep: str = "") -> str:
    """Return a text with U+FFFD for each character that cannot be shown, except those in `keep`."""
    return _INVISIBLE.sub(lambda match: match[0] if match[0] in keep else "\ufffd", text)
