"""Frames between host, fork server and workers: a JSON header and a payload, preceded by the lengths of both."""

import json
import socket
import struct
from typing import Any

LENGTHS = struct.Struct("!II")


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """Return the frame of a header and a payload."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return LENGTHS.pack(len(head), len(payload)) + head + payload


def read_frame(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Return the next header and payload of a blocking socket, or None when the other side has closed it."""
    lengths = _read_exactly(connection, LENGTHS.size)
    if lengths is None:
        return None
    head_length, payload_length = LENGTHS.unpack(lengths)
    body = _read_exactly(connection, head_length + payload_length)
    if body is None:
        return None
    return json.loads(body[:head_length]), bytes(body[head_length:])


def _read_exactly(connection: socket.socket, length: int) -> bytearray | None:
    """Return the next `length` bytes, or None when the other side closes the connection before their end."""
    data = bytearray(length)
    view, done = memoryview(data), 0
    while done < length:
        count = connection.recv_into(view[done:])
        if count == 0:
            return None
        done += count
    return data
