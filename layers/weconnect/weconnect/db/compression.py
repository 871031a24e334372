"""Compressed JSON: in its row, or in the payload store when it is too long for the row even so."""

import json
import zlib
from typing import Any, TypedDict
from uuid import UUID

from weconnect.db import payloads
from weconnect.db.payloads import Pointer, StoredText
from weconnect.json_text import write_json

MAX_INLINE_BYTES = 48 * 1024
MAX_UNPACKED_BYTES = 64 * 2**20


class PackedFields(TypedDict, total=False):
    """The fields of a row that hold packed JSON: `packed`, or `pointer` to the payload store."""

    packed: bytes
    pointer: Pointer


def pack(organization_id: UUID, name: str, value: Any, retention_days: int | None = None) -> PackedFields:
    """Return a JSON value as fields of a row; a long one is stored as payload `name` for `retention_days`."""
    text = write_json(value)
    packed = zlib.compress(text.encode(), 6)
    if len(packed) <= MAX_INLINE_BYTES:
        return {"packed": packed}
    return {"pointer": payloads.store_text(organization_id, name, text, retention_days)}


def unpack(organization_id: UUID, packed: bytes | None, pointer: StoredText | None) -> Any:
    """Return the JSON value that `pack` stored. Raises PayloadExpired when its retention period is over."""
    if packed is None:
        assert pointer is not None, "a packed row has one of the two"
        return json.loads(payloads.load(organization_id, pointer))
    decompressor = zlib.decompressobj()
    return json.loads(decompressor.decompress(packed, MAX_UNPACKED_BYTES).decode(errors="replace"))
