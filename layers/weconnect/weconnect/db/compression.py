"""JSON in little room: compressed in its row, or in the payload store when it is long even so."""

import json
import zlib
from typing import Any
from uuid import UUID

from weconnect.db import payloads

INLINE_BYTES = 48 * 1024
MAX_BYTES = 64 * 2**20


def pack(organization_id: UUID, name: str, value: Any, retention_days: int | None = None) -> dict[str, Any]:
    """`{"packed": bytes}`, or `{"pointer": …}` to the payload store: values of `Packed` attributes of a row."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    packed = zlib.compress(text.encode(errors="surrogatepass"), 6)
    if len(packed) <= INLINE_BYTES:
        return {"packed": packed}
    stored = payloads.store(organization_id, name, json.dumps(value), retention_days, inline_bytes=0)
    return {"pointer": stored}


def unpack(organization_id: UUID, packed: bytes | None, pointer: Any) -> Any:
    """The value that `pack` was given; raises PayloadGone when it has expired."""
    if packed is None:
        return json.loads(payloads.load(organization_id, pointer))
    opener = zlib.decompressobj()
    return json.loads(opener.decompress(packed, MAX_BYTES).decode(errors="surrogatepass"))
