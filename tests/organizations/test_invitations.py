"""Invitations end to end: by mail, for people with and without an account; used twice, by others, or too late."""

from datetime import timedelta
from typing import Any

import pytest

from tests.auth.fake_identity_provider import change_user
from tests.auth.sent_mails import last_token, texts
from tests.factories import PASSWORD, RegisteredUser, add_member, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    accept_invitation,
    client_with_new_key,
    count_members,
    invite,
    invite_for_token,
    member_path,
    organization_path,
    prove_domain,
    register_member,
    register_verified,
    set_plan,
    status_and_code,
)
from weconnect import clock, mail
from weconnect.db import table
from weconnect.organizations.rows import InvitationRow, OrganizationRow
from weconnect.settings import settings


def switch_to(person: RegisteredUser, owner: RegisteredUser) -> Client:
    """Switch to the owner's organization and return a client with the new tokens."""
    response = person.client.post(f"/v1/organizations/{owner.organization['id']}/switch")
    assert response.status == 200, response.text
    return client_with_tokens(response.json)


def test_a_user_with_an_account_accepts_an_invitation(aws: None) -> None:
    owner, person = register_verified(), register()
    invitation = invite(owner, person.user["email"].upper(), role="viewer")
    assert invitation.status == 201 and invitation.json["token"] is None and invitation.json["sentAt"]
    assert (invitation.json["email"], invitation.json["role"]) == (person.user["email"], "viewer")
    assert len(last_token()) == 86 and person.user["email"] not in invitation.json["id"]
    assert count_members(owner) == 2
    assert owner.client.get(member_path(owner, person)).status == 404, "nobody is a member before they accept"
    assert (
        status_and_code(person.client.post(f"/v1/organizations/{owner.organization['id']}/switch"))[0] == 404
    )
    assert [
        item["id"] for item in owner.client.get(organization_path(owner, "/invitations")).json["items"]
    ] == [invitation.json["id"]]
    response = accept_invitation(person, last_token())
    assert response.status == 200 and response.json["role"] == "viewer" and response.json["joinedAt"]
    assert person.client.get("/v1/users/me").json["emailVerified"] is True, "they received the token by mail"
    member = owner.client.get(member_path(owner, person)).json
    assert not member["isPending"] and member["invitedBy"] == owner.user["id"] and member["user"]
    assert member["invitedAt"] == invitation.json["createdAt"] < member["joinedAt"]
    assert (
        owner.client.get(organization_path(owner, "/invitations")).json["items"] == []
        and count_members(owner) == 2
    )
    client = switch_to(person, owner)
    assert client.get("/v1/agents").status == 200
    assert status_and_code(client.post("/v1/agents", {"name": "A"})) == (403, "permission_missing")


def test_a_person_without_an_account_registers_with_the_token(aws: None) -> None:
    owner = register_verified()
    token = invite_for_token(owner, "new@example.com", role="member")
    body = {"email": "New@example.com", "password": PASSWORD, "firstName": "N", "lastName": "P"}
    other = body | {"email": "other@example.com", "invitationToken": token}
    assert status_and_code(Client().post("/v1/auth/register", other)) == (403, "invited_other_address")
    bad = body | {"invitationToken": token[:-4] + "AAAA"}
    assert status_and_code(Client().post("/v1/auth/register", bad)) == (404, "invitation_not_found")
    mails = len(texts())
    response = Client().post("/v1/auth/register", body | {"invitationToken": token})
    assert response.status == 201 and response.json["user"]["emailVerified"] is True
    assert len(texts()) == mails, "the address needs no verification any more"
    client = client_with_tokens(response.json)
    roles = {item["id"]: item["role"] for item in client.get("/v1/organizations").json["items"]}
    assert roles == {owner.organization["id"]: "member", response.json["organization"]["id"]: "owner"}
    assert count_members(owner) == 2
    again = body | {"email": "new@example.com", "invitationToken": token}
    assert status_and_code(Client().post("/v1/auth/register", again)) == (404, "invitation_not_found")


def test_a_token_works_once(aws: None) -> None:
    owner, person = register_verified(), register()
    token = invite_for_token(owner, person.user["email"])
    assert accept_invitation(person, token).status == 200
    assert status_and_code(accept_invitation(person, token)) == (404, "invitation_not_found")
    assert status_and_code(Client().post("/v1/invitations/decline", {"token": token})) == (
        404,
        "invitation_not_found",
    )


def test_a_token_works_for_the_invited_address_only(aws: None) -> None:
    owner, person, thief = register_verified(), register(), register_verified()
    token = invite_for_token(owner, person.user["email"])
    assert status_and_code(accept_invitation(thief, token)) == (403, "invited_other_address")
    assert accept_invitation(person, token).status == 200
    assert owner.client.get(member_path(owner, thief)).status == 404


@pytest.mark.parametrize("token", ["x", "a" * 86, "ä" * 10, "A" * 200])
def test_malformed_tokens_are_not_found(aws: None, token: str) -> None:
    person = register()
    assert status_and_code(accept_invitation(person, token)) == (404, "invitation_not_found")


def test_an_expired_invitation_cannot_be_accepted_and_releases_its_quota(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, person = register_verified(), register()
    set_plan(owner, "free", max_team_members=2)
    token = invite_for_token(owner, person.user["email"])
    assert status_and_code(invite(owner, "other@example.com")) == (429, "member_limit_reached")
    later = clock.now() + timedelta(days=7, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    login = {"email": person.user["email"], "password": PASSWORD}
    person.client = client_with_tokens(Client().post("/v1/auth/login", login).json)
    owner.client = client_with_tokens(
        Client().post("/v1/auth/login", {"email": owner.user["email"], "password": PASSWORD}).json
    )
    assert status_and_code(accept_invitation(person, token)) == (404, "invitation_not_found")
    assert owner.client.get(organization_path(owner, "/invitations")).json["items"] == []
    assert invite(owner, "other@example.com").status == 201, "its share of the quota is available again"
    assert count_members(owner) == 2
    assert owner.client.get(member_path(owner, person)).status == 404


def test_resending_invalidates_the_previous_token(aws: None) -> None:
    owner, person = register_verified(), register()
    old = invite_for_token(owner, person.user["email"])
    invitation = owner.client.get(organization_path(owner, "/invitations")).json["items"][0]
    resent = owner.client.post(organization_path(owner, f"/invitations/{invitation['id']}/resend"))
    assert resent.status == 200 and last_token() != old
    assert resent.json["expiresAt"] > invitation["expiresAt"] and resent.json["token"] is None
    assert status_and_code(accept_invitation(person, old)) == (404, "invitation_not_found")
    assert accept_invitation(person, last_token()).status == 200


def test_a_revoked_invitation_cannot_be_accepted(aws: None) -> None:
    owner, person = register_verified(), register()
    token = invite_for_token(owner, person.user["email"])
    (invitation,) = owner.client.get(organization_path(owner, "/invitations")).json["items"]
    invitation_path = organization_path(owner, f"/invitations/{invitation['id']}")
    assert owner.client.delete(invitation_path).status == 204
    assert status_and_code(owner.client.delete(invitation_path)) == (404, "invitation_not_found")
    assert status_and_code(accept_invitation(person, token)) == (404, "invitation_not_found")
    assert count_members(owner) == 1 and owner.client.get(member_path(owner, person)).status == 404
    assert invite(owner, person.user["email"]).status == 201


def test_a_declined_invitation_releases_its_quota(aws: None) -> None:
    owner, person = register_verified(), register()
    token = invite_for_token(owner, person.user["email"])
    assert Client().post("/v1/invitations/decline", {"token": token}).status == 204
    assert count_members(owner) == 1 and owner.client.get(member_path(owner, person)).status == 404
    assert status_and_code(accept_invitation(person, token)) == (404, "invitation_not_found")


def test_an_address_has_one_open_invitation_per_organization(aws: None) -> None:
    owner, other = register_verified(), register_verified()
    member = register_member(owner, "viewer")
    assert invite(owner, "new@example.com").status == 201
    assert status_and_code(invite(owner, "NEW@example.com")) == (409, "already_invited")
    assert status_and_code(invite(owner, member.user["email"])) == (409, "already_member")
    assert invite(other, "new@example.com").status == 201
    person = register()
    assert invite(owner, person.user["email"]).status == 201
    assert status_and_code(invite(owner, person.user["email"])) == (409, "already_invited")


def test_nobody_invites_to_more_than_they_have(aws: None) -> None:
    owner = register_verified()
    admin, member = register_member(owner, "admin"), register_member(owner, "member")
    assert status_and_code(invite_as(member, owner, "member")) == (403, "permission_missing")
    assert status_and_code(invite_as(admin, owner, "owner")) == (403, "owner_only")
    assert invite_as(admin, owner, "admin").status == 201
    own = {"permissions": {"organization": {"billing": True}}}
    assert status_and_code(invite_as(admin, owner, "viewer", **own)) == (403, "cannot_grant")
    assert invite_as(owner, owner, "owner", password=PASSWORD).status == 201
    inviting = {"permissions": {"organization": {"invite": True}}}
    owner.client.patch(member_path(owner, member), inviting)
    client = switch_to(member, owner)
    body = {"email": "by-member@example.com", "role": "member"}
    assert client.post(organization_path(owner, "/invitations"), body).status == 201
    assert status_and_code(
        client.post(organization_path(owner, "/invitations"), body | {"role": "admin"})
    ) == (403, "cannot_grant")


def invite_as(person: RegisteredUser, owner: RegisteredUser, role: str, **more: Any) -> ApiResponse:
    """Request an invitation to the owner's organization as another member."""
    body = {"email": f"{person.user['id']}-{role}@example.com", "role": role, **more}
    return person.client.post(organization_path(owner, "/invitations"), body)


def test_the_inviter_needs_a_verified_address(aws: None) -> None:
    owner = register()
    assert status_and_code(invite(owner, "new@example.com")) == (403, "email_not_verified")


def test_only_addresses_of_allowed_domains_are_invited_and_accepted(aws: None) -> None:
    owner = register_verified()

    for domain in ("example.org", "example.net"):
        prove_domain(owner, domain)

    def allow(*domains: str) -> None:
        security = {"allowedDomains": list(domains)}
        owner.client.patch(organization_path(owner), {"customSettings": {"security": security}})

    allow("example.org")
    assert status_and_code(invite(owner, "new@example.com")) == (403, "domain_not_allowed")
    assert status_and_code(invite(owner, "new@sub.example.org")) == (403, "domain_not_allowed")
    person = register("new@example.org")
    token = invite_for_token(owner, "new@example.org")
    allow("example.net")
    assert status_and_code(accept_invitation(person, token)) == (403, "domain_not_allowed"), (
        "the rule is checked again"
    )
    allow("example.org", "example.net")
    assert accept_invitation(person, token).status == 200


def test_invitations_use_the_plans_member_quota(aws: None) -> None:
    owner = register_verified()
    set_plan(owner, "free")
    assert invite(owner, "a@example.com").status == 201
    assert invite(owner, "b@example.com").status == 201
    response = invite(owner, "c@example.com")
    assert status_and_code(response) == (429, "member_limit_reached") and count_members(owner) == 3


def test_a_removed_member_returns_without_their_old_api_keys(aws: None) -> None:
    owner, person = register_verified(), register()
    add_member(person, owner, "member")
    key = client_with_new_key(person)
    owner.client.delete(member_path(owner, person))
    token = invite_for_token(owner, person.user["email"])
    login = Client().post("/v1/auth/login", {"email": person.user["email"], "password": PASSWORD}).json
    person.client = client_with_tokens(login)
    assert accept_invitation(person, token).status == 200
    assert status_and_code(key.get("/v1/agents")) == (401, "invalid_api_key")


def test_an_organization_in_the_trash_accepts_nobody(aws: None) -> None:
    owner, person = register_verified(), register()
    token = invite_for_token(owner, person.user["email"])
    owner.client.delete(organization_path(owner))
    assert status_and_code(accept_invitation(person, token)) == (404, "organization_not_found")


def test_without_mail_the_token_is_in_the_response(aws: None) -> None:
    owner, person = register_verified(), register()
    object.__setattr__(settings, "mail_from", "")
    try:
        response = invite(owner, person.user["email"], role="viewer")
    finally:
        object.__setattr__(settings, "mail_from", "weconnect@localhost")
    assert response.json["sentAt"] is None
    assert accept_invitation(person, response.json["token"]).status == 200


def test_an_invitation_is_created_even_if_its_mail_cannot_be_sent(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = register_verified()
    monkeypatch.setattr(mail, "send", lambda *_, **__: False)
    response = invite(owner, "new@example.com")
    assert response.status == 201 and response.json["sentAt"] is None and response.json["token"] is None


def test_names_in_mails_stay_on_one_line(aws: None) -> None:
    owner = register_verified()
    names = {"name": "A\r\nBcc: x@example.com\r\n\r\nBuy!"}  # stored before such names were refused
    table.change(OrganizationRow.get(*OrganizationRow.at(owner.organization["id"])), names, {})
    change_user(owner, first_name="E\nve")
    invite_for_token(owner, "new@example.com")
    assert "E ve Lovelace" in texts()[-1] and "A Bcc x example com Buy on" in texts()[-1]


def test_only_the_hash_of_a_token_is_stored(aws: None) -> None:
    owner = register_verified()
    token = invite_for_token(owner, "new@example.com")
    (row,) = InvitationRow.query(f"ORG#{owner.organization['id']}", InvitationRow.sk.startswith("INVITE#"))
    assert token not in str(row.attribute_values) and len(row.token_hash) == 64


def test_an_address_gets_five_mails_an_hour(aws: None) -> None:
    owner = register_verified()
    invite_for_token(owner, "new@example.com")
    (invitation,) = owner.client.get(organization_path(owner, "/invitations")).json["items"]
    resend_path = organization_path(owner, f"/invitations/{invitation['id']}/resend")
    assert [owner.client.post(resend_path).status for _ in range(5)] == [200, 200, 200, 200, 429]


def test_organizations_use_up_their_own_mails_to_an_address_and_twenty_together(aws: None) -> None:
    statuses = []
    for _ in range(5):
        owner = register_verified()
        invited = invite(owner, "new@example.com")
        if invited.status == 201:
            path = organization_path(owner, f"/invitations/{invited.json['id']}/resend")
            assert [owner.client.post(path).status for _ in range(5)] == [200, 200, 200, 200, 429]
        statuses.append(invited.status)
    assert statuses == [201, 201, 201, 201, 429]
