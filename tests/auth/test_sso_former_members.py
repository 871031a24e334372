"""Former members: neither an unlinked sign-in nor a new account brings them back, an invitation does."""

import pytest

from tests.auth import sent_mails
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    register_with_provider,
    sign_in,
)
from tests.auth.sso_accounts import login, refresh, sign_in_existing_user, status_and_code
from tests.factories import PASSWORD, RegisteredUser, add_member, client_with_tokens, register
from tests.gateway import Client
from weconnect.auth.rows import IdentityOfUserRow, IdentityRow
from weconnect.db import table
from weconnect.organizations.rows import FormerMemberRow, MemberRow, OrganizationRow


@pytest.mark.parametrize("change", ["removed", "inactive", "account"])
def test_a_former_member_cannot_come_back_through_the_provider(
    aws: None, idp: FakeIdentityProvider, change: str
) -> None:
    owner, person, tokens = sign_in_existing_user(idp)
    member = MemberRow.get(*MemberRow.at(owner.organization["id"], person.user["id"]))
    if change == "removed":
        member.delete()
    elif change == "inactive":
        table.change(member, {"is_active": False}, {})
    else:
        change_user(person, is_active=False)
    expected = (401, "account_inactive") if change == "account" else (403, "not_a_member")
    assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == expected
    assert refresh(tokens).status in (401, 403)


@pytest.mark.parametrize("is_linked", [True, False])
@pytest.mark.parametrize("end", ["removed", "left", "suspended", "moved"])
def test_a_former_member_comes_back_neither_unlinked_nor_with_a_new_account(
    aws: None, idp: FakeIdentityProvider, end: str, is_linked: bool
) -> None:
    owner, person = register_with_provider(idp, "corp.example"), register("grace@corp.example", verified=True)
    add_member(person, owner, "member")
    if is_linked:
        assert sign_in(idp, owner, "grace@corp.example").status == 200
    end_membership(owner, person, end)
    if end != "moved":
        assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == (403, "not_a_member")
    own = client_with_tokens(login(person, organizationId=person.organization["id"]).json)
    assert own.call("DELETE", "/v1/users/me", {"password": PASSWORD}).status == 204
    assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == (403, "not_a_member")
    other = sign_in(idp, owner, "grace@corp.example", sub="another subject of this address")
    assert status_and_code(other) == (403, "not_a_member")
    if is_linked:
        renamed = sign_in(idp, owner, "renamed@corp.example", sub="grace@corp.example")
        assert status_and_code(renamed) == (403, "not_a_member")


def end_membership(owner: RegisteredUser, person: RegisteredUser, end: str) -> None:
    """End the membership of `person` in the way that a test names; `moved`: removed with another address by now."""
    organization = f"/v1/organizations/{owner.organization['id']}"
    path = f"{organization}/members/{person.user['id']}"
    if end == "moved":
        body = {"email": "hopper@elsewhere.example", "currentPassword": PASSWORD}
        assert person.client.patch("/v1/users/me", body).status == 200
        assert Client().post("/v1/auth/verify-email", {"token": sent_mails.last_token()}).status == 200
        person.user["email"] = "hopper@elsewhere.example"
    if end == "left":
        assert person.client.post(f"{organization}/leave").status == 204
    elif end == "suspended":
        assert owner.client.patch(path, {"isActive": False}).status == 200
    else:
        assert owner.client.delete(path).status == 204


@pytest.mark.parametrize("deletes_account", [True, False])
def test_an_accepted_invitation_lets_a_former_member_sign_in_again(
    aws: None, idp: FakeIdentityProvider, deletes_account: bool
) -> None:
    owner, person, _ = sign_in_existing_user(idp)
    end_membership(owner, person, "removed")
    if deletes_account:
        own = client_with_tokens(login(person).json)
        assert own.call("DELETE", "/v1/users/me", {"password": PASSWORD}).status == 204
    invited = owner.client.post(
        f"/v1/organizations/{owner.organization['id']}/invitations", {"email": "grace@corp.example"}
    )
    assert invited.status == 201
    token = sent_mails.last_token()
    if deletes_account:
        register("grace@corp.example", invitationToken=token)
    else:
        own = client_with_tokens(login(person).json)
        assert own.post("/v1/invitations/accept", {"token": token}).status == 200
    for _ in range(2):
        assert sign_in(idp, owner, "grace@corp.example").status == 200
    pk, sk = FormerMemberRow.at(owner.organization["id"], "grace@corp.example")
    assert table.get(FormerMemberRow, (pk, sk)) is None


def test_keys_of_an_earlier_membership_stay_revoked_after_a_join_by_single_sign_on(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, person, tokens = sign_in_existing_user(idp)
    created = client_with_tokens(tokens).post("/v1/api-keys", {"name": "ci", "scopes": ["agents:read"]}).json
    key = Client(headers={"X-API-Key": created["key"]})
    assert key.get("/v1/agents").status == 200
    MemberRow.get(
        *MemberRow.at(owner.organization["id"], person.user["id"])
    ).delete()  # its keys were left behind
    pk, _ = OrganizationRow.at(owner.organization["id"])
    for kind, prefix in ((IdentityRow, IdentityRow.PREFIX), (IdentityOfUserRow, IdentityOfUserRow.PREFIX)):
        for row in kind.query(pk, kind.sk.startswith(prefix)):
            row.delete()
    assert sign_in(idp, owner, "grace@corp.example").status == 200
    assert key.get("/v1/agents").status == 401
