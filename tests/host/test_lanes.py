"""Lanes of the local host's workers: shares for calls of different sorts, and turns for tenants."""

import asyncio
import base64
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from infra.local import lanes
from infra.local.lanes import Lane, choose_lane, find_tenant, identify_tenant


def run(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    return asyncio.run(work)


def test_tenants_take_turns() -> None:
    async def call() -> list[str]:
        lane, order = Lane(most=1, usual=1), list[str]()

        async def one(tenant: str) -> None:
            number = await lane.enter(tenant)
            order.append(tenant)
            await asyncio.sleep(0)
            lane.leave(number)

        await asyncio.gather(*[one(tenant) for tenant in "aaaaaabbc"])
        assert lane.active == 0
        return order

    assert run(call()) == list("aabcabaaa")


def test_a_lane_runs_more_calls_while_others_wait_up_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "WAITS_AFTER_SECONDS", 0.01)

    async def call() -> list[str]:
        lane, ran, end = Lane(most=5, usual=2), list[str](), asyncio.Event()

        async def wait(name: str) -> None:
            number = await lane.enter("a")
            ran.append(name)
            await end.wait()
            lane.leave(number)

        waiting = [asyncio.create_task(wait(str(number))) for number in range(9)]
        while len(ran) < 5:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(ran) == lane.active == 5
        end.set()
        await asyncio.gather(*waiting)
        return ran

    assert run(call()) == [str(number) for number in range(9)]


def test_a_cancelled_call_gives_its_turn_away() -> None:
    async def call() -> list[str]:
        lane = Lane(most=1, usual=1)
        number = await lane.enter("a")
        queued = [asyncio.create_task(lane.enter("a")) for _ in range(2)]
        await asyncio.sleep(0)
        queued[0].cancel()
        await asyncio.sleep(0)
        lane.leave(number)
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
