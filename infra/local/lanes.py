"""Lanes: the shares of the pool's workers for calls of different sorts, fair between tenants.

A lane runs as many calls at once as the machine computes, beside those that have run so long that they wait for
something. What is queued in it is run in turns, one call of each tenant, so that nobody waits for all of another's.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

USUAL_CALLS = 2 * (os.cpu_count() or 2)
WAITS_AFTER_SECONDS = 0.2

LaneName = Literal["short", "waiting", "background", "nested"]
"""Requests; those that may wait; executions, queues and schedules; calls that another function waits for."""

_ORGANIZATION_ID = re.compile(rb'organizationId\\*": ?\\*"([0-9a-f-]{36})')


@dataclass
class Lane:
    """Calls of one sort: `usual` that compute at once, and up to `most` with those that wait for something.

    A call that has run for 0.2 s counts as one that waits.
    """

    most: int
    usual: int = USUAL_CALLS
    _begun_at: dict[int, float] = field(default_factory=dict)  # of active calls, by their numbers
    _queued: dict[str, deque[asyncio.Future[int]]] = field(
        default_factory=dict
    )  # by tenant, in the order of turns
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def active(self) -> int:
        """Return how many calls run."""
        return len(self._begun_at)

    async def enter(self, tenant: str) -> int:
        """Return the call's number when it is its turn; `leave` ends the call."""
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queued.setdefault(tenant, deque()).append(turn)
        try:
            self._admit()
            while not turn.done():
                await asyncio.wait([turn], timeout=WAITS_AFTER_SECONDS)
                self._admit()
        except asyncio.CancelledError:
            if not turn.cancel():
                self.leave(turn.result())
            raise
        return turn.result()

    def leave(self, number: int) -> None:
        """End a call, and let the next one in."""
        del self._begun_at[number]
        self._admit()

    def _admit(self) -> None:
        """Let queued calls in while few compute: one of each tenant in turn."""
        moment = time.monotonic()
        computing = sum(moment - begun_at < WAITS_AFTER_SECONDS for begun_at in self._begun_at.values())
        while self._queued and computing < self.usual and self.active < self.most:
            tenant = next(iter(self._queued))
            turns = self._queued.pop(tenant)
            turn = turns.popleft()
            if turns:
                self._queued[tenant] = turns  # behind the other tenants
            if not turn.done():
                number = next(self._numbers)
                self._begun_at[number] = moment
                turn.set_result(number)
                computing += 1


def create_lanes() -> dict[LaneName, Lane]:
    """Return the lanes of a pool; together they have all its workers, so that no lane takes those of another."""
    return {
        "short": Lane(most=24),
        "waiting": Lane(most=48),
        "background": Lane(most=32),
        "nested": Lane(most=16, usual=16),
    }


def choose_lane(route: str, headers: Mapping[str, str]) -> LaneName:
    """Return the lane of a request to a route such as `POST /v1/mcp`."""
    may_wait = (
        "wait" in headers.get("prefer", "").lower() or route == "POST /v1/mcp" or route.endswith("/test")
    )
    return "waiting" if may_wait else "short"


def identify_tenant(headers: Mapping[str, str], address: str) -> str:
    """Return whose turn a request takes: the organization that its token names, unverified, else key or address."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.count(".") == 2:
        try:
            body = token.split(".")[1]
            return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["org"])
        except (ValueError, KeyError, TypeError):
            pass
    return hashlib.sha256(headers.get("x-api-key", address).encode()).hexdigest()


def find_tenant(payload: bytes) -> str:
    """Return the organization that the payload of a function names; empty for none."""
    match = _ORGANIZATION_ID.search(payload)
    return match[1].decode() if match else ""
