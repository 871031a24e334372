"""UUIDv7 (RFC 9562), which sort by the time of their creation."""

import hashlib
import os
import threading
from datetime import datetime
from uuid import UUID

from weconnect import clock

_last = (0, 0)
_lock = threading.Lock()


def new_id() -> UUID:
    """Return a new UUIDv7; a counter keeps the order of ids that one process creates in the same millisecond."""
    global _last
    milliseconds = int(clock.now().timestamp() * 1000)
    with _lock:
        before, counter = _last
        if milliseconds <= before:
            milliseconds, counter = before, counter + 1
        else:
            counter = int.from_bytes(os.urandom(1))
        if counter > 0xFFF:
            milliseconds, counter = milliseconds + 1, 0
        _last = (milliseconds, counter)
    return _assemble(milliseconds, counter, int.from_bytes(os.urandom(8)))


def derived_id(milliseconds: int, digest: bytes) -> UUID:
    """Return the UUIDv7 of a time (ms since 1970) and a SHA-256; the same arguments give the same id."""
    return _assemble(milliseconds, int.from_bytes(digest[:2]), int.from_bytes(digest[2:10]))


def derived_from(origin: UUID, name: str) -> UUID:
    """Return the UUIDv7 of a part of something else, such as a step of an execution: the same at each attempt.

    It has the time of `origin`, also a UUIDv7; `name` distinguishes the parts.
    """
    digest = hashlib.sha256(f"{origin} {name}".encode()).digest()
    return derived_id(int(timestamp_of(origin) * 1000), digest)


def derived_at(moment: datetime, name: str) -> UUID:
    """Return the UUIDv7 of an event at a moment; `name` distinguishes it from all other events."""
    return derived_id(int(moment.timestamp() * 1000), hashlib.sha256(name.encode()).digest())


def timestamp_of(identifier: UUID) -> float:
    """Return the creation time of a UUIDv7 in seconds since 1970."""
    return (identifier.int >> 80) / 1000


def lowest_id(seconds: float) -> UUID:
    """Return the lowest UUIDv7 of a moment (seconds since 1970): a bound for queries by time."""
    return _assemble(int(seconds * 1000), 0, 0)


def _assemble(milliseconds: int, counter: int, tail: int) -> UUID:
    """Return a UUIDv7 from milliseconds since 1970 (48 bits), 12 bits of `counter` and 62 bits of `tail`."""
    return UUID(
        int=(milliseconds & (1 << 48) - 1) << 80
        | 0x7 << 76
        | (counter & 0xFFF) << 64
        | 0b10 << 62
        | tail & (1 << 62) - 1
    )
