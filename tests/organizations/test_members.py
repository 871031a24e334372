"""Members changed, removed, leaving; who may grant what; revocation."""

from datetime import timedelta

import pytest

from tests.factories import registered
from tests.gateway import Client
from tests.organizations.people import code, colleague, key_of, member_path, on_plan, path, places
from weconnect import clock
from weconnect.auth.rows import ExecutionLimitRow


def refreshed(person) -> Client:
    """A client with new tokens for where the person is."""
    answer = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    assert answer.status == 200, answer.text
    person.tokens = answer.json
    person.client.headers["Authorization"] = f"Bearer {answer.json['accessToken']}"
    return person.client


def test_a_role_is_in_force_with_the_next_token(aws: None) -> None:
    owner = registered()
    viewer = colleague(owner, "viewer")
    assert code(viewer.client.post("/v1/agents", {"name": "A"})) == (403, "permission_missing")
    answer = owner.client.patch(member_path(owner, viewer), {"role": "member"})
    assert answer.status == 200 and answer.json["role"] == "member"
    assert "agents:create" in answer.json["effectivePermissions"]
    assert refreshed(viewer).post("/v1/agents", {"name": "A"}).status == 201
    own = {"agents": {"create": False, "delete": True}}
    changed = owner.client.patch(member_path(owner, viewer), {"permissions": own}).json
    assert "agents:create" not in changed["effectivePermissions"]
    assert code(refreshed(viewer).post("/v1/agents", {"name": "B"})) == (403, "permission_missing")


def test_an_api_key_feels_a_role_at_once(aws: None) -> None:
    owner = registered()
    member = colleague(owner, "member")
    key = key_of(member)
    assert key.post("/v1/agents", {"name": "A"}).status == 201
    owner.client.patch(member_path(owner, member), {"role": "viewer"})
    assert code(key.post("/v1/agents", {"name": "B"})) == (403, "permission_missing")
    owner.client.patch(member_path(owner, member), {"isActive": False})
    assert code(key.get("/v1/agents")) == (403, "not_a_member")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"role": "owner"}, "owner_only"),
        ({"permissions": {"organization": {"billing": True}}}, "cannot_grant"),
    ],
)
def test_nobody_grants_more_than_he_holds(aws: None, changes: dict, why: str) -> None:
    owner = registered()
    admin, member = colleague(owner, "admin"), colleague(owner, "member")
    for target in (member, admin):
        assert code(admin.client.patch(member_path(owner, target), changes)) == (403, why)
    assert owner.client.patch(member_path(owner, member), changes).status == 200


def test_a_manager_with_few_permissions_of_his_own(aws: None) -> None:
    owner = registered()
    manager, admin, viewer = (colleague(owner, role) for role in ("viewer", "admin", "viewer"))
    manages = {"permissions": {"organization": {"manage": True}}}
    assert owner.client.patch(member_path(owner, manager), manages).status == 200
    client = refreshed(manager)
    assert code(client.patch(member_path(owner, viewer), {"role": "member"})) == (403, "cannot_grant")
    assert code(client.patch(member_path(owner, admin), {"role": "viewer"})) == (403, "outranked")
    assert code(client.delete(member_path(owner, admin))) == (403, "outranked")
    assert code(client.delete(member_path(owner, owner))) == (403, "owner_only")
    assert client.patch(member_path(owner, viewer), {"isActive": False}).status == 200


def test_an_admin_cannot_change_an_owner(aws: None) -> None:
    owner = registered()
    admin = colleague(owner, "admin")
    for asked in (
        admin.client.patch(member_path(owner, owner), {"role": "member"}),
        admin.client.patch(member_path(owner, owner), {"isActive": False}),
        admin.client.delete(member_path(owner, owner)),
        admin.client.post(path(owner, "/transfer-ownership"), {"userId": admin.user["id"]}),
    ):
        assert code(asked) == (403, "owner_only")


def test_a_demoted_admin_grants_nothing_with_his_old_token(aws: None) -> None:
    owner = registered()
    admin, viewer = colleague(owner, "admin"), colleague(owner, "viewer")
    owner.client.patch(member_path(owner, admin), {"role": "viewer"})
    answer = admin.client.patch(member_path(owner, viewer), {"role": "admin"})
    assert code(answer) == (403, "cannot_grant"), "what he holds is read, not believed"


def test_there_is_always_an_owner(aws: None) -> None:
    owner = registered()
    second = colleague(owner, "member")
    mine = member_path(owner, owner)
    for asked in (
        owner.client.patch(mine, {"role": "admin"}),
        owner.client.patch(mine, {"isActive": False}),
        owner.client.delete(mine),
        owner.client.post(path(owner, "/leave")),
    ):
        assert code(asked) == (409, "last_owner")
    assert owner.client.patch(member_path(owner, second), {"role": "owner"}).status == 200
    assert owner.client.patch(mine, {"role": "admin"}).status == 200
    assert code(refreshed(second).post(path(owner, "/leave"))) == (409, "last_owner")


def test_an_inactive_owner_does_not_count(aws: None) -> None:
    owner = registered()
    second = colleague(owner, "owner")
    assert owner.client.patch(member_path(owner, second), {"isActive": False}).status == 200
    assert code(owner.client.post(path(owner, "/leave"))) == (409, "last_owner")


def test_transfer(aws: None) -> None:
    owner = registered()
    heir, gone = colleague(owner, "member"), colleague(owner, "member")
    owner.client.patch(member_path(owner, gone), {"isActive": False})
    ask = owner.client.post
    to = path(owner, "/transfer-ownership")
    assert code(ask(to, {"userId": owner.user["id"]})) == (422, "invalid")
    assert code(ask(to, {"userId": gone.user["id"]})) == (409, "member_inactive")
    assert code(ask(to, {"userId": registered().user["id"]})) == (404, "member_not_found")
    answer = ask(to, {"userId": heir.user["id"]})
    assert (answer.status, answer.json["role"]) == (200, "owner")
    roles = {item["userId"]: item["role"] for item in owner.client.get(path(owner, "/members")).json["items"]}
    assert (roles[owner.user["id"]], roles[heir.user["id"]]) == ("admin", "owner")
    assert code(ask(to, {"userId": heir.user["id"]})) == (403, "owner_only"), "not with his old token either"
    assert code(owner.client.delete(path(owner))) == (403, "owner_only")


def test_removal_ends_everything_here(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = registered()
    member = colleague(owner, "member")
    key = key_of(member)
    limit = f"/v1/execution-limits/{member.user['id']}/daily"
    assert owner.client.put(limit, {"maxExecutions": 5}).status == 200
    assert key.get("/v1/agents").status == 200 and places(owner) == 2
    assert owner.client.delete(member_path(owner, member)).status == 204
    assert code(key.get("/v1/agents")) == (401, "invalid_api_key")
    again = Client().post("/v1/auth/refresh", {"refreshToken": member.tokens["refreshToken"]})
    assert code(again) == (401, "session_ended")
    assert owner.client.get(member_path(owner, member)).status == 404
    assert places(owner) == 1
    assert not list(
        ExecutionLimitRow.query(f"ORG#{owner.organization['id']}", ExecutionLimitRow.sk.startswith("LIMIT#"))
    )
    assert member.client.get("/v1/agents").status == 200, "the access token lives on"
    later = clock.now() + timedelta(minutes=15)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert code(member.client.get("/v1/agents")) == (401, "token_expired")


def test_leaving(aws: None) -> None:
    owner = registered()
    member = colleague(owner, "viewer")
    assert member.client.post(path(owner, "/leave")).status == 204
    assert owner.client.get(member_path(owner, member)).status == 404 and places(owner) == 1
    again = Client().post("/v1/auth/refresh", {"refreshToken": member.tokens["refreshToken"]})
    assert code(again) == (401, "session_ended")


def test_an_inactive_member_frees_a_place_and_takes_it_again(aws: None) -> None:
    owner = registered()
    on_plan(owner, "free")
    first, second = colleague(owner, "viewer"), colleague(owner, "viewer")
    assert places(owner) == 3
    assert owner.client.patch(member_path(owner, first), {"isActive": False}).status == 200
    assert places(owner) == 2
    third = colleague(owner, "viewer")
    back = owner.client.patch(member_path(owner, first), {"isActive": True})
    assert code(back) == (429, "member_limit_reached")
    owner.client.delete(member_path(owner, third))
    assert owner.client.patch(member_path(owner, first), {"isActive": True}).status == 200
    assert places(owner) == 3 and second


def test_a_deactivated_members_sessions_end(aws: None) -> None:
    owner = registered()
    member = colleague(owner, "member")
    owner.client.patch(member_path(owner, member), {"isActive": False})
    again = Client().post("/v1/auth/refresh", {"refreshToken": member.tokens["refreshToken"]})
    assert code(again) == (401, "session_ended")


def test_stale_and_empty_changes(aws: None) -> None:
    owner = registered()
    member = colleague(owner, "member")
    where = member_path(owner, member)
    etag = owner.client.get(where).headers["ETag"]
    assert owner.client.patch(where, {"role": "viewer"}, headers={"If-Match": etag}).status == 200
    assert code(owner.client.patch(where, {"role": "member"}, headers={"If-Match": etag})) == (
        412,
        "stale_version",
    )
    assert code(owner.client.delete(where, headers={"If-Match": etag})) == (412, "stale_version")
    assert code(owner.client.patch(where, {"joinedAt": None})) == (422, "invalid")
    assert code(owner.client.patch(where, {"userId": owner.user["id"]})) == (422, "invalid")
    assert owner.client.patch(where, {"role": None}).json["role"] == "viewer"
