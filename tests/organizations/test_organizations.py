"""Organizations and members are visible to members only."""

from uuid import uuid4

import pytest

from tests.factories import add_member, register
from tests.gateway import Client
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import UserRow
from weconnect.organizations.rows import MemberCountRow, MemberRow, OrganizationRow, SlugRow


def test_registering_creates_an_organization(aws: None) -> None:
    person = register(firstName="Åsa")
    organization = person.organization
    assert organization["name"] == "Åsa's organization" and organization["slug"].startswith(
        "asas-organization-"
    )
    assert SlugRow.get(*SlugRow.at(organization["slug"])).organization_id == organization["id"]
    assert MemberCountRow.get(*MemberCountRow.at(organization["id"])).total == 1
    member = person.client.get(f"/v1/organizations/{organization['id']}/members/{person.user['id']}").json
    assert (member["role"], member["isPending"], member["user"]["email"]) == (
        "owner",
        False,
        person.user["email"],
    )
    assert "agents:create" in member["effectivePermissions"]


def test_a_name_without_ascii_letters_gets_a_random_slug(aws: None) -> None:
    slug = register(organizationName="日本").organization["slug"]
    assert len(slug) == 8 and slug.isalnum()


def test_own_organizations_are_listed_with_the_role(aws: None) -> None:
    person, owner = register(), register()
    register()
    add_member(person, owner, "viewer")
    items = person.client.get("/v1/organizations").json["items"]
    assert {(item["id"], item["role"]) for item in items} == {
        (owner.organization["id"], "viewer"),
        (person.organization["id"], "owner"),
    }
    first = person.client.get("/v1/organizations?limit=1").json
    second = person.client.get(f"/v1/organizations?limit=1&cursor={first['nextCursor']}").json
    assert [first["items"][0]["id"], second["items"][0]["id"]] == [item["id"] for item in items]


def test_inactive_memberships_are_not_listed(aws: None) -> None:
    person, owner = register(), register()
    add_member(person, owner, "member")
    row = MemberRow.get(*MemberRow.at(owner.organization["id"], person.user["id"]))
    table.change(row, {"is_active": False}, {})
    assert len(person.client.get("/v1/organizations").json["items"]) == 1


def test_an_api_key_sees_its_own_organization_only(aws: None) -> None:
    person, owner = register(), register()
    made = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}).json
    add_member(person, owner, "member")
    items = Client(headers={"X-API-Key": made["key"]}).get("/v1/organizations").json["items"]
    assert [item["id"] for item in items] == [person.organization["id"]]


def test_an_organization_has_its_executions_of_this_month(aws: None) -> None:
    person = register()
    response = person.client.get(f"/v1/organizations/{person.organization['id']}")
    assert response.status == 200 and response.headers["ETag"] == '"1"'
    assert response.json["currentMonthExecutions"] == 0 and response.json["executionResetDate"] > clock.iso(
        clock.now()
    )
    assert response.json["isTrialExpired"] is False


def test_billing_data_is_hidden_from_viewers(aws: None) -> None:
    owner, viewer = register(), register()
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"billing_info": {"tax_id": "X1"}, "stripe_customer_id": "cus_1"}, {})
    path = f"/v1/organizations/{owner.organization['id']}"
    seen = owner.client.get(path).json
    assert (seen["billingInfo"]["taxId"], seen["stripeCustomerId"]) == ("X1", "cus_1")
    add_member(viewer, owner, "viewer")
    seen = viewer.client.get(path).json
    assert (seen["billingInfo"], seen["stripeCustomerId"]) == (None, None)


def test_members_are_filtered_by_role_and_activity(aws: None) -> None:
    owner, viewer, former = register(), register(), register()
    add_member(viewer, owner, "viewer")
    add_member(former, owner, "member")
    row = MemberRow.get(*MemberRow.at(owner.organization["id"], former.user["id"]))
    table.change(row, {"is_active": False}, {})
    path = f"/v1/organizations/{owner.organization['id']}/members"

    def ids(query: str = "") -> list[str]:
        return [item["userId"] for item in viewer.client.get(path + query).json["items"]]

    everyone = [former.user["id"], viewer.user["id"], owner.user["id"]]
    assert ids() == everyone
    assert ids("?role=viewer") == [viewer.user["id"]]
    assert ids("?isActive=true") == everyone[1:] and ids("?isActive=false") == everyone[:1]
    assert viewer.client.get(path + "?role=king").status == 422
    inactive = viewer.client.get(f"{path}/{former.user['id']}").json
    assert inactive["effectivePermissions"] == [] and inactive["user"]["firstName"] == "Ada"


@pytest.mark.parametrize("suffix", ["", "/members", "/members/{user}"])
def test_a_strangers_organization_is_not_found(aws: None, suffix: str) -> None:
    person, stranger = register(), register()
    for identifier in (stranger.organization["id"], str(uuid4())):
        path = f"/v1/organizations/{identifier}{suffix.format(user=stranger.user['id'])}"
        response = person.client.get(path)
        assert (response.status, response.json["code"]) == (404, "organization_not_found")
    own = f"/v1/organizations/{person.organization['id']}/members/{stranger.user['id']}"
    assert person.client.get(own).json["code"] == "member_not_found"
    assert person.client.get("/v1/organizations/x").status == 422


def test_switching_returns_tokens_for_the_other_organization(aws: None) -> None:
    person, owner = register(), register()
    own, other = person.organization["id"], owner.organization["id"]
    add_member(person, owner, "member")
    assert person.client.get(f"/v1/organizations/{other}").status == 200
    assert person.client.get(f"/v1/organizations/{own}").status == 404
    me = person.client.get("/v1/users/me").json
    assert (me["currentOrganizationId"], me["version"]) == (other, 2)
    row = UserRow.get(*UserRow.at(person.user["id"]))
    assert row.gsi1pk == UserRow.by_current_organization(other)
    tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    client = Client(headers={"Authorization": f"Bearer {tokens['accessToken']}"})
    assert client.get(f"/v1/organizations/{other}").status == 200
    again = client.post(f"/v1/organizations/{other}/switch")
    assert again.status == 200 and client.get("/v1/users/me").json["version"] == 2


def test_nobody_switches_to_an_organization_of_strangers(aws: None) -> None:
    person, stranger = register(), register()
    response = person.client.post(f"/v1/organizations/{stranger.organization['id']}/switch")
    assert (response.status, response.json["code"]) == (404, "organization_not_found")
    assert person.client.get("/v1/users/me").json["currentOrganizationId"] == person.organization["id"]
    assert Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).status == 200


def test_a_session_that_ended_cannot_switch(aws: None) -> None:
    person = register()
    person.client.post("/v1/auth/logout")
    response = person.client.post(f"/v1/organizations/{person.organization['id']}/switch")
    assert (response.status, response.json["code"]) == (401, "session_ended")


def test_an_api_key_cannot_switch(aws: None) -> None:
    person = register()
    made = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}).json
    path = f"/v1/organizations/{person.organization['id']}/switch"
    response = Client(headers={"X-API-Key": made["key"]}).post(path)
    assert (response.status, response.json["code"]) == (403, "api_key_not_allowed")
