"""Ids are UUIDv7 (RFC 9562): they sort by the time they were made."""

import hashlib
import os
import threading
from datetime import datetime
from uuid import UUID

from weconnect import clock

_last = (0, 0)
_lock = threading.Lock()


def new_id() -> UUID:
    """A UUIDv7; ids made in one millisecond by one process keep their order by a counter."""
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
    """The UUIDv7 that belongs to a time and a SHA-256: the same every time it is asked for."""
    return _assemble(milliseconds, int.from_bytes(digest[:2]), int.from_bytes(digest[2:10]))


def derived_from(origin: UUID, place: str) -> UUID:
    """The id of what belongs to a place within something else, as a step of a run: the same at each try."""
    digest = hashlib.sha256(f"{origin} {place}".encode()).digest()
    return derived_id(int(time_of(origin) * 1000), digest)


def derived_at(moment: datetime, place: str) -> UUID:
    """The id of what happened at a moment, from a text that tells it from all else."""
    return derived_id(int(moment.timestamp() * 1000), hashlib.sha256(place.encode()).digest())


def time_of(identifier: UUID) -> float:
    """Seconds since 1970 at which a UUIDv7 was made."""
    return (identifier.int >> 80) / 1000


def lowest_id(seconds: float) -> UUID:
    """The lowest UUIDv7 of a moment: a bound for queries by time."""
    return _assemble(int(seconds * 1000), 0, 0)


def _assemble(milliseconds: int, counter: int, tail: int) -> UUID:
    return UUID(
        int=(milliseconds & (1 << 48) - 1) << 80
        | 0x7 << 76
        | (counter & 0xFFF) << 64
        | 0b10 << 62
        | tail & (1 << 62) - 1
    )
