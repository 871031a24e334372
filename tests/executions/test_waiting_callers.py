"""The share of an organization in the callers that may wait at the same time, and what is answered beyond it."""

import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser, register
from tests.gateway import CONTEXT, ApiResponse
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect import clock, ids, remaining_time
from weconnect.db import counters
from weconnect.errors import Unavailable
from weconnect.executions import service
from weconnect.identity import request_limits, waiting
from weconnect.identity.rows import WaitingRow
from weconnect.settings import settings

WAITS = {"Prefer": "wait=1"}
WAITS_LONG = {"Prefer": "wait=25"}


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the time (epoch seconds), which a test may change, and let polls of an execution take none."""
    seconds = [1_900_000_000]
    monkeypatch.setattr(clock, "epoch_seconds", lambda: seconds[0])
    return seconds


def limit_callers(monkeypatch: pytest.MonkeyPatch, total: int) -> None:
    monkeypatch.setitem(settings.__dict__, "max_waiting_callers", total)


def take(organization_id: UUID, count: int = 1) -> list[int | None]:
    return [waiting._take(organization_id, 25) for _ in range(count)]


def refuse_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no caller wait; one that does so nevertheless fails the test."""
    limit_callers(monkeypatch, 0)

    def fail(seconds: float) -> None:
        raise AssertionError("a caller waits")

    monkeypatch.setattr(time, "sleep", fail)


def answer_of(response: ApiResponse) -> tuple[int, str | None, str | None]:
    return response.status, response.headers.get("Retry-After"), response.headers.get("Preference-Applied")


def test_an_organization_may_have_as_many_waiting_callers_as_are_left(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_callers(monkeypatch, 12)
    monkeypatch.setattr(request_limits, "MAX_WAITING_CALLERS", (12,) * 4)
    first, second, third = (ids.new_id() for _ in range(3))
    leases = take(first, 8)
    assert [lease is not None for lease in leases] == [True] * 6 + [False] * 2, "half of the total"
    assert [lease is not None for lease in take(second, 5)] == [True] * 3 + [False] * 2, (
        "half of what was left"
    )
    assert [lease is not None for lease in take(third, 3)] == [True, False, False]
    assert leases[0]
    waiting._return(first, leases[0])
    waiting._return(first, leases[0])
    assert [lease is not None for lease in take(third, 2)] == [True, False]


def test_everybody_gets_one_until_the_total_is_reached(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_callers(monkeypatch, 3)
    assert [take(ids.new_id())[0] is not None for _ in range(5)] == [True] * 3 + [False] * 2


def test_a_plan_limits_the_waiting_callers_of_an_organization(me: RegisteredUser) -> None:
    organization_id = UUID(str(me.organization["id"]))
    free, starter, *_ = request_limits.MAX_WAITING_CALLERS
    set_plan(me, "free")
    leases = take(organization_id, free + 1)
    assert [lease is not None for lease in leases] == [True] * free + [False]
    set_plan(me, "starter")
    assert [lease is not None for lease in take(organization_id, starter)] == (
        [True] * (starter - free) + [False] * free
    )


def test_the_last_fifth_is_left_for_organizations_without_a_waiting_caller(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_callers(monkeypatch, 40)
    taken = [sum(lease is not None for lease in take(ids.new_id(), 12)) for _ in range(12)]
    assert taken == [4] * 8 + [1] * 4, "of 40, 32 go to whoever comes first"
    assert [take(ids.new_id())[0] is not None for _ in range(5)] == [True] * 4 + [False]


def test_a_killed_callers_lease_expires(
    aws: None, monkeypatch: pytest.MonkeyPatch, moment: list[int]
) -> None:
    limit_callers(monkeypatch, 2)
    organization_id = ids.new_id()
    (killed,) = take(organization_id)
    assert killed and take(organization_id)[0] is None
    moment[0] += 25
    assert take(organization_id)[0] is None, "it may still wait"
    moment[0] += waiting.SLACK_SECONDS + 2 * waiting.INTERVAL_SECONDS
    (lease,) = take(organization_id)
    assert lease
    waiting._return(organization_id, lease)
    item = counters.read_item(WaitingRow.of_organization(organization_id))
    assert f"t{killed}" not in item, "expired leases are removed"
    assert counters.get_number(item, f"t{lease}") == 0


def test_nobody_waits_and_nothing_fails_while_leases_cannot_be_stored(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, send_update = create_agent(me), counters.send_update

    def fail(request: dict[str, Any], **options: Any) -> dict[str, Any]:
        if request["Key"]["sk"]["S"] == "WAITING":
            raise Unavailable("The counter cannot be updated.")
        return send_update(request, **options)

    monkeypatch.setattr(counters, "send_update", fail)
    assert answer_of(me.client.post(f"{path}/executions", {"input": "x"}, headers=WAITS)) == (202, "2", None)


def test_beyond_its_share_a_start_is_answered_at_once(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, workflow = (
        create_agent(me),
        create_workflow(me, definition([node("w", "wait", seconds=9)], "start > w")),
    )
    refuse_waits(monkeypatch)
    for path in (agent, workflow):
        response = me.client.post(f"{path}/executions", {"input": "x"}, headers=WAITS)
        assert (answer_of(response), response.json["status"]) == ((202, "2", None), "pending")
    starter.run_pending()
    express = create_workflow(me, definition([node("a", "noop")], "start > a"), "Express")
    response = me.client.post(f"{express}/executions", {}, headers=WAITS)
    assert (answer_of(response), response.json["status"]) == ((200, None, "wait=1"), "completed"), (
        "it needs no wait"
    )


def test_beyond_its_share_a_long_poll_returns_what_there_is(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_workflow(me, definition([node("w", "wait", seconds=9)], "start > w"))
    execution = start_execution(me, path)
    refuse_waits(monkeypatch)
    first = me.client.get(f"{execution}/events", headers=WAITS)
    assert answer_of(first) == (200, None, "wait=1") and len(first.json["items"]) == 1
    again = me.client.get(f"{execution}/events?cursor={first.json['nextCursor']}", headers=WAITS)
    assert answer_of(again) == (200, "2", None) and again.json["items"] == []


def test_beyond_its_share_an_mcp_call_returns_the_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_agent(me)
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    tools = me.client.post("/v1/mcp", message).json["result"]["tools"]
    name = next(tool["name"] for tool in tools if tool["title"] == "Helper")
    refuse_waits(monkeypatch)
    call = message | {"method": "tools/call", "params": {"name": name, "arguments": {"input": "x"}}}
    result = me.client.post("/v1/mcp", call).json["result"]
    assert "has not finished" in result["content"][0]["text"] and not result["isError"]


def test_beyond_its_share_tests_of_tools_and_nodes_are_refused(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = create_agent(me)
    tool = me.client.post(f"{agent}/tools", {"toolName": "calculator"}).headers["Location"]
    workflow = create_workflow(me, definition([node("a", "noop")], "start > a"))
    refuse_waits(monkeypatch)
    for path, body in {
        f"{tool}/test": {"arguments": {"expression": "1+1"}},
        f"{workflow}/nodes/a/test": {"input": {"main": [{}]}},
    }.items():
        response = me.client.post(path, body)
        assert (response.status, response.json["code"]) == (429, "too_many_waiting"), response.text
        assert response.headers["Retry-After"] == "2"


def test_a_wait_costs_two_updates_before_it_and_two_after_it(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sent = create_agent(me), list[str]()
    send_update = counters.send_update

    def record(request: dict[str, Any], **options: Any) -> dict[str, Any]:
        sent.append(request["Key"]["sk"]["S"])
        return send_update(request, **options)

    monkeypatch.setattr(counters, "send_update", record)
    response = me.client.post(f"{path}/executions", {"input": "x"}, headers=WAITS)
    assert answer_of(response) == (202, None, "wait=1")
    assert sent.count("WAITING") == 4
    assert waiting._take(register().organization["id"], 1), "the lease was returned"


def test_beyond_its_share_a_request_to_a_server_of_the_tenant_is_refused(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, home = create_agent(me), f"/v1/organizations/{me.organization['id']}"
    domain = f"{home}/domains/example.org"
    assert me.client.put(domain).status == 200
    refuse_waits(monkeypatch)
    mcp = {"toolName": "a", "toolType": "mcp", "configuration": {"apiEndpoint": "https://mcp.example.com"}}
    provider = {"issuer": "https://idp.example.com", "clientId": "a", "clientSecret": "b"}
    for method, path, body in (
        ("POST", f"{agent}/tools", mcp),
        ("PUT", f"{home}/identity-provider", provider),
        ("POST", f"{domain}/verify", None),
    ):
        response = me.client.call(method, path, body)
        assert (response.status, response.json["code"]) == (429, "too_many_waiting"), response.text
        assert response.headers["Retry-After"] == "2"


def test_nobody_waits_longer_than_the_function_has_time_to_answer(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_workflow(me, definition([node("w", "wait", seconds=9)], "start > w")) + "/executions"
    pauses: list[float] = []
    replaced = SimpleNamespace(sleep=pauses.append, monotonic=lambda: 100 + sum(pauses))
    for module in (remaining_time, service):
        monkeypatch.setattr(module, "time", replaced)
    monkeypatch.setattr(CONTEXT, "get_remaining_time_in_millis", lambda: 9_000)
    assert answer_of(me.client.post(path, {}, headers=WAITS_LONG)) == (202, None, "wait=25")
    assert sum(pauses) == pytest.approx(7)
    monkeypatch.setattr(CONTEXT, "get_remaining_time_in_millis", lambda: 1_500)
    assert answer_of(me.client.post(path, {}, headers=WAITS_LONG)) == (202, "2", None)
    assert sum(pauses) == pytest.approx(7), "there was no time to wait"
