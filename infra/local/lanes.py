"""Lanes: the shares of the pool's workers for calls of different sorts, fair between tenants.

A lane runs about as many calls at once as the machine computes, beside those that wait for something. What is queued in
it is run in turns, one call of each tenant, and one tenant's calls, in all lanes together, leave places for another's:
so nobody waits for all of another's.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

USUAL_CALLS = 1 + (os.cpu_count() or 2)
WAITS_AFTER_SECONDS = 0.2
WAITING_SHARE = 0.15
"""The share of a processor that a call may use while it waits: it may look every now and then."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

LaneName = Literal["short", "waiting", "background", "nested"]
"""Requests; those that may wait; executions, queues and schedules; calls that another function waits for."""

_ORGANIZATION_ID = re.compile(rb'organizationId\\*": ?\\*"([0-9a-f-]{36})')


@dataclass
class Call:
    """A call in a lane. It waits, rather than computes, if its worker used little of a processor in the last 0.2 s."""

    number: int
    tenant: str
    looked_at: float
    pid: int = 0
    is_waiting: bool = False
    _used_seconds: float = 0

    def look(self, moment: float) -> None:
        """Find out whether the call waits, if 0.2 s have passed since it was last looked at."""
        passed = moment - self.looked_at
        if self.pid and passed >= WAITS_AFTER_SECONDS:
            is_ready, used = _read_process(self.pid)
            self.is_waiting = not is_ready and used - self._used_seconds < passed * WAITING_SHARE
            self._used_seconds, self.looked_at = used, moment


@dataclass
class Lane:
    """Calls of one sort: `usual` that compute at once, and up to `most` with those that wait for something.

    A tenant that has all of the `usual` places but one, in all `peers` together, gets no more than one in a lane.
    """

    most: int
    usual: int = USUAL_CALLS
    peers: list["Lane"] = field(default_factory=list, repr=False)  # the lanes of a pool, this one among them
    _calls: dict[int, Call] = field(default_factory=dict)  # active ones, by their numbers
    _queued: dict[str, deque[asyncio.Future[Call]]] = field(
        default_factory=dict
    )  # by tenant, in the order of turns
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.peers.append(self)

    @property
    def active(self) -> int:
        """Return how many calls run."""
        return len(self._calls)

    async def enter(self, tenant: str) -> Call:
        """Return a call when it is its turn; `leave` ends it."""
        turn: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
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

    def leave(self, call: Call) -> None:
        """End a call, and let the next one in."""
        del self._calls[call.number]
        for lane in self.peers:
            lane._admit()

    def _admit(self) -> None:
        """Let queued calls in while few compute: one of each tenant in turn."""
        if not self._queued:
            return
        moment = time.monotonic()
        computing = self._count_computing(moment)
        everywhere = sum((lane._count_computing(moment) for lane in self.peers), Counter[str]())
        share = max(1, self.usual - 1)
        while computing.total() < self.usual and self.active < self.most:
            may_enter = (each for each in self._queued if not computing[each] or everywhere[each] < share)
            tenant = next(may_enter, None)
            if tenant is None:
                break
            turns = self._queued.pop(tenant)
            turn = turns.popleft()
            if turns:
                self._queued[tenant] = turns  # behind the other tenants
            if not turn.done():
                call = Call(next(self._numbers), tenant, moment)
                self._calls[call.number] = call
                turn.set_result(call)
                computing[tenant] += 1
                everywhere[tenant] += 1

    def _count_computing(self, moment: float) -> Counter[str]:
        """Return the calls that compute, by tenant."""
        for call in self._calls.values():
            call.look(moment)
        return Counter(call.tenant for call in self._calls.values() if not call.is_waiting)


def _read_process(pid: int) -> tuple[bool, float]:
    """Return whether a process runs or is ready to, and the processor seconds it has used.

    Where the system does not tell (no /proc), nothing is ready after 0.2 s.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False, 0
    return state == "R", (int(fields[10]) + int(fields[11])) / TICKS_PER_SECOND


def create_lanes() -> dict[LaneName, Lane]:
    """Return the lanes of a pool; together they have all its workers, so that no lane takes those of another."""
    peers: list[Lane] = []
    return {
        "short": Lane(most=24, peers=peers),
        "waiting": Lane(most=48, peers=peers),
        "background": Lane(most=32, peers=peers),
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
