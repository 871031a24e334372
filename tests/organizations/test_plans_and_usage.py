"""Plans, resources above their limits, usage, and the events at 80 and 100 percent."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.auth.sent_mails import texts
from tests.factories import RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    invite,
    organization_path,
    register_member,
    register_verified,
    set_plan,
    status_and_code,
)
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.identity.rows import UserRow
from weconnect.organizations.entities import PLANS, OrganizationPlan
from weconnect.organizations.plans import usage
from weconnect.organizations.rows import OrganizationRow


def usage_by_resource(person: RegisteredUser) -> dict[str, tuple[int, int]]:
    """Return `(used, limit)` by resource."""
    response = person.client.get(organization_path(person, "/usage"))
    assert response.status == 200, response.text
    return {item["resource"]: (item["used"], item["limit"]) for item in response.json["resources"]}


def limit_events(person: RegisteredUser) -> list[tuple[str, int, int, int]]:
    events = person.client.get(organization_path(person, "/usage")).json["events"]
    return [(item["resource"], item["percent"], item["used"], item["limit"]) for item in events]


def register_operator() -> Client:
    """Return a client of a new operator of the deployment."""
    person = register_verified()
    table.change(UserRow.get(*UserRow.at(person.user["id"])), {"role": "admin"}, {})
    tokens = sessions.refresh_tokens(person.tokens["refreshToken"], None)
    return client_with_tokens(tokens.to_json_dict())


def test_usage_counts_each_resource(aws: None, starter: Starter) -> None:
    owner = register_verified()
    set_plan(owner, "pro")
    agent = owner.client.post("/v1/agents", {"name": "A"}).json["id"]
    owner.client.post(f"/v1/agents/{agent}/executions", {"input": "hello"})
    register_member(owner, "viewer")
    invite(owner, "new@example.com")
    assert usage_by_resource(owner) == {
        "executions": (1, 10_000),
        "teamMembers": (3, 20),
        "agents": (1, 100),
        "workflows": (0, 100),
        "credentials": (0, 50),
    }
    usage = owner.client.get(organization_path(owner, "/usage")).json
    assert usage["periodStart"] < usage["periodEnd"] and usage["plan"] == "pro" and usage["events"] == []
    assert usage["resources"][1]["percent"] == 15.0


def test_limit_events_are_emitted_once_a_month_for_agents(aws: None) -> None:
    owner = register()
    set_plan(owner, "free")
    mails = len(texts())
    for number in range(3):
        owner.client.post("/v1/agents", {"name": f"A{number}"})
    assert limit_events(owner) == []
    owner.client.post("/v1/agents", {"name": "A3"})
    assert limit_events(owner) == [("agents", 80, 4, 5)]
    assert len(texts()) == mails + 1 and "4 of the 5 agents" in texts()[-1]
    last = owner.client.post("/v1/agents", {"name": "A4"}).json["id"]
    assert limit_events(owner) == [("agents", 80, 4, 5), ("agents", 100, 5, 5)]
    assert status_and_code(owner.client.post("/v1/agents", {"name": "A5"})) == (429, "agent_limit_reached")
    owner.client.delete(f"/v1/agents/{last}")
    owner.client.post("/v1/agents", {"name": "A6"})
    assert len(limit_events(owner)) == 2 and len(texts()) == mails + 2, "once a month"


@pytest.mark.parametrize("is_verified", [True, False])
def test_the_name_of_an_organization_is_mailed_to_verified_addresses_only(
    aws: None, is_verified: bool
) -> None:
    owner = register_verified() if is_verified else register()
    set_plan(owner, "free", max_agents=1)
    rename = owner.client.patch(organization_path(owner), {"name": "Buy now at spam.example"})
    assert rename.status == 200
    owner.client.post("/v1/agents", {"name": "A"})
    assert limit_events(owner)[0][0] == "agents"
    assert ("spam.example uses 1 of the 1 agents" in texts()[-1]) == is_verified
    assert ("Your organization uses 1 of the 1 agents" in texts()[-1]) != is_verified


def test_limit_events_are_emitted_for_executions(aws: None, starter: Starter) -> None:
    owner = register()
    agent = owner.client.post("/v1/agents", {"name": "A"}).json["id"]
    set_plan(owner, "free", max_executions_per_month=5)

    def execute() -> ApiResponse:
        return owner.client.post(f"/v1/agents/{agent}/executions", {"input": "hello"})

    assert [execute().status for _ in range(3)] == [202] * 3 and limit_events(owner) == []
    assert execute().status == 202 and limit_events(owner) == [("executions", 80, 4, 5)]
    assert execute().status == 202
    assert status_and_code(execute()) == (429, "execution_limit_reached")
    assert limit_events(owner) == [("executions", 80, 4, 5), ("executions", 100, 5, 5)]


def test_limit_events_are_emitted_for_members(aws: None) -> None:
    owner = register_verified()
    set_plan(owner, "free")
    invite(owner, "a@example.com")
    assert limit_events(owner) == []
    invite(owner, "b@example.com")
    assert limit_events(owner) == [("teamMembers", 80, 3, 3), ("teamMembers", 100, 3, 3)]


def test_an_event_that_cannot_be_stored_fails_no_request(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("no table")

    owner = register()
    set_plan(owner, "free", max_agents=1)
    monkeypatch.setattr(usage, "_store_event", broken)
    assert owner.client.post("/v1/agents", {"name": "A"}).status == 201
    monkeypatch.undo()


def test_a_dry_run_of_a_downgrade_lists_what_exceeds_the_plan(aws: None) -> None:
    owner = register()
    admin = register_member(owner, "admin")
    for number in range(6):
        owner.client.post("/v1/agents", {"name": f"A{number}"})
    for client in (owner.client, register_operator()):
        headers = {"X-Organization-Id": owner.organization["id"]} if client is not owner.client else {}
        response = client.put(
            organization_path(owner, "/plan?dryRun=true"), {"plan": "free"}, headers=headers
        )
        assert response.status == 200 and response.json["applied"] is False
        assert [(item["resource"], item["used"], item["limit"]) for item in response.json["over"]] == [
            ("agents", 6, 5)
        ]
        assert response.json["limits"]["maxAgents"] == 5
    assert owner.client.get(organization_path(owner)).json["plan"] == "enterprise"
    assert status_and_code(
        admin.client.put(organization_path(owner, "/plan?dryRun=true"), {"plan": "free"})
    ) == (
        403,
        "permission_missing",
    )


def test_an_operator_sets_a_plan(aws: None) -> None:
    owner = register()
    operator = register_operator()
    headers = {"X-Organization-Id": owner.organization["id"]}
    assert status_and_code(owner.client.put(organization_path(owner, "/plan"), {"plan": "pro"})) == (
        403,
        "permission_missing",
    )
    assert status_and_code(operator.put(organization_path(owner, "/plan"), {"plan": "pro"})) == (
        404,
        "organization_not_found",
    )
    for number in range(6):
        owner.client.post("/v1/agents", {"name": f"A{number}"})
    response = operator.put(organization_path(owner, "/plan"), {"plan": "free"}, headers=headers)
    assert response.status == 200 and response.json["applied"] and response.json["over"]
    assert len(owner.client.get("/v1/agents").json["items"]) == 6, "existing agents stay"
    assert status_and_code(owner.client.post("/v1/agents", {"name": "A7"})) == (429, "agent_limit_reached")
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    assert (row.plan, row.gsi2pk) == ("free", "ORGS#free")
    limits = PLANS[response.json["plan"]].model_copy(update={"max_agents": 7}).to_json_dict()
    assert (
        operator.put(
            organization_path(owner, "/plan"), {"plan": "free", "planLimits": limits}, headers=headers
        ).json["over"]
        == []
    )
    assert owner.client.post("/v1/agents", {"name": "A7"}).status == 201
    assert owner.client.get(organization_path(owner)).json["planLimits"]["maxAgents"] == 7
    partial = {"plan": "pro", "planLimits": {"maxAgents": 8}}
    assert operator.put(organization_path(owner, "/plan"), partial, headers=headers).status == 200
    own = owner.client.get(organization_path(owner)).json["planLimits"]
    assert own == (PLANS[OrganizationPlan.PRO].to_json_dict() | {"maxAgents": 8}), (
        "the plan's, where left out"
    )
    operator.put(organization_path(owner, "/plan"), {"plan": "pro"}, headers=headers)
    assert owner.client.get(organization_path(owner)).json["planLimits"] is None
    for bad in ({"plan": "gold"}, {"plan": "free", "planLimits": {"maxAgents": -2}}, {}):
        assert operator.put(organization_path(owner, "/plan"), bad, headers=headers).status == 422
    stale = operator.put(
        organization_path(owner, "/plan"), {"plan": "free"}, headers=headers | {"If-Match": '"1"'}
    )
    assert status_and_code(stale) == (412, "stale_version")
