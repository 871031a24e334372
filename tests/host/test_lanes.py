"""Lanes of the local host's workers: shares for calls of different sorts, and turns for tenants."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from infra.local import lanes
from infra.local.lanes import Call, Lane, choose_lane, find_tenant, identify_tenant
from tests.host.local_host import wait_until


def run(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    return asyncio.run(work)


def test_tenants_take_turns() -> None:
    async def call() -> list[str]:
        lane, order = Lane(most=1, usual=1), list[str]()

        async def one(tenant: str) -> None:
            admitted = await lane.enter(tenant)
            order.append(tenant)
            await asyncio.sleep(0)
            lane.leave(admitted)

        await asyncio.gather(*[one(tenant) for tenant in "aaaaaabbc"])
        assert lane.active == 0
        return order

    assert run(call()) == list("aabcabaaa")


def test_a_lane_runs_more_calls_while_others_wait_up_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "WAITS_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(lanes, "_read_process", lambda pid: (False, 0))

    async def call() -> list[str]:
        lane, ran, end = Lane(most=5, usual=2), list[str](), asyncio.Event()

        async def wait(name: str) -> None:
            admitted = await lane.enter("a")
            admitted.pid = 1
            ran.append(name)
            await end.wait()
            lane.leave(admitted)

        waiting = [asyncio.create_task(wait(str(number))) for number in range(9)]
        while len(ran) < 5:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(ran) == lane.active == 5
        end.set()
        await asyncio.gather(*waiting)
        return ran

    assert run(call()) == [str(number) for number in range(9)]


def test_a_tenant_leaves_a_place_for_another() -> None:
    async def call() -> list[str]:
        lane, ran = Lane(most=9, usual=3), list[str]()

        async def compute(tenant: str) -> None:
            await lane.enter(tenant)
            ran.append(tenant)

        calls = [asyncio.create_task(compute(tenant)) for tenant in "aaaab"]
        while "b" not in ran:
            await asyncio.sleep(0.01)
        for each in calls:
            each.cancel()
        return ran

    assert run(call()) == ["a", "a", "b"]


def test_a_tenant_gets_one_place_in_each_lane_and_no_second_where_it_has_enough_in_all() -> None:
    async def call() -> list[str]:
        peers: list[Lane] = []
        one, other = Lane(most=9, usual=3, peers=peers), Lane(most=9, usual=3, peers=peers)
        ran = list[str]()

        async def compute(lane: Lane, name: str) -> Call:
            admitted = await lane.enter(name[0])
            ran.append(name)
            return admitted

        calls = [asyncio.create_task(compute(one, f"a{number}")) for number in range(3)]
        calls += [asyncio.create_task(compute(other, name)) for name in ("a3", "a4", "b0")]
        while "b0" not in ran:
            await asyncio.sleep(0.01)
        before = len(ran)
        for each in calls[:2]:
            one.leave(await each)
        while len(ran) == before:
            await asyncio.sleep(0.01)
        for each in calls:
            each.cancel()
        return ran

    assert run(call()) == ["a0", "a1", "a3", "b0", "a2"], "at the end, one in each lane"


@pytest.mark.parametrize(
    ("process", "waits"), [((False, 1.01), True), ((False, 2.0), False), ((True, 1.0), False)]
)
def test_a_call_waits_while_its_worker_uses_no_processor(
    monkeypatch: pytest.MonkeyPatch, process: tuple[bool, float], waits: bool
) -> None:
    states = [(True, 1.0), process]
    monkeypatch.setattr(lanes, "_read_process", lambda pid: states.pop(0))
    call = Call(1, "a", looked_at=0, pid=7)
    call.look(0.1)  # too early
    call.look(1)
    assert not call.is_waiting and len(states) == 1
    call.look(2)
    assert call.is_waiting is waits


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell")
def test_the_system_tells_whether_a_process_runs() -> None:
    is_ready, used_seconds = lanes._read_process(os.getpid())
    assert is_ready and used_seconds > 0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as sleeper:
        wait_until(lambda: not lanes._read_process(sleeper.pid)[0])
        sleeper.kill()
    assert lanes._read_process(0) == (False, 0)


def test_a_call_whose_worker_starts_does_not_wait() -> None:
    call = Call(1, "a", looked_at=0)
    call.look(9)
    assert not call.is_waiting


def test_a_cancelled_call_gives_its_turn_away() -> None:
    async def call() -> list[str]:
        lane = Lane(most=1, usual=1)
        admitted = await lane.enter("a")
        queued = [asyncio.create_task(lane.enter("a")) for _ in range(2)]
        await asyncio.sleep(0)
        queued[0].cancel()
        await asyncio.sleep(0)
        lane.leave(admitted)
        lane.leave(await queued[1])
        return [str(lane.active)]

    assert run(call()) == ["0"]


def test_requests_that_may_wait_have_a_lane_of_their_own() -> None:
    assert choose_lane("GET /v1/agents", {}) == "short"
    assert choose_lane("GET /v1/agents", {"prefer": "wait=5"}) == "waiting"
    assert choose_lane("POST /v1/mcp", {}) == "waiting"


def test_a_tenant_is_the_organization_of_a_token_or_of_a_payload() -> None:
    body = base64.urlsafe_b64encode(json.dumps({"org": "o1"}).encode()).decode().rstrip("=")
    assert identify_tenant({"authorization": f"Bearer x.{body}.y"}, "ip") == "o1"
    others = [
        identify_tenant({"authorization": "Bearer x.y.z"}, "ip"),
        identify_tenant({"x-api-key": "k"}, "ip"),
    ]
    assert len({*others, identify_tenant({}, "other")}) == 3
    organization_id = "0197b3a0-0000-7000-8000-000000000000"
    payload = json.dumps({"input": json.dumps({"organizationId": organization_id})}).encode()
    assert find_tenant(payload) == organization_id
