"""Agents through their routes."""

from typing import Any

import pytest

from tests.factories import RegisteredUser, register

NEW = {
    "name": "Helper",
    "description": "Answers questions",
    "provider": "embedded",
    "model": "embedded",
    "configuration": {"systemPrompt": "Be brief", "temperature": 0.2, "stopSequences": ["END"]},
    "limits": {"maxSteps": 5},
}


def test_an_agent_can_be_created_and_read(me: RegisteredUser) -> None:
    created = me.client.post("/v1/agents", NEW)
    assert created.status == 201, created.text
    assert created.headers["ETag"] == '"1"'
    assert created.headers["Location"] == f"/v1/agents/{created.json['id']}"
    read = me.client.get(created.headers["Location"])
    assert read.status == 200 and read.json == created.json
    assert created.json["configuration"]["systemPrompt"] == "Be brief"
    assert created.json["organizationId"] == me.organization["id"] and created.json["userId"] == me.user["id"]
    assert {
        name: created.json[name] for name in ("totalExecutions", "averageResponseTime", "successRate")
    } == {
        "totalExecutions": 0,
        "averageResponseTime": 0,
        "successRate": 0,
    }


def test_a_name_is_unique_within_an_organization(me: RegisteredUser) -> None:
    assert me.client.post("/v1/agents", NEW).status == 201
    again = me.client.post("/v1/agents", NEW | {"name": "HELPER"})
    assert (again.status, again.json["code"], again.json["errors"][0]["pointer"]) == (
        409,
        "name_taken",
        "/name",
    )
    assert register().client.post("/v1/agents", NEW).status == 201


def test_changes_make_versions_and_check_the_etag(me: RegisteredUser) -> None:
    path = me.client.post("/v1/agents", NEW).headers["Location"]
    renamed = me.client.patch(path, {"name": "Renamed"}, headers={"If-Match": '"1"'})
    assert (renamed.status, renamed.headers["ETag"], renamed.json["agentVersion"]) == (200, '"2"', 1)
    stale = me.client.patch(path, {"name": "Other"}, headers={"If-Match": '"1"'})
    assert (stale.status, stale.json["code"]) == (412, "stale_version")
    tuned = me.client.patch(path, {"configuration": {"temperature": 1}})
    assert tuned.json["agentVersion"] == 2 and tuned.json["configuration"]["systemPrompt"] is None
    assert me.client.post("/v1/agents", NEW).status == 201, "the old name is free again"
    assert me.client.patch(path, {"name": "Helper"}).status == 409


def test_an_agent_can_be_trashed_restored_and_purged(me: RegisteredUser) -> None:
    path = me.client.post("/v1/agents", NEW).headers["Location"]
    tool = me.client.post(f"{path}/tools", {"toolName": "calculator"})
    assert tool.status == 201, tool.text
    assert me.client.delete(path).status == 204
    assert me.client.get(path).status == 404
    assert me.client.get(f"{path}/tools").status == 404
    assert me.client.get("/v1/agents").json["items"] == []
    trashed = me.client.get("/v1/agents?deleted=true").json["items"]
    assert [item["name"] for item in trashed] == ["Helper"] and trashed[0]["deletedAt"]
    back = me.client.post(f"{path}/restore")
    assert back.status == 200 and back.json["deletedAt"] is None
    assert len(me.client.get(f"{path}/tools").json["items"]) == 1
    assert me.client.get("/v1/agents?provider=embedded&model=embedded").json["items"][0]["name"] == "Helper"
    me.client.delete(path)
    assert me.client.post("/v1/agents", NEW).status == 201
    assert me.client.post(f"{path}/restore").status == 409, "its name was taken meanwhile"
    assert me.client.delete(f"{path}?purge=true").status == 204
    assert me.client.post(f"{path}/restore").status == 404


def test_agents_are_listed_with_filters_and_pages(me: RegisteredUser) -> None:
    for number in range(5):
        active = number % 2 == 0
        body = NEW | {
            "name": f"Agent {number}",
            "isActive": active,
            "description": "even" if active else "odd",
        }
        assert me.client.post("/v1/agents", body).status == 201
    first = me.client.get("/v1/agents?limit=2").json
    assert [item["name"] for item in first["items"]] == ["Agent 4", "Agent 3"]
    assert "configuration" not in first["items"][0]
    rest = me.client.get(f"/v1/agents?limit=4&cursor={first['nextCursor']}").json
    assert [item["name"] for item in rest["items"]] == ["Agent 2", "Agent 1", "Agent 0"]
    assert rest["nextCursor"] is None
    assert len(me.client.get("/v1/agents?isActive=false").json["items"]) == 2
    assert len(me.client.get("/v1/agents?search=EVEN").json["items"]) == 3
    assert me.client.get("/v1/agents?provider=openai").json["items"] == []
    stolen = register().client.get(f"/v1/agents?limit=2&cursor={first['nextCursor']}")
    assert (stolen.status, stolen.json["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": 7}, "/name"),
        ({"model": "x" * 101}, "/model"),
        ({"provider": "nobody"}, "/provider"),
        ({"configuration": {"temperature": 1.5}}, "/configuration/temperature"),
        ({"configuration": {"memoryType": "eternal"}}, "/configuration/memoryType"),
        ({"limits": {"maxSteps": 0}}, "/limits/maxSteps"),
        ({"organizationId": "x"}, "/organizationId"),
        ({"totalExecutions": 5}, "/totalExecutions"),
        ({"provider": "openai_compatible", "model": "m"}, "/baseUrl"),
    ],
)
def test_the_response_points_to_an_invalid_field(
    me: RegisteredUser, change: dict[str, Any], pointer: str
) -> None:
    response = me.client.post("/v1/agents", NEW | change)
    assert response.status == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in response.json["errors"]]


def test_the_plan_limits_the_number_of_agents(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    from weconnect.organizations.rows import OrganizationRow

    row = OrganizationRow.get(*OrganizationRow.at(me.organization["id"]))
    row.update([OrganizationRow.plan.set("free")])
    paths = [me.client.post("/v1/agents", NEW | {"name": f"a{n}"}).headers["Location"] for n in range(5)]
    refused = me.client.post("/v1/agents", NEW | {"name": "one too many"})
    assert (refused.status, refused.json["code"]) == (429, "agent_limit_reached")
    me.client.delete(paths[0])
    assert me.client.post("/v1/agents", NEW | {"name": "fits again"}).status == 201
    assert me.client.post(f"{paths[0]}/restore").status == 429


def test_a_duplicate_has_the_tools_and_their_keys(me: RegisteredUser) -> None:
    path = me.client.post("/v1/agents", NEW).headers["Location"]
    me.client.post(f"{path}/tools", {"toolName": "calculator"})
    configuration = {"apiEndpoint": "https://example.com/{city}", "apiKey": "sesame-1234"}
    tool = me.client.post(
        f"{path}/tools", {"toolName": "weather", "toolType": "http", "configuration": configuration}
    )
    assert tool.status == 201 and "sesame" not in tool.text and tool.json["hasApiKey"] is True
    copy = me.client.post(f"{path}/duplicate")
    assert copy.status == 201 and copy.json["name"] == "Helper (copy)"
    tools = me.client.get(f"/v1/agents/{copy.json['id']}/tools").json["items"]
    assert {(item["toolName"], item["hasApiKey"]) for item in tools} == {
        ("calculator", False),
        ("weather", True),
    }


def test_an_idempotency_key_replays_the_creation(me: RegisteredUser) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = me.client.post("/v1/agents", NEW, headers=key)
    again = me.client.post("/v1/agents", NEW, headers=key)
    assert again.status == 201 and again.json == first.json
    assert (
        again.headers["Idempotent-Replayed"] == "true"
        and again.headers["Location"] == first.headers["Location"]
    )
    other = me.client.post("/v1/agents", NEW | {"name": "other"}, headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    stranger = register().client.post("/v1/agents", NEW, headers=key)
    assert stranger.status == 201 and stranger.json["id"] != first.json["id"]
    refused = {"Idempotency-Key": "k-2"}
    assert me.client.post("/v1/agents", NEW, headers=refused).status == 409
    assert me.client.post("/v1/agents", NEW | {"name": "now right"}, headers=refused).status == 201
