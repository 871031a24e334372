"""Plans, what is over, usage, and the events at 80 and 100 percent."""

from typing import Any

import pytest

from tests.agents.runs import Starter
from tests.auth.mailbox import texts
from tests.factories import Registered, bearer, registered
from tests.gateway import Client
from tests.organizations.people import code, colleague, invite, on_plan, path, verified
from weconnect.auth.rows import UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.organizations.entities import PLANS
from weconnect.organizations.rows import OrganizationRow


def used(person: Registered) -> dict[str, tuple[int, int]]:
    answer = person.client.get(path(person, "/usage"))
    assert answer.status == 200, answer.text
    return {item["resource"]: (item["used"], item["limit"]) for item in answer.json["resources"]}


def events(person: Registered) -> list[tuple[str, int, int, int]]:
    found = person.client.get(path(person, "/usage")).json["events"]
    return [(item["resource"], item["percent"], item["used"], item["limit"]) for item in found]


def operator() -> Client:
    """A client of an operator."""
    person = verified()
    table.change(UserRow.get(*UserRow.at(person.user["id"])), {"role": "admin"}, {})
    tokens = sessions.refresh(person.tokens["refreshToken"], None)
    return bearer(tokens.wire())


def test_usage(aws: None, starter: Starter) -> None:
    owner = verified()
    on_plan(owner, "pro")
    agent = owner.client.post("/v1/agents", {"name": "A"}).json["id"]
    owner.client.post(f"/v1/agents/{agent}/executions", {"input": "hello"})
    colleague(owner, "viewer")
    invite(owner, "new@example.com")
    assert used(owner) == {
        "executions": (1, 10_000),
        "teamMembers": (3, 20),
        "agents": (1, 100),
        "workflows": (0, 100),
        "credentials": (0, 50),
    }
    found = owner.client.get(path(owner, "/usage")).json
    assert found["periodStart"] < found["periodEnd"] and found["plan"] == "pro" and found["events"] == []
    assert found["resources"][1]["percent"] == 15.0


def test_agents_come_to_their_limit(aws: None) -> None:
    owner = registered()
    on_plan(owner, "free")
    mails = len(texts())
    for number in range(3):
        owner.client.post("/v1/agents", {"name": f"A{number}"})
    assert events(owner) == []
    owner.client.post("/v1/agents", {"name": "A3"})
    assert events(owner) == [("agents", 80, 4, 5)]
    assert len(texts()) == mails + 1 and "4 of the 5 agents" in texts()[-1]
    last = owner.client.post("/v1/agents", {"name": "A4"}).json["id"]
    assert events(owner) == [("agents", 80, 4, 5), ("agents", 100, 5, 5)]
    assert code(owner.client.post("/v1/agents", {"name": "A5"})) == (429, "agent_limit_reached")
    owner.client.delete(f"/v1/agents/{last}")
    owner.client.post("/v1/agents", {"name": "A6"})
    assert len(events(owner)) == 2 and len(texts()) == mails + 2, "once a month"


def test_executions_come_to_their_limit(aws: None, starter: Starter) -> None:
    owner = registered()
    agent = owner.client.post("/v1/agents", {"name": "A"}).json["id"]
    on_plan(owner, "free", max_executions_per_month=5)
    run = lambda: owner.client.post(f"/v1/agents/{agent}/executions", {"input": "hello"})  # noqa: E731
    assert [run().status for _ in range(3)] == [202] * 3 and events(owner) == []
    assert run().status == 202 and events(owner) == [("executions", 80, 4, 5)]
    assert run().status == 202
    assert code(run()) == (429, "execution_limit_reached")
    assert events(owner) == [("executions", 80, 4, 5), ("executions", 100, 5, 5)]


def test_places_come_to_their_limit(aws: None) -> None:
    owner = verified()
    on_plan(owner, "free")
    invite(owner, "a@example.com")
    assert events(owner) == []
    invite(owner, "b@example.com")
    assert events(owner) == [("teamMembers", 80, 3, 3), ("teamMembers", 100, 3, 3)]


def test_an_event_that_cannot_be_written_fails_nobody(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from weconnect.organizations.plans import usage

    def broken(*_: Any) -> Any:
        raise OSError("no table")

    owner = registered()
    on_plan(owner, "free", max_agents=1)
    monkeypatch.setattr(usage, "_raise", broken)
    assert owner.client.post("/v1/agents", {"name": "A"}).status == 201
    monkeypatch.undo()


def test_a_downgrade_tells_what_is_over(aws: None) -> None:
    owner = registered()
    admin = colleague(owner, "admin")
    for number in range(6):
        owner.client.post("/v1/agents", {"name": f"A{number}"})
    for asked in (owner.client, operator()):
        head = {"X-Organization-Id": owner.organization["id"]} if asked is not owner.client else {}
        answer = asked.put(path(owner, "/plan?dryRun=true"), {"plan": "free"}, headers=head)
        assert answer.status == 200 and answer.json["applied"] is False
        assert [(item["resource"], item["used"], item["limit"]) for item in answer.json["over"]] == [
            ("agents", 6, 5)
        ]
        assert answer.json["limits"]["maxAgents"] == 5
    assert owner.client.get(path(owner)).json["plan"] == "enterprise"
    assert code(admin.client.put(path(owner, "/plan?dryRun=true"), {"plan": "free"})) == (
        403,
        "permission_missing",
    )


def test_the_operator_sets_a_plan(aws: None) -> None:
    owner = registered()
    boss = operator()
    head = {"X-Organization-Id": owner.organization["id"]}
    assert code(owner.client.put(path(owner, "/plan"), {"plan": "pro"})) == (403, "permission_missing")
    assert code(boss.put(path(owner, "/plan"), {"plan": "pro"})) == (404, "organization_not_found")
    for number in range(6):
        owner.client.post("/v1/agents", {"name": f"A{number}"})
    answer = boss.put(path(owner, "/plan"), {"plan": "free"}, headers=head)
    assert answer.status == 200 and answer.json["applied"] and answer.json["over"]
    assert len(owner.client.get("/v1/agents").json["items"]) == 6, "what is there stays"
    assert code(owner.client.post("/v1/agents", {"name": "A7"})) == (429, "agent_limit_reached")
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    assert (row.plan, row.gsi2pk) == ("free", "ORGS#free")
    limits = PLANS[answer.json["plan"]].model_copy(update={"max_agents": 7}).wire()
    assert (
        boss.put(path(owner, "/plan"), {"plan": "free", "planLimits": limits}, headers=head).json["over"]
        == []
    )
    assert owner.client.post("/v1/agents", {"name": "A7"}).status == 201
    assert owner.client.get(path(owner)).json["planLimits"]["maxAgents"] == 7
    boss.put(path(owner, "/plan"), {"plan": "pro"}, headers=head)
    assert owner.client.get(path(owner)).json["planLimits"] is None
    for bad in ({"plan": "gold"}, {"plan": "free", "planLimits": {"maxAgents": -2}}, {}):
        assert boss.put(path(owner, "/plan"), bad, headers=head).status == 422
    stale = boss.put(path(owner, "/plan"), {"plan": "free"}, headers=head | {"If-Match": '"1"'})
    assert code(stale) == (412, "stale_version")
