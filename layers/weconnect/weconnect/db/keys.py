"""The form of keys. Apart from `table`, because the authorizer builds keys without PynamoDB."""

import hashlib

MAX_PART_BYTES = 200


def key(*parts: object) -> str:
    """Return the parts of a key joined with `#`; no content of a part can forge a separator.

    `#`, `%` and control characters are percent-encoded; a part of over 200 bytes ends in `~` and its SHA-256.
    """
    return "#".join(_encode(str(part)) for part in parts)


def _encode(text: str) -> str:
    """Return one part of a key, percent-encoded; one over MAX_PART_BYTES is cut and ends in `~` and its SHA-256."""
    encoded = "".join(
        f"%{ord(char):02X}" if char in "#%" or ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 else char
        for char in text
    )
    if len(encoded.encode()) <= MAX_PART_BYTES:
        return encoded
    head = encoded.encode()[:135].decode(errors="ignore")
    return f"{head}~{hashlib.sha256(text.encode()).hexdigest()}"
