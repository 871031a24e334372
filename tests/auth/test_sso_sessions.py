"""The reach of single sign-on sessions: their organization only, owners, changes of the provider, enforcement."""

import pytest

from infra import routes
from tests.api.matrices import REQUESTS
from tests.auth import fake_identity_provider
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    put_provider,
    register_with_provider,
    set_security,
    sign_in,
    sign_in_with_second_factor,
)
from tests.auth.sso_accounts import login, memberships, refresh, sign_in_existing_user, status_and_code
from tests.factories import add_member, client_with_tokens, register
from tests.gateway import Client
from weconnect.db import table
from weconnect.identity.rows import EmailRow
from weconnect.organizations.rows import MemberRow, OrganizationRow


def test_an_account_of_a_verified_domain_joins_the_organization(aws: None, idp: FakeIdentityProvider) -> None:
    owner, person, tokens = sign_in_existing_user(idp)
    assert memberships(person) == {owner.organization["id"], person.organization["id"]}
    me = client_with_tokens(tokens).get("/v1/users/me").json
    assert me["id"] == person.user["id"] and me["currentOrganizationId"] == owner.organization["id"]
    assert me["firstName"] == person.user["firstName"], "the provider does not change the names of an account"
    own = person.client.get("/v1/users/me").json
    assert own["currentOrganizationId"] == person.organization["id"] and own["lastLoginAt"]
    assert me.get("lastLoginAt") is None and not {name for name, value in me["metadata"].items() if value}


def test_a_single_sign_on_session_is_limited_to_its_organization(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, person, tokens = sign_in_existing_user(idp)
    client, own = client_with_tokens(tokens), person.organization["id"]
    for elsewhere in (
        own,
        owner.user["id"],
    ):  # the user's own organization, and one that does not exist: both get the same response
        assert status_and_code(refresh(tokens, organizationId=elsewhere)) == (403, "sso_session")
    again = refresh(tokens)
    assert again.status == 200
    assert status_and_code(refresh(again.json, organizationId=own)) == (403, "sso_session")
    client = client_with_tokens(again.json)
    assert status_and_code(client.post(f"/v1/organizations/{own}/switch")) == (403, "sso_session")
    assert client.get(f"/v1/organizations/{own}").status == 404
    there = Client(headers={**client.headers, "X-Organization-Id": own})
    assert status_and_code(there.get("/v1/users/me")) == (403, "wrong_organization")
    listed = client.get("/v1/organizations").json["items"]
    assert [item["id"] for item in listed] == [owner.organization["id"]]
    assert len(person.client.get("/v1/organizations").json["items"]) == 2


def test_a_single_sign_on_session_does_not_reach_the_account(aws: None, idp: FakeIdentityProvider) -> None:
    _, person, tokens = sign_in_existing_user(idp)
    client = client_with_tokens(tokens)
    reached = []
    for operation in routes.load_operations().values():
        name = operation.function.__name__
        about = operation.path.startswith(("/v1/auth/", "/v1/users/me", "/v1/invitations/"))
        about = about or name in ("create_organization", "restore_organization", "switch_organization")
        if operation.public or not about or name in ("logout", "get_me"):
            continue
        own = person.organization["id"]
        ids = {"sessionId": person.user["id"], "organizationId": own, "trashedOrganizationId": own}
        response = REQUESTS[name].send(client, operation, ids)
        assert response.status in (403, 404), (name, response.text)
        reached.append(name)
    assert "switch_organization" in reached
    everywhere = client.post("/v1/auth/logout", {"everywhere": True})
    assert status_and_code(everywhere) == (403, "sso_session")
    assert refresh(person.tokens).status == 200, "the user's own session continues"
    assert client.post("/v1/auth/logout").status == 204
    assert status_and_code(refresh(tokens)) == (401, "session_ended")


def test_a_single_sign_on_session_never_operates_the_deployment(aws: None, idp: FakeIdentityProvider) -> None:
    owner, person, _ = sign_in_existing_user(idp)
    change_user(person, role="admin")
    tokens = sign_in(idp, owner, "grace@corp.example").json
    other = Client(
        headers={**client_with_tokens(tokens).headers, "X-Organization-Id": person.organization["id"]}
    )
    assert status_and_code(other.get("/v1/users/me")) == (403, "wrong_organization")


def test_api_keys_created_in_such_a_session_are_limited_to_the_organization_too(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, person, tokens = sign_in_existing_user(idp)
    created = client_with_tokens(tokens).post("/v1/api-keys", {"name": "ci", "scopes": ["agents:read"]}).json
    assert created["organizationId"] == owner.organization["id"]
    key = Client(headers={"X-API-Key": created["key"]})
    assert key.get("/v1/agents").status == 200
    there = Client(headers={**key.headers, "X-Organization-Id": person.organization["id"]})
    assert status_and_code(there.get("/v1/agents")) == (403, "wrong_organization")


def test_an_account_with_an_address_of_somebody_else_does_not_join(
    aws: None, idp: FakeIdentityProvider
) -> None:
    """Mallory registers with Grace's address, and hopes that Grace's sign-in makes her a member."""
    owner, squatter = register_with_provider(idp, "corp.example"), register("grace@corp.example")
    assert status_and_code(sign_in(idp, owner, "grace@corp.example")) == (403, "account_exists")
    assert memberships(squatter) == {squatter.organization["id"]}


def test_an_account_that_another_provider_created_has_no_password_and_may_join(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider
) -> None:
    mallory, owner = register_with_provider(evil), register_with_provider(idp, "corp.example")
    theirs = sign_in(evil, mallory, "grace@corp.example").json
    ours = sign_in(idp, owner, "grace@corp.example").json
    assert (
        client_with_tokens(theirs).get("/v1/users/me").json["id"]
        == client_with_tokens(ours).get("/v1/users/me").json["id"]
    )
    assert status_and_code(refresh(theirs, organizationId=owner.organization["id"])) == (403, "sso_session")
    assert status_and_code(refresh(ours, organizationId=mallory.organization["id"])) == (403, "sso_session")
    assert client_with_tokens(theirs).get(f"/v1/organizations/{owner.organization['id']}").status == 404


def test_a_member_of_any_domain_can_sign_in(aws: None, idp: FakeIdentityProvider) -> None:
    owner, member = register_with_provider(idp), register(verified=True)
    add_member(member, owner, "viewer")
    tokens = sign_in(idp, owner, member.user["email"]).json
    assert client_with_tokens(tokens).get("/v1/users/me").json["id"] == member.user["id"]
    assert client_with_tokens(tokens).post("/v1/agents", {"name": "x"}).status == 403, (
        "the role does not change"
    )


def test_an_address_that_was_reassigned_to_another_person_opens_nothing(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    first = sign_in(idp, owner, "grace@example.com", sub="1").json
    assert status_and_code(sign_in(idp, owner, "grace@example.com", sub="2")) == (403, "identity_mismatch")
    renamed = sign_in(idp, owner, "hopper@example.com", sub="1").json
    ids = [client_with_tokens(tokens).get("/v1/users/me").json["id"] for tokens in (first, renamed)]
    assert ids[0] == ids[1] and table.get(EmailRow, EmailRow.at("hopper@example.com")) is None


def test_new_users_count_against_the_quota_of_members(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"plan": "free"}, {})
    responses = [sign_in(idp, owner, f"p{number}@example.com").status for number in range(3)]
    assert responses == [200, 200, 429]
    assert table.get(EmailRow, EmailRow.at("p2@example.com")) is None


# Owners, and the user who configures the provider


def test_a_manager_does_not_become_an_owner_through_a_provider(aws: None, evil: FakeIdentityProvider) -> None:
    owner, admin = register("boss@corp.example"), register(verified=True)
    change_user(owner, email_verified=True)
    add_member(admin, owner, "admin")
    created = put_provider(admin, evil, owner.organization["id"])
    assert created.status == 200 and created.json["signsInOwners"] is False
    assert status_and_code(sign_in(evil, owner, "boss@corp.example")) == (403, "sso_not_for_owners")
    promoted = register(verified=True)
    add_member(promoted, owner, "member")
    tokens = sign_in(evil, owner, promoted.user["email"]).json
    table.change(
        MemberRow.get(*MemberRow.at(owner.organization["id"], promoted.user["id"])), {"role": "owner"}, {}
    )
    assert status_and_code(refresh(tokens)) == (403, "sso_not_for_owners")
    confirmed = put_provider(owner, evil)
    assert confirmed.json["signsInOwners"] is True
    assert sign_in(evil, owner, "boss@corp.example").status == 200
    rotated = put_provider(admin, evil, owner.organization["id"], clientSecret="new")
    assert rotated.json["signsInOwners"] is True, "the same client keeps the confirmation of the owner"
    replaced = put_provider(admin, evil, owner.organization["id"], clientId="other")
    assert replaced.json["signsInOwners"] is False


def test_what_an_admin_loosens_signs_in_no_owner(aws: None, idp: FakeIdentityProvider) -> None:
    owner, admin = register_with_provider(idp, "corp.example"), register(verified=True)
    add_member(admin, owner, "admin")
    loosened = put_provider(admin, idp, owner.organization["id"], emailTrust="issuer")
    assert loosened.json["signsInOwners"] is False
    intern = sign_in(idp, owner, "owner@corp.example", sub="intern", email_verified=None)
    assert status_and_code(intern) == (403, "sso_not_for_owners")
    assert put_provider(owner, idp).json["signsInOwners"] is True
    path = f"/v1/organizations/{owner.organization['id']}"
    for security, is_trusted in (
        ({"allowedDomains": ["corp.example"], "sessionTimeout": 60}, True),
        ({"allowedDomains": []}, False),
    ):
        assert admin.client.patch(path, {"customSettings": {"security": security}}).status == 200
        assert admin.client.get(f"{path}/identity-provider").json["signsInOwners"] is is_trusted
    refused = sign_in(idp, owner, "owner@corp.example", sub="owner")
    assert status_and_code(refused) == (403, "sso_not_for_owners")
    assert put_provider(owner, idp).json["signsInOwners"] is True
    by_owner = {"customSettings": {"security": {"allowedDomains": ["corp.example"]}}}
    assert owner.client.patch(path, by_owner).status == 200
    assert sign_in(idp, owner, "owner@corp.example", sub="owner").status == 200


def test_only_an_owner_enforces_single_sign_on_and_changes_what_owners_then_depend_on(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, admin = register_with_provider(idp, "corp.example"), register(verified=True)
    add_member(admin, owner, "admin")
    path = f"/v1/organizations/{owner.organization['id']}"
    enforce = {"customSettings": {"security": {"enforceSSO": True, "allowedDomains": ["corp.example"]}}}
    assert status_and_code(admin.client.patch(path, enforce)) == (403, "owner_only")
    assert owner.client.patch(path, enforce).status == 200
    by_provider = client_with_tokens(sign_in(idp, owner, "owner@corp.example").json)
    set_security(owner, allowed_domains=[])  # lets the admin sign in
    admin_client = client_with_tokens(sign_in(idp, owner, admin.user["email"]).json)
    set_security(owner, enforce_sso=True, allowed_domains=["corp.example"])
    widened = {"customSettings": {"security": {"enforceSSO": True}}}
    assert status_and_code(admin_client.patch(path, widened)) == (403, "owner_only")
    replaced = {"issuer": idp.issuer, **fake_identity_provider.CLIENT, "emailTrust": "issuer"}
    assert status_and_code(admin_client.put(f"{path}/identity-provider", replaced)) == (403, "owner_only")
    unchanged = {
        "customSettings": {"security": {**enforce["customSettings"]["security"], "sessionTimeout": 60}}
    }
    assert admin_client.patch(path, unchanged).status == 200
    assert by_provider.patch(path, widened).status == 200


def test_neither_an_api_key_nor_a_single_sign_on_session_confirms_a_provider(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp, "corp.example")
    flags = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    body = {"name": "ci", "scopes": ["*"], "permissions": flags}
    key = Client(headers={"X-API-Key": owner.client.post("/v1/api-keys", body).json["key"]})
    by_sso = client_with_tokens(sign_in(idp, owner, "owner@corp.example").json)
    for client in (by_sso, key):
        path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
        created = client.put(path, {"issuer": evil.issuer, **fake_identity_provider.CLIENT})
        assert created.status == 200, created.text
        assert created.json["signsInOwners"] is False and created.json.get("domain") is None


@pytest.mark.parametrize("change", ["removed", "another issuer", "another client"])
def test_a_provider_that_is_removed_or_replaced_ends_its_sessions(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider, change: str
) -> None:
    owner = register_with_provider(idp)
    tokens = sign_in(idp, owner, "grace@example.com").json
    put_provider(owner, idp, clientSecret="rotated")
    tokens = refresh(tokens).json
    if change == "removed":
        path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
        assert owner.client.delete(path).status == 204
    elif change == "another issuer":
        put_provider(owner, evil)
    else:
        put_provider(owner, idp, clientId="another")
    assert status_and_code(refresh(tokens)) == (401, "session_ended")


# Enforced single sign-on


def test_enforced_single_sign_on_refuses_passwords(aws: None, idp: FakeIdentityProvider) -> None:
    owner, member = register_with_provider(idp), register(verified=True)
    own = member.organization["id"]
    add_member(member, owner, "admin")
    set_security(owner, enforce_sso=True)
    assert status_and_code(login(member)) == (403, "sso_required")
    assert status_and_code(login(member, organizationId=owner.organization["id"])) == (403, "sso_required")
    assert status_and_code(refresh(member.tokens)) == (403, "sso_required")
    elsewhere = login(member, organizationId=own)
    assert elsewhere.status == 200
    there = client_with_tokens(elsewhere.json).post(f"/v1/organizations/{owner.organization['id']}/switch")
    assert status_and_code(there) == (403, "sso_required")
    assert status_and_code(refresh(elsewhere.json, organizationId=owner.organization["id"])) == (
        403,
        "sso_required",
    )
    tokens = sign_in(idp, owner, member.user["email"]).json
    assert client_with_tokens(tokens).get("/v1/agents").status == 200
    wrong = Client().post("/v1/auth/login", {"email": member.user["email"], "password": "not this one"})
    assert wrong.json["code"] == "wrong_credentials", "a wrong password reveals nothing"


def test_enforced_single_sign_on_lets_only_owners_with_a_second_factor_use_a_password(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, admin = register_with_provider(idp), register(verified=True)
    add_member(admin, owner, "admin")
    set_security(owner, enforce_sso=True)
    assert status_and_code(login(owner)) == (403, "sso_required") == status_and_code(refresh(owner.tokens))
    for person in (owner, admin):
        sign_in_with_second_factor(person)
    assert refresh(owner.tokens).status == 200
    assert status_and_code(refresh(admin.tokens)) == (403, "sso_required")


def test_enforced_single_sign_on_refuses_api_keys_of_password_sessions(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner, member = register_with_provider(idp), register(verified=True)
    add_member(member, owner, "member")
    body = {"name": "ci", "scopes": ["agents:read"]}
    by_password = Client(headers={"X-API-Key": member.client.post("/v1/api-keys", body).json["key"]})
    tokens = sign_in(idp, owner, member.user["email"]).json
    created = client_with_tokens(tokens).post("/v1/api-keys", body).json
    by_provider = Client(headers={"X-API-Key": created["key"]})
    assert by_password.get("/v1/agents").status == by_provider.get("/v1/agents").status == 200
    set_security(owner, enforce_sso=True)
    assert status_and_code(by_password.get("/v1/agents")) == (403, "sso_required")
    assert by_provider.get("/v1/agents").status == 200
    rotated = client_with_tokens(tokens).post(f"/v1/api-keys/{created['id']}/rotate").json
    assert Client(headers={"X-API-Key": rotated["key"]}).get("/v1/agents").status == 200
