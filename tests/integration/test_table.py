"""Rows, conditions, indexes and transactions on the emulator."""

import threading
from typing import Any, TypeVar
from uuid import UUID

import pytest
from pynamodb.exceptions import CancellationReason, TransactWriteError, VerboseClientError

from tests.factories import RegisteredUser, register
from tests.integration.racing import count_outcomes, owner_caller, run_concurrently
from weconnect import clock
from weconnect.agents import service
from weconnect.agents.entities import AIAgentChanges, NewAIAgent
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.api.idempotency import IdempotencyRow
from weconnect.db import table
from weconnect.errors import Conflict, NameTaken, Problem, Unavailable
from weconnect.organizations.rows import CountRow, NameRow, OrganizationRow

R = TypeVar("R", bound=table.Row)


def list_rows(me: RegisteredUser, kind: type[R], prefix: str) -> list[R]:
    return list(
        kind.query(f"ORG#{me.organization['id']}", table.Row.sk.startswith(prefix), consistent_read=True)
    )


def count_agents(me: RegisteredUser) -> int:
    row = table.get(CountRow, CountRow.at(UUID(me.organization["id"]), "AGENT"))
    return int(row.count) if row else 0


def test_a_transaction_happens_whole_or_not_at_all(me: RegisteredUser) -> None:
    organization = UUID(me.organization["id"])
    names = [NameRow(*NameRow.at(organization, "AGENT", f"n{number}")) for number in range(40)]
    name_taken = NameTaken("the last one", "n39")
    table.create(NameRow(*NameRow.at(organization, "AGENT", "n39")), {})
    with pytest.raises(Conflict) as refused, table.transaction({}) as writes:
        for name in names:
            writes.create(name, name_taken)
    assert refused.value is name_taken
    assert len(list_rows(me, NameRow, "NAME#AGENT#n")) == 1
    with table.transaction({}) as writes:
        for name in names[:39]:
            writes.create(name)
    assert len(list_rows(me, NameRow, "NAME#AGENT#n")) == 40


def test_one_of_fifty_gets_a_name(me: RegisteredUser) -> None:
    caller = owner_caller(me)
    outcomes = count_outcomes(
        run_concurrently(50, lambda _: service.create(caller, NewAIAgent(name="Helper")))
    )
    assert outcomes == {"ok": 1, "name_taken": 49}
    agents = list_rows(me, AgentRow, "AGENT#")
    assert len(agents) == 1 and count_agents(me) == 1
    versions = AgentVersionRow.query(
        f"ORG#{me.organization['id']}#AGENT#{agents[0].id}", table.Row.sk.startswith("VERSION#")
    )
    assert sorted(row.sk for row in versions) == ["VERSION#000001", "VERSION#current"]


def test_one_of_twenty_changes_a_version(me: RegisteredUser) -> None:
    caller = owner_caller(me)
    agent = service.create(caller, NewAIAgent(name="Helper"))

    def change(number: int) -> object:
        return service.update(caller, agent.id, AIAgentChanges(description=f"by {number}"), if_match=1)

    results = run_concurrently(20, change)
    outcomes = count_outcomes(results)
    assert (
        outcomes["ok"] == 1
        and outcomes["ok"] + outcomes["stale_version"] + outcomes["version_conflict"] == 20
    )
    after = service.get(caller, agent.id)
    assert (after.version, after.agent_version) == (2, 2)
    winner = next(number for number, result in enumerate(results) if not isinstance(result, Problem))
    assert after.description == f"by {winner}"


def test_without_if_match_no_change_is_lost_silently(me: RegisteredUser) -> None:
    caller = owner_caller(me)
    agent = service.create(caller, NewAIAgent(name="Helper"))
    changes = [AIAgentChanges(name=f"Name {number}") for number in range(20)]
    outcomes = count_outcomes(
        run_concurrently(20, lambda number: service.update(caller, agent.id, changes[number], None))
    )
    assert outcomes["ok"] + outcomes["version_conflict"] == 20 and outcomes["ok"] >= 1
    after = service.get(caller, agent.id)
    assert after.version == 1 + outcomes["ok"]
    names = [row.sk for row in list_rows(me, NameRow, "NAME#AGENT#")]
    assert names == [f"NAME#AGENT#{after.name.casefold()}"], "the names of lost changes are free again"


def test_a_plan_of_five_agents_allows_five(me: RegisteredUser) -> None:
    caller = owner_caller(me)
    row = OrganizationRow.get(*OrganizationRow.at(me.organization["id"]))
    table.change(row, {"plan": "free"}, {})
    results = run_concurrently(20, lambda number: service.create(caller, NewAIAgent(name=f"a{number}")))
    assert count_outcomes(results) == {"ok": 5, "agent_limit_reached": 15}
    made = [result.id for result in results if not isinstance(result, Problem)]

    def swap(number: int) -> None:
        if number < 5:
            service.delete(caller, made[number], None)
        else:
            service.create(caller, NewAIAgent(name=f"b{number}"))

    run_concurrently(15, swap)
    assert count_agents(me) == len(list_rows(me, AgentRow, "AGENT#")) <= 5
    assert len(list_rows(me, NameRow, "NAME#AGENT#")) == count_agents(me)
    outcomes = count_outcomes(run_concurrently(10, lambda _: service.restore(caller, made[0])))
    assert outcomes["ok"] <= 1 and count_agents(me) == len(list_rows(me, AgentRow, "AGENT#")) <= 5


def test_expired_rows_do_not_count(me: RegisteredUser) -> None:
    """TTL removes late: until then an expired row is neither read, nor listed, nor in the way."""
    pk, sk = IdempotencyRow.at("expired")
    moment = clock.epoch_seconds()

    def row(ttl: int) -> IdempotencyRow:
        return IdempotencyRow(pk=pk, sk=sk, ttl=ttl, body_hash="x", first_seen=1, lease_until=1.0)

    table.put(row(moment - 1), {})
    assert table.get(IdempotencyRow, (pk, sk)) is None
    assert table.get_many([(pk, sk)]) == {}
    table.create(row(moment + 60), {})
    assert table.get(IdempotencyRow, (pk, sk)) is not None
    with pytest.raises(Conflict):
        table.create(row(moment + 60), {})

    made = [me.client.post("/v1/agents", {"name": f"a{number}"}).json["id"] for number in range(4)]
    AgentRow.get(*AgentRow.at(UUID(me.organization["id"]), UUID(made[2]))).update(
        [table.Row.ttl.set(moment - 1)]
    )
    first = me.client.get("/v1/agents?limit=2").json
    rest = me.client.get(f"/v1/agents?limit=2&cursor={first['nextCursor']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == [made[3], made[1], made[0]]
    assert me.client.get(f"/v1/agents/{made[2]}").status == 404


@pytest.mark.parametrize(
    "query", ["", "provider=embedded", "provider=embedded&model=embedded", "isActive=true"]
)
def test_pages_of_an_index_contain_every_row_once(me: RegisteredUser, query: str) -> None:
    made = [me.client.post("/v1/agents", {"name": f"a{number}"}).json["id"] for number in range(7)]
    other = register()
    assert other.client.post("/v1/agents", {"name": "a1"}).status == 201
    seen, cursor = [], ""
    while cursor is not None:
        page = me.client.get(f"/v1/agents?limit=3&{query}" + (f"&cursor={cursor}" if cursor else "")).json
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
    assert seen == made[::-1]


def test_collisions_are_retried(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator takes requests one by one, so the collisions of the real table are simulated."""
    caller, lock, collisions = owner_caller(me), threading.Lock(), [0]
    send = table.Transaction._send

    def collide(self: table.Transaction, writes: Any) -> None:
        with lock:
            collisions[0] += 1
            mine = collisions[0] % 3
        if mine:
            raise TransactWriteError("TransactionCanceledException", cause=_conflict())
        send(self, writes)

    monkeypatch.setattr(table.Transaction, "_send", collide)
    outcomes = count_outcomes(
        run_concurrently(10, lambda number: service.create(caller, NewAIAgent(name=f"a{number}")))
    )
    assert outcomes == {"ok": 10} and count_agents(me) == 10 and collisions[0] >= 30
    monkeypatch.setattr(table, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(
        table.Transaction, "_send", lambda self, writes: _raise(TransactWriteError("x", cause=_conflict()))
    )
    with pytest.raises(Unavailable):
        service.create(caller, NewAIAgent(name="never"))


def _raise(error: Exception) -> None:
    raise error


def _conflict() -> Exception:
    code = {"Error": {"Code": "TransactionCanceledException", "Message": "cancelled"}}
    reasons = [None, CancellationReason(code="TransactionConflict", message="ongoing")]
    return VerboseClientError(code, "TransactWriteItems", {}, cancellation_reasons=reasons)
