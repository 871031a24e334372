"""Access tokens once something has changed: requests that are no GET follow the rows, not the token."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    put_provider,
    register_with_provider,
    set_security,
    sign_in,
)
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register, set_user_role
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    member_path,
    organization_path,
    register_member,
    register_verified,
    status_and_code,
)
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.auth import authorizer
from weconnect.db import table
from weconnect.identity.rows import SessionRow, UserRow
from weconnect.organizations.rows import MemberRow, OrganizationRow

AGENT = {"name": "A"}
_numbers = itertools.count(1)


@pytest.fixture
def owner(aws: None) -> RegisteredUser:
    return register_verified()


@pytest.fixture
def admin(owner: RegisteredUser) -> RegisteredUser:
    """Return an admin of the owner's organization, who also owns one."""
    return register_member(owner, "admin")


def write(client: Client) -> ApiResponse:
    """Send a request that needs a permission and changes something."""
    return client.post("/v1/agents", {"name": f"Agent {next(_numbers)}"})


def change_member(owner: RegisteredUser, person: RegisteredUser, **values: Any) -> None:
    row = MemberRow.get(*MemberRow.at(owner.organization["id"], person.user["id"]))
    table.change(row, values, {})


def remove_membership(owner: RegisteredUser, person: RegisteredUser) -> None:
    MemberRow.get(*MemberRow.at(owner.organization["id"], person.user["id"])).delete()


def deactivate_membership(owner: RegisteredUser, person: RegisteredUser) -> None:
    change_member(owner, person, is_active=False)


def suspend_organization(owner: RegisteredUser, person: RegisteredUser) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"is_active": False}, {})


def delete_organization(owner: RegisteredUser, person: RegisteredUser) -> None:
    assert owner.client.delete(organization_path(owner)).status == 204


WAYS_OUT: dict[Callable[[RegisteredUser, RegisteredUser], None], tuple[int, str]] = {
    remove_membership: (403, "not_a_member"),
    deactivate_membership: (403, "not_a_member"),
    suspend_organization: (403, "organization_inactive"),
    delete_organization: (403, "organization_inactive"),
}


@pytest.mark.parametrize("end", WAYS_OUT)
def test_a_former_member_writes_nothing_and_keeps_what_is_their_own(
    owner: RegisteredUser, admin: RegisteredUser, end: Callable[[RegisteredUser, RegisteredUser], None]
) -> None:
    end(owner, admin)
    assert status_and_code(write(admin.client)) == WAYS_OUT[end]
    renamed = admin.client.patch(organization_path(owner), {"name": "Mine now"})
    assert status_and_code(renamed) == WAYS_OUT[end]
    assert status_and_code(admin.client.delete(organization_path(owner))) == WAYS_OUT[end]
    assert admin.client.patch("/v1/users/me", {"firstName": "Grace"}).status == 200
    created = admin.client.post("/v1/organizations", {"name": "Another"})
    assert created.status == 201, created.text
    switched = admin.client.post(organization_path(admin, "/switch"))
    assert switched.status == 200, switched.text
    assert write(client_with_tokens(switched.json)).status == 201


def test_an_owner_restores_an_organization_with_the_token_that_they_deleted_it_with(
    owner: RegisteredUser,
) -> None:
    assert owner.client.delete(organization_path(owner)).status == 204
    assert status_and_code(write(owner.client)) == (403, "organization_inactive")
    assert owner.client.post(organization_path(owner, "/restore")).status == 200
    assert write(owner.client).status == 201


def end_session(person: RegisteredUser) -> None:
    for item in person.client.get("/v1/auth/sessions").json["items"]:
        SessionRow(*SessionRow.at(person.user["id"], item["id"])).delete()


def let_session_expire(person: RegisteredUser) -> None:
    for item in person.client.get("/v1/auth/sessions").json["items"]:
        row = SessionRow.get(*SessionRow.at(person.user["id"], item["id"]))
        table.touch(row, put={"ttl": clock.epoch_seconds()})


def deactivate_user(person: RegisteredUser) -> None:
    change_user(person, is_active=False)


def delete_user(person: RegisteredUser) -> None:
    UserRow.get(*UserRow.at(person.user["id"])).delete()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (end_session, "session_ended"),
        (let_session_expire, "session_ended"),
        (deactivate_user, "account_inactive"),
        (delete_user, "account_inactive"),
    ],
)
def test_a_session_or_user_that_has_ended_writes_nothing_at_all(
    owner: RegisteredUser, end: Callable[[RegisteredUser], None], code: str
) -> None:
    assert write(owner.client).status == 201
    end(owner)
    for response in (
        write(owner.client),
        owner.client.patch("/v1/users/me", {"firstName": "Grace"}),
        owner.client.post(organization_path(owner, "/switch")),
    ):
        assert status_and_code(response) == (401, code)
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert owner.client.get("/v1/agents").status == 200, "reading goes on until the token ends"


def test_a_changed_role_counts_at_the_next_write(owner: RegisteredUser, admin: RegisteredUser) -> None:
    new_role = {"name": "Reader", "permissions": ["agents:read"]}
    role = owner.client.post(organization_path(owner, "/roles"), new_role).json["id"]
    for change, status in (
        ({"role": "viewer"}, 403),
        ({"permissions": {"agents": {"create": True}}}, 201),
        ({"customRoleId": role, "permissions": {}}, 403),
        ({"customRoleId": None, "role": "admin"}, 201),
    ):
        assert owner.client.patch(member_path(owner, admin), change).status == 200
        assert write(admin.client).status == status, change
    assert owner.client.patch(member_path(owner, admin), {"customRoleId": role}).status == 200
    path = organization_path(owner, f"/roles/{role}")
    assert owner.client.patch(path, {"permissions": ["agents:create"]}).status == 200
    assert write(admin.client).status == 201


@pytest.mark.parametrize(("role", "code"), [("readonly", "read_only"), ("guest", "guest")])
def test_the_role_of_a_user_counts_at_the_next_write(owner: RegisteredUser, role: str, code: str) -> None:
    change_user(owner, role=role)
    assert status_and_code(write(owner.client)) == (403, code)


def test_an_operator_who_was_demoted_operates_nothing(owner: RegisteredUser) -> None:
    boss = set_user_role(register("boss@example.com"))
    path, headers = f"/v1/users/{owner.user['id']}", {"X-Organization-Id": owner.organization["id"]}
    assert boss.client.patch(path, {"isActive": True}).status == 200
    assert boss.client.post("/v1/agents", AGENT, headers=headers).status == 201
    for demoted in ({"email_verified": False}, {"role": "user", "email_verified": True}):
        change_user(boss, **demoted)
        assert status_and_code(boss.client.patch(path, {"isActive": True})) == (403, "permission_missing")
        there = boss.client.post("/v1/agents", AGENT, headers=headers)
        assert status_and_code(there) == (403, "wrong_organization")


def test_an_organization_that_comes_to_require_a_second_factor_gets_no_writes_without_it(
    owner: RegisteredUser, admin: RegisteredUser
) -> None:
    set_security(owner, enforce_mfa=True)
    assert status_and_code(write(admin.client)) == (403, "mfa_required_by_organization")
    assert admin.client.post("/v1/auth/mfa/enroll").status == 200


def test_the_session_timeout_of_an_organization_ends_writing_there_but_not_switching(
    owner: RegisteredUser, admin: RegisteredUser, time: MovableClock
) -> None:
    set_security(owner, session_timeout=5)
    assert write(admin.client).status == 201
    time.advance(minutes=6)
    assert status_and_code(write(admin.client)) == (401, "session_expired")
    assert admin.client.get("/v1/agents").status == 200
    assert admin.client.post(organization_path(admin, "/switch")).status == 200


# Single sign-on


def test_single_sign_on_that_comes_to_be_enforced_ends_writing_by_password_sessions(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    member = register_member(owner, "admin")
    by_provider = client_with_tokens(sign_in(idp, owner, member.user["email"]).json)
    set_security(owner, enforce_sso=True)
    assert status_and_code(write(member.client)) == (403, "sso_required")
    assert member.client.post(organization_path(member, "/switch")).status == 200
    assert write(by_provider).status == 201


@pytest.mark.parametrize("change", ["removed", "another client"])
def test_a_provider_that_is_removed_or_replaced_ends_writing_by_its_sessions(
    aws: None, idp: FakeIdentityProvider, change: str
) -> None:
    owner = register_with_provider(idp)
    client = client_with_tokens(sign_in(idp, owner, "grace@example.com").json)
    assert write(client).status == 201
    if change == "removed":
        assert owner.client.delete(organization_path(owner, "/identity-provider")).status == 204
    else:
        assert put_provider(owner, idp, clientId="another").status == 200
    assert status_and_code(write(client)) == (401, "session_ended")


def test_a_provider_of_a_manager_signs_in_nobody_with_more_than_an_admin(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_verified()
    admin = register_member(owner, "admin")
    promoted = register_member(owner, "viewer")
    assert put_provider(admin, idp, owner.organization["id"]).status == 200
    client = client_with_tokens(sign_in(idp, owner, promoted.user["email"]).json)
    made_owner = {"permissions": {}, "role": "owner", "password": PASSWORD}
    for more in ({"permissions": {"organization": {"billing": True}}}, made_owner):
        assert owner.client.patch(member_path(owner, promoted), more).status == 200
        assert status_and_code(write(client)) == (403, "sso_not_for_owners")
        again = sign_in(idp, owner, promoted.user["email"])
        assert status_and_code(again) == (403, "sso_not_for_owners")


# Cost


def test_a_write_takes_one_read_whatever_the_member_has(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = register_with_provider(idp)
    member = register_member(owner, "viewer")
    new_role = {"name": "Creator", "permissions": ["agents:create"]}
    role = owner.client.post(organization_path(owner, "/roles"), new_role).json["id"]
    assert owner.client.patch(member_path(owner, member), {"customRoleId": role}).status == 200
    by_provider = client_with_tokens(sign_in(idp, owner, member.user["email"]).json)
    calls, real = [], weconnect_aws.call

    def count(service: str, operation: str, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        calls.append((operation, len(body["RequestItems"]["weconnect"]["Keys"])))
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", count)
    for client, rows in ((owner.client, 4), (by_provider, 6)):
        calls.clear()
        headers = {name.lower(): value for name, value in client.headers.items()}
        http = {"sourceIp": client.ip, "method": "POST"}
        context = authorizer.identify_caller({"headers": headers, "requestContext": {"http": http}})
        assert context["permissions"] and "membershipProblem" not in context
        assert calls == [("BatchGetItem", rows)]
