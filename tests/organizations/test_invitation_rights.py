"""Invitations: what they give at their acceptance, by what their inviter may give then, and what inviting tells."""

from collections.abc import Callable

import pytest
from botocore.client import BaseClient

from tests.auth.fake_identity_provider import change_user
from tests.auth.sent_mails import last_token
from tests.factories import PASSWORD, RegisteredUser, add_member, register, set_user_role
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    accept_invitation,
    client_with_new_key,
    count_members,
    invite,
    invite_for_token,
    member_path,
    organization_path,
    register_member,
    register_verified,
    set_plan,
    status_and_code,
)
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE
from weconnect.settings import settings

GONE = (404, "invitation_not_found")
FRIEND = "friend@example.com"


@pytest.fixture
def owner(aws: None) -> RegisteredUser:
    return register_verified()


def invite_as(person: RegisteredUser, owner: RegisteredUser, **more: object) -> str:
    """Invite FRIEND to the owner's organization as another member, and return the token from the mail."""
    response = person.client.post(organization_path(owner, "/invitations"), {"email": FRIEND, **more})
    assert response.status == 201, response.text
    return last_token()


def accept_by_registering(token: str) -> ApiResponse:
    body = {"email": FRIEND, "password": PASSWORD, "firstName": "F", "lastName": "R"}
    return Client().post("/v1/auth/register", body | {"invitationToken": token})


def change_inviter(owner: RegisteredUser, inviter: RegisteredUser, **changes: object) -> None:
    response = owner.client.patch(member_path(owner, inviter), changes)
    assert response.status == 200, response.text


def remove(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    assert owner.client.delete(member_path(owner, inviter)).status == 204


def leave(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    assert inviter.client.post(organization_path(owner, "/leave")).status == 204


def suspend(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    change_inviter(owner, inviter, isActive=False)


def demote(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    change_inviter(owner, inviter, role="member", permissions={"organization": {"invite": True}})


def take_right_to_invite(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    change_inviter(owner, inviter, permissions={"organization": {"invite": False}})


def deactivate_account(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    change_user(inviter, is_active=False)


def make_read_only(owner: RegisteredUser, inviter: RegisteredUser) -> None:
    change_user(inviter, role="readonly")


WAYS: list[Callable[[RegisteredUser, RegisteredUser], None]] = [
    remove,
    leave,
    suspend,
    demote,
    take_right_to_invite,
    deactivate_account,
    make_read_only,
]


@pytest.mark.parametrize("has_account", [True, False])
@pytest.mark.parametrize("end", WAYS)
def test_an_invitation_gives_no_more_than_its_inviter_could_give_now(
    owner: RegisteredUser, end: Callable[[RegisteredUser, RegisteredUser], None], has_account: bool
) -> None:
    inviter = register_member(owner, "admin")
    token = invite_as(inviter, owner, role="admin")
    end(owner, inviter)
    if has_account:
        assert status_and_code(accept_invitation(register(FRIEND), token)) == GONE
    else:
        assert status_and_code(accept_by_registering(token)) == GONE
    members = owner.client.get(organization_path(owner, "/members")).json["items"]
    assert {item["userId"] for item in members} <= {owner.user["id"], inviter.user["id"]}


def test_an_invitation_of_an_inviter_with_all_rights_is_accepted(owner: RegisteredUser) -> None:
    inviter = register_member(owner, "admin")
    assert accept_by_registering(invite_as(inviter, owner, role="admin")).status == 201


def test_whoever_resends_an_invitation_is_its_inviter(owner: RegisteredUser) -> None:
    inviter, other = register_member(owner, "admin"), register_member(owner, "admin")
    invite_as(inviter, owner, role="admin")
    remove(owner, inviter)
    (invitation,) = owner.client.get(organization_path(owner, "/invitations")).json["items"]
    assert invitation["invitedBy"] == inviter.user["id"]
    resent = other.client.post(organization_path(owner, f"/invitations/{invitation['id']}/resend"))
    assert resent.status == 200 and resent.json["invitedBy"] == other.user["id"]
    token = last_token()
    demote(owner, other)
    friend = register(FRIEND)
    assert status_and_code(accept_invitation(friend, token)) == GONE
    change_inviter(owner, other, role="admin")
    assert accept_invitation(friend, token).status == 200


def test_a_custom_role_that_gained_rights_is_given_by_nobody_who_lacks_them(owner: RegisteredUser) -> None:
    permissions = ["organization:invite", "agents:read"]
    path = organization_path(owner, "/roles")
    role = owner.client.post(path, {"name": "Inviter", "permissions": permissions}).json["id"]
    inviter = register_member(owner, "viewer")
    change_inviter(owner, inviter, customRoleId=role)
    token = invite_as(inviter, owner, customRoleId=role)
    change_inviter(owner, inviter, customRoleId=None, permissions={"organization": {"invite": True}})
    friend = register(FRIEND)
    assert status_and_code(accept_invitation(friend, token)) == GONE, "the inviter holds the role no more"
    assert status_and_code(owner.client.delete(f"{path}/{role}")) == (409, "role_in_use")
    change_inviter(owner, inviter, customRoleId=role)
    assert accept_invitation(friend, token).status == 200


def test_nobody_gets_a_built_in_role_below_a_custom_one_from_an_inviter_without_it(
    owner: RegisteredUser,
) -> None:
    path = organization_path(owner, "/roles")
    permissions = sorted(PERMISSIONS_BY_ROLE["viewer"] | {"organization:invite"})
    role = owner.client.post(path, {"name": "Inviter", "permissions": permissions}).json["id"]
    inviter = register_member(owner, "viewer")
    change_inviter(owner, inviter, customRoleId=role)
    assert invite(owner, FRIEND, role="admin", customRoleId=role).status == 201
    (invitation,) = owner.client.get(organization_path(owner, "/invitations")).json["items"]
    again = organization_path(owner, f"/invitations/{invitation['id']}/resend")
    assert status_and_code(inviter.client.post(again)) == (403, "cannot_grant")


def test_an_operator_invites_without_being_a_member(owner: RegisteredUser) -> None:
    operator = set_user_role(register_verified())
    headers = {"X-Organization-Id": owner.organization["id"]}
    body = {"email": FRIEND, "role": "admin"}
    invited = operator.client.post(organization_path(owner, "/invitations"), body, headers=headers)
    assert invited.status == 201, invited.text
    token = last_token()
    set_user_role(operator, "user")
    friend = register(FRIEND)
    assert status_and_code(accept_invitation(friend, token)) == GONE
    set_user_role(operator)
    assert accept_invitation(friend, token).status == 200


# Ownership by invitation


@pytest.mark.parametrize("is_verified", [True, False])
def test_an_ownership_by_invitation_counts_as_every_other(
    owner: RegisteredUser, monkeypatch: pytest.MonkeyPatch, is_verified: bool
) -> None:
    monkeypatch.setitem(settings.__dict__, "organizations_per_user", 3)
    set_plan(owner, "pro")
    friend = register(FRIEND, verified=is_verified)
    token = invite_for_token(owner, FRIEND, role="owner", password=PASSWORD)
    new = {"name": "Another"}
    assert friend.client.post("/v1/organizations", new).status == 201
    assert accept_invitation(friend, token).status == 200
    full = (429, "organization_limit_reached")
    assert status_and_code(friend.client.post("/v1/organizations", new)) == full
    other = register_verified()
    token = invite_for_token(other, FRIEND, role="owner", password=PASSWORD)
    assert status_and_code(accept_invitation(friend, token)) == full
    assert other.client.get(member_path(other, friend)).status == 404 and count_members(other) == 2


@pytest.mark.parametrize("limit", [1, 2])
def test_who_registers_as_an_owner_owns_two(
    owner: RegisteredUser, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setitem(settings.__dict__, "organizations_per_user", limit)
    token = invite_for_token(owner, FRIEND, role="owner", password=PASSWORD)
    registered = accept_by_registering(token)
    if limit == 1:
        assert status_and_code(registered) == (429, "organization_limit_reached")
        return
    assert registered.status == 201
    client = Client(headers={"Authorization": f"Bearer {registered.json['accessToken']}"})
    assert {item["role"] for item in client.get("/v1/organizations").json["items"]} == {"owner"}
    refused = client.post("/v1/organizations", {"name": "A third"})
    assert status_and_code(refused) == (429, "organization_limit_reached")


@pytest.mark.parametrize("user_role", ["guest", "readonly"])
@pytest.mark.parametrize("way", ["invitation", "transfer", "role"])
def test_nobody_whose_account_may_do_nothing_becomes_an_owner(
    owner: RegisteredUser, way: str, user_role: str
) -> None:
    person = register_verified()
    if way == "invitation":
        token = invite_for_token(owner, person.user["email"], role="owner", password=PASSWORD)
    else:
        add_member(person, owner, "admin")
    change_user(person, role=user_role)
    if way == "invitation":
        refused = accept_invitation(person, token)
    elif way == "transfer":
        body = {"userId": person.user["id"], "password": PASSWORD}
        refused = owner.client.post(organization_path(owner, "/transfer-ownership"), body)
    else:
        body = {"role": "owner", "password": PASSWORD}
        refused = owner.client.patch(member_path(owner, person), body)
    assert status_and_code(refused) == (409, "cannot_own"), refused.text
    owners = owner.client.get(organization_path(owner, "/members?role=owner")).json["items"]
    assert [item["userId"] for item in owners] == [owner.user["id"]]


# What inviting tells about accounts


def test_inviting_does_not_tell_who_has_an_account(
    owner: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = register("with@example.com")
    set_plan(owner, "enterprise")
    calls: list[str] = []
    real = BaseClient._make_api_call

    def counted(self: BaseClient, operation: str, parameters: dict[str, object]) -> object:
        if "#REQUESTS" not in str(parameters):  # the count of a minute's requests is written now and then
            calls.append(operation)
        return real(self, operation, parameters)

    invite(owner, "first@example.com")  # the plan, which bounds requests, is read now and then
    work = []
    for email in ("with@example.com", "none@example.com"):
        monkeypatch.setattr(BaseClient, "_make_api_call", counted)
        calls.clear()
        response = invite(owner, email)
        made = list(calls)
        monkeypatch.setattr(BaseClient, "_make_api_call", real)
        assert response.status == 201
        again = status_and_code(invite(owner, email))
        members = [
            item["userId"] for item in owner.client.get(organization_path(owner, "/members")).json["items"]
        ]
        work.append((sorted(response.json), made, again, members))
    assert work[0] == work[1]
    assert owner.client.get(member_path(owner, person)).status == 404
    exported = owner.client.post(organization_path(owner, "/export"))
    assert exported.status == 200 and person.user["id"] not in exported.text


def test_a_member_who_accepts_another_invitation_keeps_their_keys(owner: RegisteredUser) -> None:
    friend = register(FRIEND, verified=True)
    token = invite_for_token(owner, FRIEND)
    add_member(friend, owner, "member")
    key = client_with_new_key(friend)
    assert status_and_code(accept_invitation(friend, token)) == (409, "already_member")
    assert key.get("/v1/agents").status == 200
