"""Rows, conditions, indexes and transactions on the emulator."""

import threading
from uuid import UUID

import pytest
from pynamodb.exceptions import TransactWriteError

from tests.factories import Registered, registered
from tests.integration.racing import caller_of, outcomes, together
from weconnect import clock
from weconnect.agents import service
from weconnect.agents.entities import AIAgentChanges, NewAIAgent
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.api.idempotency import IdempotencyRow
from weconnect.db import table
from weconnect.errors import Conflict, Problem, Unavailable
from weconnect.organizations.rows import CountRow, NameRow, OrganizationRow


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


def rows_of(me: Registered, kind: type[table.Row], prefix: str) -> list[table.Row]:
    return list(
        kind.query(f"ORG#{me.organization['id']}", table.Row.sk.startswith(prefix), consistent_read=True)
    )


def count(me: Registered) -> int:
    row = table.get(CountRow, CountRow.at(UUID(me.organization["id"]), "AGENT"))
    return int(row.count) if row else 0


def test_a_transaction_happens_whole_or_not_at_all(me: Registered) -> None:
    organization = UUID(me.organization["id"])
    names = [NameRow(*NameRow.at(organization, "AGENT", f"n{number}")) for number in range(40)]
    taken = Conflict("the last one", code="taken")
    table.create(NameRow(*NameRow.at(organization, "AGENT", "n39")), {})
    with pytest.raises(Conflict) as refused, table.transaction({}) as writes:
        for name in names:
            writes.create(name, taken)
    assert refused.value.code == "taken"
    assert len(rows_of(me, NameRow, "NAME#AGENT#n")) == 1
    with table.transaction({}) as writes:
        for name in names[:39]:
            writes.create(name)
    assert len(rows_of(me, NameRow, "NAME#AGENT#n")) == 40


def test_one_of_fifty_gets_a_name(me: Registered) -> None:
    caller = caller_of(me)
    found = outcomes(together(50, lambda _: service.create(caller, NewAIAgent(name="Helper"))))
    assert found == {"ok": 1, "name_taken": 49}
    agents = rows_of(me, AgentRow, "AGENT#")
    assert len(agents) == 1 and count(me) == 1
    versions = AgentVersionRow.query(
        f"ORG#{me.organization['id']}#AGENT#{agents[0].id}", table.Row.sk.startswith("VERSION#")
    )
    assert sorted(row.sk for row in versions) == ["VERSION#000001", "VERSION#current"]


def test_one_of_twenty_changes_a_version(me: Registered) -> None:
    caller = caller_of(me)
    agent = service.create(caller, NewAIAgent(name="Helper"))

    def change(number: int) -> object:
        return service.update(caller, agent.id, AIAgentChanges(description=f"by {number}"), if_match=1)

    answers = together(20, change)
    found = outcomes(answers)
    assert found["ok"] == 1 and found["ok"] + found["stale_version"] + found["version_conflict"] == 20
    after = service.get(caller, agent.id)
    assert (after.version, after.agent_version) == (2, 2)
    winner = next(number for number, answer in enumerate(answers) if not isinstance(answer, Problem))
    assert after.description == f"by {winner}"


def test_without_if_match_no_change_is_lost_in_silence(me: Registered) -> None:
    caller = caller_of(me)
    agent = service.create(caller, NewAIAgent(name="Helper"))
    changes = [AIAgentChanges(name=f"Name {number}") for number in range(20)]
    found = outcomes(together(20, lambda number: service.update(caller, agent.id, changes[number], None)))
    assert found["ok"] + found["version_conflict"] == 20 and found["ok"] >= 1
    after = service.get(caller, agent.id)
    assert after.version == 1 + found["ok"]
    names = [row.sk for row in rows_of(me, NameRow, "NAME#AGENT#")]
    assert names == [f"NAME#AGENT#{after.name.casefold()}"], "a name that nobody has is free again"


def test_a_plan_of_five_agents_has_five(me: Registered) -> None:
    caller = caller_of(me)
    row = OrganizationRow.get(*OrganizationRow.at(me.organization["id"]))
    table.change(row, {"plan": "free"}, {})
    answers = together(20, lambda number: service.create(caller, NewAIAgent(name=f"a{number}")))
    assert outcomes(answers) == {"ok": 5, "agent_limit_reached": 15}
    made = [answer.id for answer in answers if not isinstance(answer, Problem)]

    def swap(number: int) -> None:
        if number < 5:
            service.delete(caller, made[number], None)
        else:
            service.create(caller, NewAIAgent(name=f"b{number}"))

    together(15, swap)
    assert count(me) == len(rows_of(me, AgentRow, "AGENT#")) <= 5
    assert len(rows_of(me, NameRow, "NAME#AGENT#")) == count(me)
    outcome = outcomes(together(10, lambda _: service.restore(caller, made[0])))
    assert outcome["ok"] <= 1 and count(me) == len(rows_of(me, AgentRow, "AGENT#")) <= 5


def test_expired_rows_do_not_count(me: Registered) -> None:
    """TTL removes late: until then what has expired is neither read, nor listed, nor in the way."""
    pk, sk = IdempotencyRow.at("expired")
    moment = clock.epoch()
    fields = {"body_hash": "x", "first_seen": 1, "lease_until": 1.0}
    table.put(IdempotencyRow(pk=pk, sk=sk, ttl=moment - 1, **fields), {})
    assert table.get(IdempotencyRow, (pk, sk)) is None
    assert table.get_many([(pk, sk)]) == {}
    table.create(IdempotencyRow(pk=pk, sk=sk, ttl=moment + 60, **fields), {})
    assert table.get(IdempotencyRow, (pk, sk)) is not None
    with pytest.raises(Conflict):
        table.create(IdempotencyRow(pk=pk, sk=sk, ttl=moment + 60, **fields), {})

    made = [me.client.post("/v1/agents", {"name": f"a{number}"}).json["id"] for number in range(4)]
    row = AgentRow.get(*AgentRow.at(UUID(me.organization["id"]), UUID(made[2])))
    row.update([table.Row.ttl.set(moment - 1)])
    first = me.client.get("/v1/agents?limit=2").json
    rest = me.client.get(f"/v1/agents?limit=2&cursor={first['nextCursor']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == [made[3], made[1], made[0]]
    assert me.client.get(f"/v1/agents/{made[2]}").status == 404


@pytest.mark.parametrize(
    "query", ["", "provider=embedded", "provider=embedded&model=embedded", "isActive=true"]
)
def test_pages_of_the_indexes_miss_and_repeat_nothing(me: Registered, query: str) -> None:
    made = [me.client.post("/v1/agents", {"name": f"a{number}"}).json["id"] for number in range(7)]
    other = registered()
    assert other.client.post("/v1/agents", {"name": "a1"}).status == 201
    seen, cursor = [], ""
    while cursor is not None:
        page = me.client.get(f"/v1/agents?limit=3&{query}" + (f"&cursor={cursor}" if cursor else "")).json
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
    assert seen == made[::-1]


def test_collisions_are_tried_again(me: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator takes requests one by one, so the collisions of the real table are put in front of it."""
    caller, lock, collisions = caller_of(me), threading.Lock(), [0]
    send = table.Transaction._send

    def collide(self: table.Transaction) -> None:
        with lock:
            collisions[0] += 1
            mine = collisions[0] % 3
        if mine:
            raise TransactWriteError("TransactionCanceledException", cause=_conflict())
        send(self)

    monkeypatch.setattr(table.Transaction, "_send", collide)
    found = outcomes(together(10, lambda number: service.create(caller, NewAIAgent(name=f"a{number}"))))
    assert found == {"ok": 10} and count(me) == 10 and collisions[0] >= 30
    monkeypatch.setattr(table, "CONFLICT_ATTEMPTS", 2)
    monkeypatch.setattr(
        table.Transaction, "_send", lambda self: _raise(TransactWriteError("x", cause=_conflict()))
    )
    with pytest.raises(Unavailable):
        service.create(caller, NewAIAgent(name="never"))


def _raise(error: Exception) -> None:
    raise error


def _conflict() -> Exception:
    from pynamodb.exceptions import CancellationReason, VerboseClientError

    code = {"Error": {"Code": "TransactionCanceledException", "Message": "cancelled"}}
    reasons = [None, CancellationReason(code="TransactionConflict", message="ongoing")]
    return VerboseClientError(code, "TransactWriteItems", {}, cancellation_reasons=reasons)
