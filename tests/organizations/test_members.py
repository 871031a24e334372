"""Changing and removing members, leaving, the limits of granting, and the end of access."""

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import PASSWORD, RegisteredUser, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    client_with_new_key,
    count_members,
    member_path,
    organization_path,
    register_member,
    set_plan,
    status_and_code,
)
from weconnect import clock
from weconnect.identity.rows import ExecutionLimitRow


def refresh(person: RegisteredUser) -> Client:
    """Refresh the user's tokens and return their client."""
    response = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    assert response.status == 200, response.text
    person.tokens = response.json
    person.client.headers["Authorization"] = f"Bearer {response.json['accessToken']}"
    return person.client


def test_a_changed_role_applies_with_the_next_token(aws: None) -> None:
    owner = register()
    viewer = register_member(owner, "viewer")
    assert status_and_code(viewer.client.post("/v1/agents", {"name": "A"})) == (403, "permission_missing")
    response = owner.client.patch(member_path(owner, viewer), {"role": "member"})
    assert response.status == 200 and response.json["role"] == "member"
    assert "agents:create" in response.json["effectivePermissions"]
    assert refresh(viewer).post("/v1/agents", {"name": "A"}).status == 201
    own = {"agents": {"create": False, "delete": True}}
    changed = owner.client.patch(member_path(owner, viewer), {"permissions": own}).json
    assert "agents:create" not in changed["effectivePermissions"]
    assert status_and_code(refresh(viewer).post("/v1/agents", {"name": "B"})) == (403, "permission_missing")


def test_a_changed_role_applies_to_api_keys_at_once(aws: None) -> None:
    owner = register()
    member = register_member(owner, "member")
    key = client_with_new_key(member)
    assert key.post("/v1/agents", {"name": "A"}).status == 201
    owner.client.patch(member_path(owner, member), {"role": "viewer"})
    assert status_and_code(key.post("/v1/agents", {"name": "B"})) == (403, "permission_missing")
    owner.client.patch(member_path(owner, member), {"isActive": False})
    assert status_and_code(key.get("/v1/agents")) == (403, "not_a_member")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"role": "owner"}, "owner_only"),
        ({"permissions": {"organization": {"billing": True}}}, "cannot_grant"),
    ],
)
def test_nobody_grants_more_than_they_have(aws: None, changes: dict[str, Any], code: str) -> None:
    owner = register()
    admin, member = register_member(owner, "admin"), register_member(owner, "member")
    for target in (member, admin):
        assert status_and_code(admin.client.patch(member_path(owner, target), changes)) == (403, code)
    confirmed = changes | ({"password": PASSWORD} if "role" in changes else {})
    assert owner.client.patch(member_path(owner, member), confirmed).status == 200


def test_a_manager_with_few_permissions_cannot_change_members_with_more(aws: None) -> None:
    owner = register()
    manager, admin, viewer = (register_member(owner, role) for role in ("viewer", "admin", "viewer"))
    manages = {"permissions": {"organization": {"manage": True}}}
    assert owner.client.patch(member_path(owner, manager), manages).status == 200
    client = refresh(manager)
    assert status_and_code(client.patch(member_path(owner, viewer), {"role": "member"})) == (
        403,
        "cannot_grant",
    )
    assert status_and_code(client.patch(member_path(owner, admin), {"role": "viewer"})) == (403, "outranked")
    assert status_and_code(client.delete(member_path(owner, admin))) == (403, "outranked")
    assert status_and_code(client.delete(member_path(owner, owner))) == (403, "owner_only")
    assert client.patch(member_path(owner, viewer), {"isActive": False}).status == 200


def test_an_admin_cannot_change_an_owner(aws: None) -> None:
    owner = register()
    admin = register_member(owner, "admin")
    for response in (
        admin.client.patch(member_path(owner, owner), {"role": "member"}),
        admin.client.patch(member_path(owner, owner), {"isActive": False}),
        admin.client.delete(member_path(owner, owner)),
        admin.client.post(organization_path(owner, "/transfer-ownership"), {"userId": admin.user["id"]}),
    ):
        assert status_and_code(response) == (403, "owner_only")


def test_a_demoted_admin_grants_nothing_with_their_old_token(aws: None) -> None:
    owner = register()
    admin, viewer = register_member(owner, "admin"), register_member(owner, "viewer")
    owner.client.patch(member_path(owner, admin), {"role": "viewer"})
    response = admin.client.patch(member_path(owner, viewer), {"role": "admin"})
    assert status_and_code(response) == (403, "permission_missing"), (
        "their rights are read from the table, not from the token"
    )


def test_the_last_owner_can_neither_leave_nor_be_removed(aws: None) -> None:
    owner = register()
    second = register_member(owner, "member")
    owner_path = member_path(owner, owner)
    for response in (
        owner.client.patch(owner_path, {"role": "admin"}),
        owner.client.patch(owner_path, {"isActive": False}),
        owner.client.delete(owner_path),
        owner.client.post(organization_path(owner, "/leave")),
    ):
        assert status_and_code(response) == (409, "last_owner")
    promotion = {"role": "owner", "password": PASSWORD}
    assert owner.client.patch(member_path(owner, second), promotion).status == 200
    assert owner.client.patch(owner_path, {"role": "admin"}).status == 200
    assert status_and_code(refresh(second).post(organization_path(owner, "/leave"))) == (409, "last_owner")


def test_an_inactive_owner_does_not_replace_the_last_one(aws: None) -> None:
    owner = register()
    second = register_member(owner, "owner")
    assert owner.client.patch(member_path(owner, second), {"isActive": False}).status == 200
    assert status_and_code(owner.client.post(organization_path(owner, "/leave"))) == (409, "last_owner")


def test_ownership_is_transferred_to_an_active_member(aws: None) -> None:
    owner = register()
    heir, inactive = register_member(owner, "member"), register_member(owner, "member")
    owner.client.patch(member_path(owner, inactive), {"isActive": False})
    transfer_path = organization_path(owner, "/transfer-ownership")

    def transfer(person: RegisteredUser) -> ApiResponse:
        body = {"userId": person.user["id"], "password": PASSWORD}
        return owner.client.post(transfer_path, body)

    assert status_and_code(transfer(owner)) == (422, "invalid")
    assert status_and_code(transfer(inactive)) == (409, "member_inactive")
    assert status_and_code(transfer(register())) == (
        404,
        "member_not_found",
    )
    response = transfer(heir)
    assert (response.status, response.json["role"]) == (200, "owner")
    roles = {
        item["userId"]: item["role"]
        for item in owner.client.get(organization_path(owner, "/members")).json["items"]
    }
    assert (roles[owner.user["id"]], roles[heir.user["id"]]) == ("admin", "owner")
    assert status_and_code(transfer(heir)) == (403, "owner_only"), "not with their old token either"
    assert status_and_code(owner.client.delete(organization_path(owner))) == (403, "owner_only")


def test_removing_a_member_ends_their_access(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = register()
    member = register_member(owner, "member")
    key = client_with_new_key(member)
    limit = f"/v1/execution-limits/{member.user['id']}/daily"
    assert owner.client.put(limit, {"maxExecutions": 5}).status == 200
    assert key.get("/v1/agents").status == 200 and count_members(owner) == 2
    assert owner.client.delete(member_path(owner, member)).status == 204
    assert status_and_code(key.get("/v1/agents")) == (401, "invalid_api_key")
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": member.tokens["refreshToken"]})
    assert status_and_code(refreshed) == (401, "session_ended")
    assert owner.client.get(member_path(owner, member)).status == 404
    assert count_members(owner) == 1
    assert not list(
        ExecutionLimitRow.query(f"ORG#{owner.organization['id']}", ExecutionLimitRow.sk.startswith("LIMIT#"))
    )
    assert member.client.get("/v1/agents").status == 200, "the access token is valid until it expires"
    later = clock.now() + timedelta(minutes=15)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert status_and_code(member.client.get("/v1/agents")) == (401, "token_expired")


def test_a_member_leaves(aws: None) -> None:
    owner = register()
    member = register_member(owner, "viewer")
    assert member.client.post(organization_path(owner, "/leave")).status == 204
    assert owner.client.get(member_path(owner, member)).status == 404 and count_members(owner) == 1
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": member.tokens["refreshToken"]})
    assert status_and_code(refreshed) == (401, "session_ended")


def test_an_inactive_member_does_not_count_towards_the_quota(aws: None) -> None:
    owner = register()
    set_plan(owner, "free")
    first, second = register_member(owner, "viewer"), register_member(owner, "viewer")
    assert count_members(owner) == 3
    assert owner.client.patch(member_path(owner, first), {"isActive": False}).status == 200
    assert count_members(owner) == 2
    third = register_member(owner, "viewer")
    reactivated = owner.client.patch(member_path(owner, first), {"isActive": True})
    assert status_and_code(reactivated) == (429, "member_limit_reached")
    owner.client.delete(member_path(owner, third))
    assert owner.client.patch(member_path(owner, first), {"isActive": True}).status == 200
    assert count_members(owner) == 3 and second


def test_deactivating_a_member_ends_their_sessions(aws: None) -> None:
    owner = register()
    member = register_member(owner, "member")
    owner.client.patch(member_path(owner, member), {"isActive": False})
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": member.tokens["refreshToken"]})
    assert status_and_code(refreshed) == (401, "session_ended")


def test_stale_versions_and_fixed_fields_are_refused(aws: None) -> None:
    owner = register()
    member = register_member(owner, "member")
    path = member_path(owner, member)
    etag = owner.client.get(path).headers["ETag"]
    assert owner.client.patch(path, {"role": "viewer"}, headers={"If-Match": etag}).status == 200
    assert status_and_code(owner.client.patch(path, {"role": "member"}, headers={"If-Match": etag})) == (
        412,
        "stale_version",
    )
    assert status_and_code(owner.client.delete(path, headers={"If-Match": etag})) == (412, "stale_version")
    assert status_and_code(owner.client.patch(path, {"joinedAt": None})) == (422, "invalid")
    assert status_and_code(owner.client.patch(path, {"userId": owner.user["id"]})) == (422, "invalid")
    assert owner.client.patch(path, {"role": None}).json["role"] == "viewer"
