"""Lanes: the shares of the pool's workers for calls of different sorts, fair between tenants.

A lane runs as many calls at once as the machine computes, and more only while none of them ends: then they all wait for
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
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

USUAL_CALLS = 2 * (os.cpu_count() or 2)
GROW_AFTER_SECONDS = 0.2
GROW_INTERVAL_SECONDS = 0.05

LaneName = Literal["short", "waiting", "background", "nested"]
"""Requests; those that may wait; executions, queues and schedules; calls that another function waits for."""

_ORGANIZATION_ID = re.compile(rb'organizationId\\*": ?\\*"([0-9a-f-]{36})')


@dataclass
class Lane:
    """Calls of one sort: up to `usual` at once, and up to `most` while none ends."""

    most: int
    usual: int = USUAL_CALLS
    active: int = 0
    _left_count: int = 0
    _grown_at: float = 0.0
    _queued: dict[str, deque[asyncio.Future[None]]] = field(
        default_factory=dict
    )  # by tenant, in the order of turns

    async def enter(self, tenant: str) -> None:
        """Return when it is the call's turn; `leave` ends it."""
        if self.active < self.usual and not self._queued:
            self.active += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queued.setdefault(tenant, deque()).append(turn)
        try:
            while not turn.done():
                before = self._left_count
                await asyncio.wait([turn], timeout=GROW_AFTER_SECONDS)
                if not turn.done() and self._left_count == before:
                    self._grow()
        except asyncio.CancelledError:
            if not turn.cancel():
                self.leave()
            raise

    def leave(self) -> None:
        """End a call, and give its place to the next one."""
        self.active -= 1
        self._left_count += 1
        self._admit_next()

    def _grow(self) -> None:
        """Run as many calls more as are usual, up to the lane's share of workers, unless that happened just now."""
        moment = time.monotonic()
        if moment - self._grown_at >= GROW_INTERVAL_SECONDS:
            self._grown_at = moment
            for _ in range(min(self.usual, self.most - self.active)):
                self._admit_next()

    def _admit_next(self) -> None:
        """Let the next call in, of the tenant whose turn it is; the tenant's following call is then the last one's."""
        while self._queued:
            tenant = next(iter(self._queued))
            turns = self._queued.pop(tenant)
            turn = turns.popleft()
            if turns:
                self._queued[tenant] = turns
            if not turn.done():
                turn.set_result(None)
                self.active += 1
                return


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
