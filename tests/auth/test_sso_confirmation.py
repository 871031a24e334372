"""A provider that no owner has confirmed is worth what whoever set it is now; owners hear of each new provider."""

from typing import Any

import pytest

from tests.auth import sent_mails
from tests.auth.fake_identity_provider import (
    CLIENT,
    FakeIdentityProvider,
    put_provider,
    register_with_provider,
    set_security,
    sign_in,
)
from tests.auth.sso_accounts import refresh, status_and_code
from tests.factories import RegisteredUser, register, set_user_role
from tests.gateway import Client
from tests.organizations.organization_helpers import member_path, organization_path, register_member
from weconnect.db import table
from weconnect.identity.rows import EmailRow

REFUSED = (403, "identity_provider_not_confirmed")
CHANGES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "removed": ("DELETE", None),
    "demoted": ("PATCH", {"role": "member"}),
    "suspended": ("PATCH", {"isActive": False}),
}
"""What the owner does with the admin who set the provider."""


def has_account(email: str) -> bool:
    return table.get(EmailRow, EmailRow.at(email)) is not None


def set_by_admin(idp: FakeIdentityProvider) -> tuple[RegisteredUser, RegisteredUser]:
    """Return an owner, and an admin who set the provider of the organization."""
    owner = register(verified=True)
    admin = register_member(owner, "admin")
    assert put_provider(admin, idp, owner.organization["id"]).json["signsInOwners"] is False
    return owner, admin


@pytest.mark.parametrize("change", CHANGES)
def test_an_admin_who_is_none_any_more_does_not_come_back_through_their_provider(
    aws: None, evil: FakeIdentityProvider, change: str
) -> None:
    owner, admin = set_by_admin(evil)
    puppet = sign_in(evil, owner, "puppet@evil.example")
    assert puppet.status == 200, puppet.text
    method, body = CHANGES[change]
    assert owner.client.call(method, member_path(owner, admin), body).status in (200, 204)
    new = sign_in(evil, owner, "new@evil.example")
    assert status_and_code(new) == REFUSED
    assert organization_path(owner, "/identity-provider") in new.json["detail"]
    assert not has_account("new@evil.example"), "nobody is created by a provider that is refused"
    assert status_and_code(sign_in(evil, owner, "puppet@evil.example")) == REFUSED
    assert status_and_code(refresh(puppet.json)) == REFUSED
    assert put_provider(owner, evil).status == 200
    assert sign_in(evil, owner, "new@evil.example").status == 200
    assert refresh(puppet.json).status == 200


def test_another_admin_vouches_by_setting_the_provider_again(aws: None, idp: FakeIdentityProvider) -> None:
    owner, admin = set_by_admin(idp)
    other = register_member(owner, "admin")
    assert owner.client.delete(member_path(owner, admin)).status == 204
    assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == REFUSED
    assert put_provider(other, idp, owner.organization["id"]).status == 200
    assert sign_in(idp, owner, "grace@corp.example").status == 200


def test_an_owner_confirms_a_provider_by_setting_it_or_by_enforcing_single_sign_on(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, admin = set_by_admin(idp)
    assert owner.client.delete(member_path(owner, admin)).status == 204
    set_security(owner, enforce_sso=True)
    assert sign_in(idp, owner, "grace@corp.example").status == 200
    set_security(owner)
    assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == REFUSED
    assert put_provider(owner, idp).json["signsInOwners"] is True
    assert sign_in(idp, owner, "grace@corp.example").status == 200


def test_an_operator_stands_for_a_provider_while_they_operate_the_deployment(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, operator = register(), set_user_role(register())
    client = Client(headers={**operator.client.headers, "X-Organization-Id": owner.organization["id"]})
    assert (
        client.put(organization_path(owner, "/identity-provider"), {"issuer": idp.issuer, **CLIENT}).status
        == 200
    )
    assert sign_in(idp, owner, "grace@corp.example").status == 200
    set_user_role(operator, "user")
    assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == REFUSED


def test_every_owner_gets_one_mail_about_another_issuer_or_client(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    second, admin = register_member(owner, "owner"), register_member(owner, "admin")
    people = (owner, second, admin)

    def count() -> list[int]:
        texts = [sent_mails.texts_to(person.user["email"]) for person in people]
        return [sum("set the identity provider" in text for text in each) for each in texts]

    assert count() == [1, 0, 0], "the provider is new"
    assert put_provider(admin, evil, owner.organization["id"]).status == 200
    assert count() == [2, 1, 0]
    text = sent_mails.texts_to(second.user["email"])[-1]
    assert f"{admin.user['email']} set the identity provider" in text and f"issuer: {evil.issuer}\n" in text
    assert put_provider(admin, evil, owner.organization["id"], clientSecret="rotated").status == 200
    assert count() == [2, 1, 0], "the same client of the same issuer"
    assert put_provider(admin, evil, owner.organization["id"], clientId="another").status == 200
    assert count() == [3, 2, 0]
