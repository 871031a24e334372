"""Organizations made, changed, put into the trash, brought back."""

from typing import Any

import pytest

from tests.factories import PASSWORD, join, registered
from tests.gateway import Client
from tests.organizations.people import code, colleague, on_plan, path
from weconnect.auth.sso import sign_in as sso
from weconnect.db import table
from weconnect.organizations.rows import OrganizationRow, SlugRow


def test_a_new_organization_is_its_makers(aws: None) -> None:
    person = registered()
    new = {"name": "Engines", "slug": "engines", "description": "Steam", "website": "https://engines.example"}
    made = person.client.post("/v1/organizations", new)
    assert made.status == 201 and made.headers["Location"].endswith(made.json["id"])
    assert (made.json["slug"], made.json["plan"], made.json["website"]) == (
        "engines",
        "enterprise",
        "https://engines.example",
    )
    listed = {item["id"]: item["role"] for item in person.client.get("/v1/organizations").json["items"]}
    assert listed == {made.json["id"]: "owner", person.organization["id"]: "owner"}
    assert person.client.get("/v1/users/me").json["currentOrganizationId"] == person.organization["id"]
    assert person.client.post(f"/v1/organizations/{made.json['id']}/switch").status == 200


def test_a_slug_is_taken_once(aws: None) -> None:
    first, second = registered(), registered()
    assert first.client.post("/v1/organizations", {"name": "A", "slug": "one-slug"}).status == 201
    answer = second.client.post("/v1/organizations", {"name": "B", "slug": "one-slug"})
    assert code(answer) == (409, "slug_taken") and answer.json["errors"][0]["pointer"] == "/slug"
    assert code(second.client.patch(path(second), {"slug": "one-slug"})) == (409, "slug_taken")
    assert len(second.client.get("/v1/organizations").json["items"]) == 1
    assert first.client.post("/v1/organizations", {"name": "A", "slug": "No Slug"}).status == 422


def test_a_retry_with_an_idempotency_key_makes_no_second_one(aws: None) -> None:
    person = registered()
    header = {"Idempotency-Key": "k"}
    first, again = (person.client.post("/v1/organizations", {"name": "A"}, headers=header) for _ in range(2))
    assert first.json == again.json and len(person.client.get("/v1/organizations").json["items"]) == 2


def test_a_change_of_slug_moves_the_marker(aws: None) -> None:
    person = registered()
    old = person.organization["slug"]
    answer = person.client.patch(path(person), {"slug": "new-slug", "name": "New", "description": "d"})
    assert answer.status == 200 and answer.headers["ETag"] == '"2"'
    assert (answer.json["slug"], answer.json["name"], answer.json["description"]) == ("new-slug", "New", "d")
    assert table.get(SlugRow, SlugRow.at(old)) is None
    assert table.get(SlugRow, SlugRow.at("new-slug")).organization_id == person.organization["id"]
    assert person.client.patch(path(person), {"description": None}).json["description"] is None
    stale = person.client.patch(path(person), {"name": "Newer"}, headers={"If-Match": '"1"'})
    assert code(stale) == (412, "stale_version")


@pytest.mark.parametrize(
    "field",
    [
        {"plan": "enterprise"},
        {"planLimits": {}},
        {"isActive": False},
        {"stripeCustomerId": "cus_1"},
        {"stripeSubscriptionId": "sub_1"},
        {"trialEndsAt": "2030-01-01T00:00:00Z"},
        {"id": "x"},
        {"currentMonthExecutions": 0},
        {"version": 7},
    ],
    ids=str,
)
def test_what_is_not_theirs_to_change(aws: None, field: dict[str, Any]) -> None:
    person = registered()
    answer = person.client.patch(path(person), {"name": "New", **field})
    assert code(answer) == (422, "invalid")
    assert answer.json["errors"][0]["pointer"] == f"/{next(iter(field))}"
    assert person.client.get(path(person)).json["name"] == person.organization["name"]
    if "id" not in field:
        assert person.client.post("/v1/organizations", {"name": "A", **field}).status == 422


def test_settings_are_changed_part_by_part(aws: None) -> None:
    person = registered()
    branding = {"primaryColor": "#112233"}
    ask = person.client.patch
    ask(path(person), {"customSettings": {"branding": branding}})
    domains = ["Example.COM", "bücher.example", "example.com"]
    answer = ask(path(person), {"customSettings": {"security": {"allowedDomains": domains}}})
    settings = answer.json["customSettings"]
    assert settings["security"]["allowedDomains"] == ["example.com", "xn--bcher-kva.example"]
    assert settings["branding"]["primaryColor"] == "#112233"
    settings = ask(path(person), {"customSettings": {"branding": None}}).json["customSettings"]
    assert settings["branding"] is None and settings["security"]
    bad = ask(path(person), {"customSettings": {"security": {"allowedDomains": ["not a domain"]}}})
    assert code(bad) == (422, "invalid")
    billing = {"companyName": "Engines Ltd", "address": {"city": "London"}}
    assert ask(path(person), {"billingInfo": billing}).json["billingInfo"]["address"]["city"] == "London"


def test_settings_stay_within_the_plan(aws: None) -> None:
    person = registered()
    on_plan(person, "free")
    wanted = {"customSettings": {"workflow": {"defaultRetention": 8, "maxComplexity": 21}}}
    answer = person.client.patch(path(person), wanted)
    assert code(answer) == (422, "invalid")
    assert {error["pointer"] for error in answer.json["errors"]} == {
        "/customSettings/workflow/defaultRetention",
        "/customSettings/workflow/maxComplexity",
    }
    wanted["customSettings"]["workflow"] = {"defaultRetention": 7, "maxComplexity": 20}
    assert person.client.patch(path(person), wanted).status == 200


def test_single_sign_on_is_enforced_only_where_there_is_one(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = registered()
    wanted = {"customSettings": {"security": {"enforceSSO": True}}}
    assert code(person.client.patch(path(person), wanted)) == (409, "sso_not_configured")
    monkeypatch.setattr(sso, "check_can_enforce", lambda organization_id: None)
    assert person.client.patch(path(person), wanted).json["customSettings"]["security"]["enforceSSO"] is True


def test_roles_that_may_not_change_it(aws: None) -> None:
    owner = registered()
    for role in ("member", "viewer"):
        person = colleague(owner, role)
        assert code(person.client.patch(path(owner), {"name": "X"})) == (403, "permission_missing")
    admin = colleague(owner, "admin")
    assert admin.client.patch(path(owner), {"name": "X"}).status == 200
    assert code(admin.client.delete(path(owner))) == (403, "owner_only")


def test_to_the_trash_and_back(aws: None) -> None:
    owner = registered(organizationName="Engines")
    admin = colleague(owner, "admin")
    agent = owner.client.post("/v1/agents", {"name": "Helper"}).json
    assert owner.client.delete(path(owner)).status == 204
    assert owner.client.get(path(owner)).status == 404
    for person in (owner, admin):
        answer = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
        assert code(answer) == (403, "not_a_member"), "its sessions cannot be renewed"
    login = Client().post("/v1/auth/login", {"email": owner.user["email"], "password": PASSWORD})
    assert login.status == 200, "who has no organization left gets a personal one"
    back = Client(headers={"Authorization": f"Bearer {login.json['accessToken']}"})
    (trashed,) = back.get("/v1/organizations?deleted=true").json["items"]
    assert trashed["id"] == owner.organization["id"] and trashed["deletedAt"]
    (other,) = back.get("/v1/organizations").json["items"]
    assert other["id"] != trashed["id"] and other["role"] == "owner"
    assert code(back.post(f"/v1/organizations/{trashed['id']}/switch")) == (404, "organization_not_found")
    restored = back.post(f"/v1/organizations/{trashed['id']}/restore")
    assert restored.status == 200 and restored.json["deletedAt"] is None
    assert restored.json["slug"] == owner.organization["slug"]
    answer = back.post(f"/v1/organizations/{trashed['id']}/switch")
    client = Client(headers={"Authorization": f"Bearer {answer.json['accessToken']}"})
    assert client.get(f"/v1/agents/{agent['id']}").status == 200
    row = OrganizationRow.get(*OrganizationRow.at(trashed["id"]))
    assert (row.gsi2pk, row.ttl) == ("ORGS#enterprise", None)


def test_only_the_owner_restores(aws: None) -> None:
    owner, stranger = registered(), registered()
    admin = colleague(owner, "admin")
    assert owner.client.delete(path(owner)).status == 204
    home = admin.client.post(f"/v1/organizations/{admin.organization['id']}/switch").json
    there = Client(headers={"Authorization": f"Bearer {home['accessToken']}"})
    assert code(there.post(path(owner, "/restore"))) == (403, "owner_only")
    assert code(there.delete(path(owner) + "?purge=true")) == (403, "owner_only")
    assert there.get("/v1/organizations?deleted=true").json["items"] == []
    for asked in (
        stranger.client.post(path(owner, "/restore")),
        stranger.client.delete(path(owner) + "?purge=1"),
    ):
        assert code(asked) == (404, "organization_not_found")


def test_a_slug_that_was_taken_meanwhile(aws: None) -> None:
    owner, other = registered(), registered()
    owner.client.delete(path(owner))
    taken = {"slug": owner.organization["slug"]}
    assert other.client.patch(path(other), taken).status == 200
    fresh = Client().post("/v1/auth/login", {"email": owner.user["email"], "password": PASSWORD}).json
    client = Client(headers={"Authorization": f"Bearer {fresh['accessToken']}"})
    assert code(client.post(path(owner, "/restore"))) == (409, "slug_taken")
    other.client.patch(path(other), {"slug": "free-again"})
    assert client.post(path(owner, "/restore")).status == 200


def test_a_subscription_holds_it(aws: None) -> None:
    owner = registered()
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"stripe_subscription_id": "sub_1"}, {})
    assert code(owner.client.delete(path(owner))) == (409, "subscription_active")


def test_an_api_key_of_the_owner_deletes_nothing(aws: None) -> None:
    owner = registered()
    everything = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    made = owner.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"], "permissions": everything}).json
    key = Client(headers={"X-API-Key": made["key"]})
    assert code(key.delete(path(owner))) == (403, "api_key_not_allowed")
    assert code(key.post("/v1/organizations", {"name": "A"})) == (403, "api_key_not_allowed")


def test_a_readonly_user_makes_no_organization(aws: None) -> None:
    from weconnect.auth.rows import UserRow

    person, owner = registered(), registered()
    table.change(UserRow.get(*UserRow.at(person.user["id"])), {"role": "readonly"}, {})
    join(person, owner, "admin")
    assert code(person.client.post("/v1/organizations", {"name": "A"})) == (403, "read_only")
