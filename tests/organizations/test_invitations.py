"""Invitations end to end: by mail, to people with and without an account; used twice, by others, too late."""

from datetime import timedelta

import pytest

from tests.auth.mailbox import last_token, texts
from tests.factories import PASSWORD, bearer, join, registered
from tests.gateway import Client
from tests.organizations.people import (
    accept,
    code,
    colleague,
    invite,
    invited,
    key_of,
    member_path,
    on_plan,
    path,
    places,
    verified,
)
from weconnect import clock, mail
from weconnect.organizations.rows import InvitationRow
from weconnect.settings import settings


def refresh_to(person, owner) -> Client:
    answer = person.client.post(f"/v1/organizations/{owner.organization['id']}/switch")
    assert answer.status == 200, answer.text
    return bearer(answer.json)


def test_a_person_with_an_account(aws: None) -> None:
    owner, person = verified(), registered()
    made = invite(owner, person.user["email"].upper(), role="viewer")
    assert made.status == 201 and made.json["token"] is None and made.json["sentAt"]
    assert (made.json["email"], made.json["role"]) == (person.user["email"], "viewer")
    assert len(last_token()) == 86 and person.user["email"] not in made.json["id"]
    assert places(owner) == 2
    pending = owner.client.get(member_path(owner, person)).json
    assert pending["isPending"] and pending["effectivePermissions"] == [] and pending["user"] is None
    assert code(person.client.post(f"/v1/organizations/{owner.organization['id']}/switch"))[0] == 404
    assert [item["id"] for item in owner.client.get(path(owner, "/invitations")).json["items"]] == [
        made.json["id"]
    ]
    answer = accept(person, last_token())
    assert answer.status == 200 and answer.json["role"] == "viewer" and answer.json["joinedAt"]
    assert person.client.get("/v1/users/me").json["emailVerified"] is True, "the token came by mail"
    member = owner.client.get(member_path(owner, person)).json
    assert not member["isPending"] and member["invitedBy"] == owner.user["id"] and member["user"]
    assert owner.client.get(path(owner, "/invitations")).json["items"] == [] and places(owner) == 2
    client = refresh_to(person, owner)
    assert client.get("/v1/agents").status == 200
    assert code(client.post("/v1/agents", {"name": "A"})) == (403, "permission_missing")


def test_a_person_without_an_account(aws: None) -> None:
    owner = verified()
    token = invited(owner, "new@example.com", role="member")
    body = {"email": "New@example.com", "password": PASSWORD, "firstName": "N", "lastName": "P"}
    other = body | {"email": "other@example.com", "invitationToken": token}
    assert code(Client().post("/v1/auth/register", other)) == (403, "invited_other_address")
    bad = body | {"invitationToken": token[:-4] + "AAAA"}
    assert code(Client().post("/v1/auth/register", bad)) == (404, "invitation_not_found")
    mails = len(texts())
    answer = Client().post("/v1/auth/register", body | {"invitationToken": token})
    assert answer.status == 201 and answer.json["user"]["emailVerified"] is True
    assert len(texts()) == mails, "there is nothing to confirm any more"
    client = bearer(answer.json)
    roles = {item["id"]: item["role"] for item in client.get("/v1/organizations").json["items"]}
    assert roles == {owner.organization["id"]: "member", answer.json["organization"]["id"]: "owner"}
    assert places(owner) == 2
    again = body | {"email": "new@example.com", "invitationToken": token}
    assert code(Client().post("/v1/auth/register", again)) == (404, "invitation_not_found")


def test_a_token_is_used_once(aws: None) -> None:
    owner, person = verified(), registered()
    token = invited(owner, person.user["email"])
    assert accept(person, token).status == 200
    assert code(accept(person, token)) == (404, "invitation_not_found")
    assert code(Client().post("/v1/invitations/decline", {"token": token})) == (404, "invitation_not_found")


def test_a_token_is_for_one_person(aws: None) -> None:
    owner, person, thief = verified(), registered(), verified()
    token = invited(owner, person.user["email"])
    assert code(accept(thief, token)) == (403, "invited_other_address")
    assert accept(person, token).status == 200
    assert owner.client.get(member_path(owner, thief)).status == 404


@pytest.mark.parametrize("token", ["x", "a" * 86, "ä" * 10, "A" * 200])
def test_what_is_no_token(aws: None, token: str) -> None:
    person = registered()
    assert code(accept(person, token)) == (404, "invitation_not_found")


def test_a_token_that_came_too_late(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, person = verified(), registered()
    on_plan(owner, "free", max_team_members=2)
    token = invited(owner, person.user["email"])
    assert code(invite(owner, "other@example.com")) == (429, "member_limit_reached")
    later = clock.now() + timedelta(days=7, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    login = {"email": person.user["email"], "password": PASSWORD}
    person.client = bearer(Client().post("/v1/auth/login", login).json)
    owner.client = bearer(
        Client().post("/v1/auth/login", {"email": owner.user["email"], "password": PASSWORD}).json
    )
    assert code(accept(person, token)) == (404, "invitation_not_found")
    assert owner.client.get(path(owner, "/invitations")).json["items"] == []
    assert invite(owner, "other@example.com").status == 201, "its place is given to the next"
    assert places(owner) == 2
    assert owner.client.get(member_path(owner, person)).status == 404


def test_a_new_token_ends_the_old_one(aws: None) -> None:
    owner, person = verified(), registered()
    old = invited(owner, person.user["email"])
    invitation = owner.client.get(path(owner, "/invitations")).json["items"][0]
    again = owner.client.post(path(owner, f"/invitations/{invitation['id']}/resend"))
    assert again.status == 200 and last_token() != old
    assert again.json["expiresAt"] > invitation["expiresAt"] and again.json["token"] is None
    assert code(accept(person, old)) == (404, "invitation_not_found")
    assert accept(person, last_token()).status == 200


def test_revoked(aws: None) -> None:
    owner, person = verified(), registered()
    token = invited(owner, person.user["email"])
    (invitation,) = owner.client.get(path(owner, "/invitations")).json["items"]
    where = path(owner, f"/invitations/{invitation['id']}")
    assert owner.client.delete(where).status == 204
    assert code(owner.client.delete(where)) == (404, "invitation_not_found")
    assert code(accept(person, token)) == (404, "invitation_not_found")
    assert places(owner) == 1 and owner.client.get(member_path(owner, person)).status == 404
    assert invite(owner, person.user["email"]).status == 201


def test_declined(aws: None) -> None:
    owner, person = verified(), registered()
    token = invited(owner, person.user["email"])
    assert Client().post("/v1/invitations/decline", {"token": token}).status == 204
    assert places(owner) == 1 and owner.client.get(member_path(owner, person)).status == 404
    assert code(accept(person, token)) == (404, "invitation_not_found")


def test_one_open_invitation_for_an_address(aws: None) -> None:
    owner, other = verified(), verified()
    member = colleague(owner, "viewer")
    assert invite(owner, "new@example.com").status == 201
    assert code(invite(owner, "NEW@example.com")) == (409, "already_invited")
    assert code(invite(owner, member.user["email"])) == (409, "already_member")
    assert invite(other, "new@example.com").status == 201
    person = registered()
    assert invite(owner, person.user["email"]).status == 201
    assert code(invite(owner, person.user["email"])) == (409, "already_invited")


def test_who_may_invite_whom(aws: None) -> None:
    owner = verified()
    admin, member = colleague(owner, "admin"), colleague(owner, "member")
    assert code(invite_as(member, owner, "member")) == (403, "permission_missing")
    assert code(invite_as(admin, owner, "owner")) == (403, "owner_only")
    assert invite_as(admin, owner, "admin").status == 201
    own = {"permissions": {"organization": {"billing": True}}}
    assert code(invite_as(admin, owner, "viewer", **own)) == (403, "cannot_grant")
    assert invite_as(owner, owner, "owner").status == 201
    inviting = {"permissions": {"organization": {"invite": True}}}
    owner.client.patch(member_path(owner, member), inviting)
    client = refresh_to(member, owner)
    body = {"email": "by-member@example.com", "role": "member"}
    assert client.post(path(owner, "/invitations"), body).status == 201
    assert code(client.post(path(owner, "/invitations"), body | {"role": "admin"})) == (403, "cannot_grant")


def invite_as(person, owner, role: str, **more):
    body = {"email": f"{person.user['id']}-{role}@example.com", "role": role, **more}
    return person.client.post(path(owner, "/invitations"), body)


def test_the_inviters_address_is_confirmed(aws: None) -> None:
    owner = registered()
    assert code(invite(owner, "new@example.com")) == (403, "email_not_verified")


def test_allowed_domains(aws: None) -> None:
    owner = verified()
    allow = lambda *domains: owner.client.patch(  # noqa: E731
        path(owner), {"customSettings": {"security": {"allowedDomains": list(domains)}}}
    )
    allow("example.org")
    assert code(invite(owner, "new@example.com")) == (403, "domain_not_allowed")
    assert code(invite(owner, "new@sub.example.org")) == (403, "domain_not_allowed")
    person = registered("new@example.org")
    token = invited(owner, "new@example.org")
    allow("example.net")
    assert code(accept(person, token)) == (403, "domain_not_allowed"), "it is asked again"
    allow("example.org", "example.net")
    assert accept(person, token).status == 200


def test_the_plans_places(aws: None) -> None:
    owner = verified()
    on_plan(owner, "free")
    assert invite(owner, "a@example.com").status == 201
    assert invite(owner, "b@example.com").status == 201
    answer = invite(owner, "c@example.com")
    assert code(answer) == (429, "member_limit_reached") and places(owner) == 3


def test_who_was_removed_comes_back_without_his_old_keys(aws: None) -> None:
    owner, person = verified(), registered()
    join(person, owner, "member")
    key = key_of(person)
    owner.client.delete(member_path(owner, person))
    token = invited(owner, person.user["email"])
    login = Client().post("/v1/auth/login", {"email": person.user["email"], "password": PASSWORD}).json
    person.client = bearer(login)
    assert accept(person, token).status == 200
    assert code(key.get("/v1/agents")) == (401, "invalid_api_key")


def test_an_invitation_to_an_organization_in_the_trash(aws: None) -> None:
    owner, person = verified(), registered()
    token = invited(owner, person.user["email"])
    owner.client.delete(path(owner))
    assert code(accept(person, token)) == (404, "organization_not_found")


def test_a_pending_member_is_the_invitations(aws: None) -> None:
    owner, person = verified(), registered()
    invited(owner, person.user["email"])
    where = member_path(owner, person)
    assert code(owner.client.patch(where, {"role": "admin"})) == (409, "member_pending")
    assert code(owner.client.delete(where)) == (409, "member_pending")


def test_where_no_mail_is_sent_the_token_is_in_the_answer(aws: None) -> None:
    owner, person = verified(), registered()
    object.__setattr__(settings, "mail_from", "")
    try:
        answer = invite(owner, person.user["email"], role="viewer")
    finally:
        object.__setattr__(settings, "mail_from", "weconnect@localhost")
    assert answer.json["sentAt"] is None
    assert accept(person, answer.json["token"]).status == 200


def test_a_mail_that_cannot_be_sent(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = verified()
    monkeypatch.setattr(mail, "send", lambda *_: False)
    answer = invite(owner, "new@example.com")
    assert answer.status == 201 and answer.json["sentAt"] is None and answer.json["token"] is None


def test_names_in_mails_stay_on_their_line(aws: None) -> None:
    owner = verified(organizationName="A\r\nBcc: x@example.com\r\n\r\nBuy!", firstName="E\nve")
    invited(owner, "new@example.com")
    assert "E ve Lovelace" in texts()[-1] and "A Bcc: x@example.com Buy!" in texts()[-1]


def test_nothing_of_a_token_is_stored(aws: None) -> None:
    owner = verified()
    token = invited(owner, "new@example.com")
    (row,) = InvitationRow.query(f"ORG#{owner.organization['id']}", InvitationRow.sk.startswith("INVITE#"))
    assert token not in str(row.attribute_values) and len(row.token_hash) == 64


def test_an_address_gets_five_mails_an_hour(aws: None) -> None:
    owner = verified()
    invited(owner, "new@example.com")
    (invitation,) = owner.client.get(path(owner, "/invitations")).json["items"]
    again = lambda: owner.client.post(path(owner, f"/invitations/{invitation['id']}/resend"))  # noqa: E731
    assert [again().status for _ in range(5)] == [200, 200, 200, 200, 429]
