"""How a key is put together. Apart from `table`, because the authorizer makes keys without PynamoDB."""

import hashlib


def key(*parts: object) -> str:
    """Join the parts of a key with `#`; no content of a part can forge a separator."""
    return "#".join(_part(str(part)) for part in parts)


def _part(text: str) -> str:
    encoded = "".join(
        f"%{ord(char):02X}" if char in "#%" or ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 else char
        for char in text
    )
    if len(encoded.encode()) <= 200:
        return encoded
    head = encoded.encode()[:135].decode(errors="ignore")
    return f"{head}~{hashlib.sha256(text.encode()).hexdigest()}"
