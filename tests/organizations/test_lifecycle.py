"""Creating, changing, deleting and restoring organizations."""

from typing import Any

import pytest

from tests.factories import PASSWORD, add_member, client_with_tokens, register
from tests.gateway import Client
from tests.organizations.organization_helpers import (
    organization_path,
    prove_domain,
    register_member,
    set_plan,
    status_and_code,
)
from weconnect.db import table
from weconnect.organizations import service
from weconnect.organizations.rows import OrganizationRow, SlugRow


def test_the_creator_owns_a_new_organization(aws: None) -> None:
    person = register()
    new = {"name": "Engines", "slug": "engines", "description": "Steam", "website": "https://engines.example"}
    created = person.client.post("/v1/organizations", new)
    assert created.status == 201 and created.headers["Location"].endswith(created.json["id"])
    assert (created.json["slug"], created.json["plan"], created.json["website"]) == (
        "engines",
        "enterprise",
        "https://engines.example",
    )
    listed = {item["id"]: item["role"] for item in person.client.get("/v1/organizations").json["items"]}
    assert listed == {created.json["id"]: "owner", person.organization["id"]: "owner"}
    assert person.client.get("/v1/users/me").json["currentOrganizationId"] == person.organization["id"]
    assert person.client.post(f"/v1/organizations/{created.json['id']}/switch").status == 200


def test_a_slug_belongs_to_one_organization(aws: None) -> None:
    first, second = register(), register()
    assert first.client.post("/v1/organizations", {"name": "A", "slug": "one-slug"}).status == 201
    response = second.client.post("/v1/organizations", {"name": "B", "slug": "one-slug"})
    assert (
        status_and_code(response) == (409, "slug_taken") and response.json["errors"][0]["pointer"] == "/slug"
    )
    assert status_and_code(second.client.patch(organization_path(second), {"slug": "one-slug"})) == (
        409,
        "slug_taken",
    )
    assert len(second.client.get("/v1/organizations").json["items"]) == 1
    assert first.client.post("/v1/organizations", {"name": "A", "slug": "No Slug"}).status == 422


def test_a_retry_with_an_idempotency_key_creates_no_second_organization(aws: None) -> None:
    person = register()
    header = {"Idempotency-Key": "k"}
    first, again = (person.client.post("/v1/organizations", {"name": "A"}, headers=header) for _ in range(2))
    assert first.json == again.json and len(person.client.get("/v1/organizations").json["items"]) == 2


def test_a_repeated_switch_gives_no_session_the_tokens_of_another(aws: None) -> None:
    person = register()
    path, header = organization_path(person, "/switch"), {"Idempotency-Key": "k"}
    credentials = {"email": person.user["email"], "password": PASSWORD}
    other = client_with_tokens(Client().post("/v1/auth/login", credentials).json)
    first, again = (person.client.post(path, headers=header) for _ in range(2))
    assert first.json == again.json and again.headers["Idempotent-Replayed"] == "true"
    theirs = other.post(path, headers=header)
    assert theirs.status == 200 and "Idempotent-Replayed" not in theirs.headers
    assert theirs.json["refreshToken"] != first.json["refreshToken"]


def test_changing_the_slug_moves_its_marker(aws: None) -> None:
    person = register()
    old = person.organization["slug"]
    response = person.client.patch(
        organization_path(person), {"slug": "new-slug", "name": "New", "description": "d"}
    )
    assert response.status == 200 and response.headers["ETag"] == '"2"'
    assert (response.json["slug"], response.json["name"], response.json["description"]) == (
        "new-slug",
        "New",
        "d",
    )
    assert SlugRow.get(*SlugRow.at(old)).ttl, "it is held back"
    assert SlugRow.get(*SlugRow.at("new-slug")).organization_id == person.organization["id"]
    assert person.client.patch(organization_path(person), {"description": None}).json["description"] is None
    stale = person.client.patch(organization_path(person), {"name": "Newer"}, headers={"If-Match": '"1"'})
    assert status_and_code(stale) == (412, "stale_version")


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
def test_fields_of_the_platform_cannot_be_changed(aws: None, field: dict[str, Any]) -> None:
    person = register()
    response = person.client.patch(organization_path(person), {"name": "New", **field})
    assert status_and_code(response) == (422, "invalid")
    assert response.json["errors"][0]["pointer"] == f"/{next(iter(field))}"
    assert person.client.get(organization_path(person)).json["name"] == person.organization["name"]
    if "id" not in field:
        assert person.client.post("/v1/organizations", {"name": "A", **field}).status == 422


def test_settings_are_changed_part_by_part(aws: None) -> None:
    person = register()
    branding = {"primaryColor": "#112233"}
    ask = person.client.patch
    ask(organization_path(person), {"customSettings": {"branding": branding}})
    for domain in ("example.com", "xn--bcher-kva.example"):
        prove_domain(person, domain)
    domains = ["Example.COM", "bücher.example", "example.com"]
    response = ask(organization_path(person), {"customSettings": {"security": {"allowedDomains": domains}}})
    settings = response.json["customSettings"]
    assert settings["security"]["allowedDomains"] == ["example.com", "xn--bcher-kva.example"]
    assert settings["branding"]["primaryColor"] == "#112233"
    settings = ask(organization_path(person), {"customSettings": {"branding": None}}).json["customSettings"]
    assert settings["branding"] is None and settings["security"]
    bad = ask(
        organization_path(person), {"customSettings": {"security": {"allowedDomains": ["not a domain"]}}}
    )
    assert status_and_code(bad) == (422, "invalid")
    billing = {"companyName": "Engines Ltd", "address": {"city": "London"}}
    assert (
        ask(organization_path(person), {"billingInfo": billing}).json["billingInfo"]["address"]["city"]
        == "London"
    )


def test_settings_stay_within_the_plan(aws: None) -> None:
    person = register()
    set_plan(person, "free")
    changes = {"customSettings": {"workflow": {"defaultRetention": 8, "maxComplexity": 21}}}
    response = person.client.patch(organization_path(person), changes)
    assert status_and_code(response) == (422, "invalid")
    assert {error["pointer"] for error in response.json["errors"]} == {
        "/customSettings/workflow/defaultRetention",
        "/customSettings/workflow/maxComplexity",
    }
    changes["customSettings"]["workflow"] = {"defaultRetention": 7, "maxComplexity": 20}
    assert person.client.patch(organization_path(person), changes).status == 200


def test_single_sign_on_is_enforced_only_with_an_identity_provider(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = register()
    changes = {"customSettings": {"security": {"enforceSSO": True}}}
    assert status_and_code(person.client.patch(organization_path(person), changes)) == (
        409,
        "sso_not_configured",
    )
    monkeypatch.setattr(service, "_require_identity_provider", lambda organization_id: None)
    assert (
        person.client.patch(organization_path(person), changes).json["customSettings"]["security"][
            "enforceSSO"
        ]
        is True
    )


def test_members_and_viewers_may_not_change_the_organization(aws: None) -> None:
    owner = register()
    for role in ("member", "viewer"):
        person = register_member(owner, role)
        assert status_and_code(person.client.patch(organization_path(owner), {"name": "X"})) == (
            403,
            "permission_missing",
        )
    admin = register_member(owner, "admin")
    assert admin.client.patch(organization_path(owner), {"name": "X"}).status == 200
    assert status_and_code(admin.client.delete(organization_path(owner))) == (403, "owner_only")


def test_a_deleted_organization_is_restored_with_everything(aws: None) -> None:
    owner = register(organizationName="Engines")
    admin = register_member(owner, "admin")
    agent = owner.client.post("/v1/agents", {"name": "Helper"}).json
    assert owner.client.delete(organization_path(owner)).status == 204
    assert owner.client.get(organization_path(owner)).status == 404
    for person in (owner, admin):
        response = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
        assert status_and_code(response) == (403, "not_a_member"), "its sessions cannot be refreshed"
    login = Client().post("/v1/auth/login", {"email": owner.user["email"], "password": PASSWORD})
    assert login.status == 200, "a user without an organization gets a personal one"
    owner_client = Client(headers={"Authorization": f"Bearer {login.json['accessToken']}"})
    (trashed,) = owner_client.get("/v1/organizations?deleted=true").json["items"]
    assert trashed["id"] == owner.organization["id"] and trashed["deletedAt"]
    (other,) = owner_client.get("/v1/organizations").json["items"]
    assert other["id"] != trashed["id"] and other["role"] == "owner"
    assert status_and_code(owner_client.post(f"/v1/organizations/{trashed['id']}/switch")) == (
        404,
        "organization_not_found",
    )
    restored = owner_client.post(f"/v1/organizations/{trashed['id']}/restore")
    assert restored.status == 200 and restored.json["deletedAt"] is None
    assert restored.json["slug"] == owner.organization["slug"]
    response = owner_client.post(f"/v1/organizations/{trashed['id']}/switch")
    client = Client(headers={"Authorization": f"Bearer {response.json['accessToken']}"})
    assert client.get(f"/v1/agents/{agent['id']}").status == 200
    row = OrganizationRow.get(*OrganizationRow.at(trashed["id"]))
    assert (row.gsi2pk, row.ttl) == ("ORGS#enterprise", None)


def test_only_an_owner_restores_or_purges(aws: None) -> None:
    owner, stranger = register(), register()
    admin = register_member(owner, "admin")
    assert owner.client.delete(organization_path(owner)).status == 204
    home = admin.client.post(f"/v1/organizations/{admin.organization['id']}/switch").json
    admin_client = Client(headers={"Authorization": f"Bearer {home['accessToken']}"})
    assert status_and_code(admin_client.post(organization_path(owner, "/restore"))) == (403, "owner_only")
    assert status_and_code(admin_client.delete(organization_path(owner) + "?purge=true")) == (
        403,
        "owner_only",
    )
    assert admin_client.get("/v1/organizations?deleted=true").json["items"] == []
    for response in (
        stranger.client.post(organization_path(owner, "/restore")),
        stranger.client.delete(organization_path(owner) + "?purge=1"),
    ):
        assert status_and_code(response) == (404, "organization_not_found")


def test_an_organization_with_a_subscription_is_not_deleted(aws: None) -> None:
    owner = register()
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"stripe_subscription_id": "sub_1"}, {})
    assert status_and_code(owner.client.delete(organization_path(owner))) == (409, "subscription_active")


def test_an_api_key_of_the_owner_cannot_delete_or_create_organizations(aws: None) -> None:
    owner = register()
    everything = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    made = owner.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"], "permissions": everything}).json
    key = Client(headers={"X-API-Key": made["key"]})
    assert status_and_code(key.delete(organization_path(owner))) == (403, "api_key_not_allowed")
    assert status_and_code(key.post("/v1/organizations", {"name": "A"})) == (403, "api_key_not_allowed")


def test_a_readonly_user_cannot_create_an_organization(aws: None) -> None:
    from weconnect.identity.rows import UserRow

    person, owner = register(), register()
    table.change(UserRow.get(*UserRow.at(person.user["id"])), {"role": "readonly"}, {})
    add_member(person, owner, "admin")
    assert status_and_code(person.client.post("/v1/organizations", {"name": "A"})) == (403, "read_only")
