"""Accounts of other people's addresses: what a squatter cannot set up, and what a reset by mail leaves of the rest."""

from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent
from tests.auth import sent_mails
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    put_provider,
    register_with_provider,
    set_security,
    sign_in,
)
from tests.auth.sso_accounts import status_and_code
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register
from tests.gateway import Client
from tests.long_content import store_all_outside
from tests.workflows.definitions import definition, node
from weconnect.auth.rows import IdentityOfUserRow, IdentityRow
from weconnect.identity.rows import EmailRow, UserRow
from weconnect.jobs.rows import JobRow
from weconnect.organizations.rows import MemberRow, OrganizationRow
from weconnect.settings import settings

VICTIM, NEW = "victim@corp.example", "Another-Horse-8-Battery"
FLOW = definition([node("a", "set", values={"x": 1})], "start > a")


WAITING = definition([node("w", "wait", until="callback")], "start > w")


def organization(person: RegisteredUser, suffix: str = "") -> str:
    return f"/v1/organizations/{person.organization['id']}{suffix}"


def take_over() -> Client:
    """Reset the password by mail, as the holder of the address does, and sign in."""
    assert Client().post("/v1/auth/forgot-password", {"email": VICTIM}).status == 204
    body = {"token": sent_mails.last_token(), "password": NEW}
    assert Client().post("/v1/auth/reset-password", body).status == 204
    response = Client().post("/v1/auth/login", {"email": VICTIM, "password": NEW})
    assert response.status == 200, response.text
    return client_with_tokens(response.json)


SET_UP: dict[str, tuple[str, str, Any]] = {
    "identity provider": ("PUT", "{organization}/identity-provider", {"clientId": "c", "clientSecret": "s"}),
    "second factor": ("POST", "/v1/auth/mfa/enroll", None),
    "invitation": ("POST", "{organization}/invitations", {"email": "mate@evil.example"}),
    "link": ("POST", "{flow}/shares", {"link": True}),
}
"""Requests that let others into an account or an organization, or data out of it."""


@pytest.mark.parametrize("request_name", SET_UP)
def test_an_unverified_user_sets_up_nothing_that_outlives_a_takeover(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    squatter = register(VICTIM)
    method, path, body = SET_UP[request_name]
    path = path.format(organization=organization(squatter), flow=create_workflow(squatter, FLOW))
    body = {**body, "issuer": idp.issuer} if path.endswith("provider") else body
    assert status_and_code(squatter.client.call(method, path, body)) == (403, "email_not_verified")
    with monkeypatch.context() as patch:
        patch.setitem(settings.__dict__, "mail_from", "")
        response = squatter.client.call(method, path, body)
        assert response.status in (200, 201), "without a sender, every address counts as verified"


def test_a_reset_drops_all_that_a_squatter_set_up_and_proves_the_address(
    aws: None, idp: FakeIdentityProvider
) -> None:
    squatter = register(VICTIM)
    flow = create_workflow(squatter, FLOW)
    key = squatter.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"]}).json["key"]
    change_user(squatter, email_verified=True)  # as it was possible before the rule above
    link = squatter.client.post(f"{flow}/shares", {"link": True}).json["token"]
    assert (
        squatter.client.post(organization(squatter, "/invitations"), {"email": "m@evil.example"}).status
        == 201
    )
    assert put_provider(squatter, idp).json["signsInOwners"] is True
    inside = sign_in(idp, squatter, VICTIM, sub="squatter")
    assert inside.status == 200, inside.text
    assert squatter.client.post("/v1/auth/mfa/enroll").status == 200
    assert squatter.client.post(f"{flow}/activate", {}).status == 200
    set_security(squatter, enforce_sso=True)
    change_user(squatter, email_verified=False, mfa_enabled=True)
    holder = take_over()
    me = holder.get("/v1/users/me").json
    assert (me["emailVerified"], me["mfaEnabled"]) == (True, False)
    assert me["currentOrganizationId"] == squatter.organization["id"]
    assert holder.get(organization(squatter, "/identity-provider")).status == 404
    assert holder.get(organization(squatter)).json["customSettings"]["security"]["enforceSSO"] is False
    for path in (organization(squatter, "/invitations"), "/v1/api-keys", f"{flow}/shares"):
        assert holder.get(path).json["items"] == [], path
    assert len(holder.get("/v1/auth/sessions").json["items"]) == 1
    assert Client().get(f"/v1/shared/{link}").status == 404
    assert Client(headers={"X-API-Key": key}).get("/v1/agents").status == 401
    assert holder.get(flow).json["status"] == "inactive"
    for tokens in (squatter.tokens, inside.json):
        refreshed = Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})
        assert status_and_code(refreshed) == (401, "session_ended")


def test_a_reset_cancels_what_a_squatter_has_started(aws: None, starter: Starter) -> None:
    squatter = register(VICTIM)
    flow = create_workflow(squatter, WAITING | {"settings": {"concurrency": {"limit": 1}}})
    executions = [start_execution(squatter, flow), start_execution(squatter, flow)]
    called = create_workflow(squatter, WAITING, "Called").rpartition("/")[2]
    calling = definition([node("call", "subworkflow", workflowId=called)], "start > call")
    executions.append(start_execution(squatter, create_workflow(squatter, calling, "Calling")))
    starter.run_pending()
    (child,) = squatter.client.get("/v1/executions?mode=subworkflow").json["items"]
    executions.append(f"/v1/executions/{child['id']}")
    agent = create_agent(squatter)
    response = squatter.client.post(f"{agent}/executions", {"input": "1"})
    executions.append(response.headers["Location"])
    bulk = {"action": "cancel", "filter": {"status": "waiting"}}
    job = squatter.client.post("/v1/executions/bulk", bulk).headers["Location"]
    holder = take_over()
    assert [holder.get(each).json["status"] for each in executions] == ["cancelled"] * 5
    organization_id, job_id = UUID(squatter.organization["id"]), UUID(job.rpartition("/")[2])
    assert JobRow.get(*JobRow.at(organization_id, job_id)).cancel_requested_at


def test_a_reset_closes_workflows_whose_definitions_are_long(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_all_outside(monkeypatch)
    flow = create_workflow(register(VICTIM), FLOW)
    assert take_over().get(flow).json["status"] == "inactive"


def test_an_ended_session_sets_no_provider_and_no_link(aws: None, idp: FakeIdentityProvider) -> None:
    """The access token of the squatter is valid for some minutes after the takeover, and the address is proved now."""
    squatter = register(VICTIM)
    flow = create_workflow(squatter, FLOW)
    take_over()
    assert status_and_code(put_provider(squatter, idp)) == (401, "session_ended")
    assert status_and_code(squatter.client.post(f"{flow}/shares", {"link": True})) == (401, "session_ended")


def test_a_reset_of_a_verified_account_keeps_what_its_holder_set_up(
    aws: None, idp: FakeIdentityProvider
) -> None:
    person = register(VICTIM, verified=True)
    key = person.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"]}).json["key"]
    assert put_provider(person, idp).status == 200
    holder = take_over()
    assert holder.get(organization(person, "/identity-provider")).status == 200
    assert Client(headers={"X-API-Key": key}).get("/v1/agents").status == 200


def test_single_sign_on_reaches_no_account_whose_address_is_not_proved(
    aws: None, idp: FakeIdentityProvider
) -> None:
    squatter = register(VICTIM, verified=True)
    put_provider(squatter, idp)
    change_user(squatter, email_verified=False)
    assert status_and_code(sign_in(idp, squatter, VICTIM)) == (403, "email_not_verified")
    change_user(squatter, email_verified=True)
    assert sign_in(idp, squatter, VICTIM).status == 200
    change_user(squatter, email_verified=False)
    assert status_and_code(sign_in(idp, squatter, VICTIM)) == (403, "email_not_verified"), "also when linked"


def test_a_reset_with_the_address_of_an_operator_makes_its_user_an_operator(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({VICTIM}))
    person = register(VICTIM)
    assert take_over().get("/v1/users").status == 200
    assert UserRow.get(*UserRow.at(UUID(person.user["id"]))).role == "admin"


def account_of(email: str) -> str:
    """Return the ID of the user who has an address."""
    return str(EmailRow.get(*EmailRow.at(email)).user_id)


def confirm_address() -> Client:
    """Confirm the address of an account by a mail that its holder requests, then set a password and sign in."""
    assert Client().post("/v1/auth/resend-verification", {"email": VICTIM}).status == 204
    assert Client().post("/v1/auth/verify-email", {"token": sent_mails.last_token()}).status == 200
    return take_over()


def count_links(organization_id: str) -> int:
    """Return the number of links between an organization's identity providers and users."""
    pk, _ = OrganizationRow.at(organization_id)
    subjects = IdentityRow.query(pk, IdentityRow.sk.startswith(IdentityRow.PREFIX))
    users = IdentityOfUserRow.query(pk, IdentityOfUserRow.sk.startswith(IdentityOfUserRow.PREFIX))
    return len([*subjects, *users])


def test_nobody_becomes_an_owner_with_an_address_that_was_not_proved(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = register_with_provider(idp)
    assert sign_in(idp, owner, VICTIM).status == 200
    member, transfer = account_of(VICTIM), {"userId": account_of(VICTIM), "password": PASSWORD}
    promoted = owner.client.patch(
        organization(owner, f"/members/{member}"), {"role": "owner", "password": PASSWORD}
    )
    assert status_and_code(promoted) == (403, "email_not_verified")
    transferred = owner.client.post(organization(owner, "/transfer-ownership"), transfer)
    assert status_and_code(transferred) == (403, "email_not_verified")
    assert owner.client.patch(organization(owner, f"/members/{member}"), {"role": "admin"}).status == 200
    monkeypatch.setitem(settings.__dict__, "mail_from", "")
    assert (
        owner.client.patch(
            organization(owner, f"/members/{member}"), {"role": "owner", "password": PASSWORD}
        ).status
        == 200
    )


@pytest.mark.parametrize("prove", [take_over, confirm_address])
def test_the_first_proof_of_an_account_that_a_provider_created_ends_what_its_holder_never_chose(
    aws: None, idp: FakeIdentityProvider, prove: Any
) -> None:
    evil = register_with_provider(idp)
    inside = sign_in(idp, evil, VICTIM, sub="puppet")
    assert inside.status == 200
    assert count_links(evil.organization["id"]) == 2
    holder = prove()
    assert count_links(evil.organization["id"]) == 0
    assert holder.get("/v1/users/me").json["currentOrganizationId"] != evil.organization["id"]
    assert [each["role"] for each in holder.get("/v1/organizations").json["items"]] == ["owner"]
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": inside.json["refreshToken"]})
    assert status_and_code(refreshed) == (401, "session_ended")
    assert status_and_code(sign_in(idp, evil, VICTIM, sub="puppet")) == (403, "account_exists")


@pytest.mark.parametrize("prove", [take_over, confirm_address])
def test_an_organization_that_was_left_to_an_unproved_address_is_closed_at_its_first_proof(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch, prove: Any
) -> None:
    evil = register_with_provider(idp)
    assert sign_in(idp, evil, VICTIM, sub="puppet").status == 200
    with monkeypatch.context() as patch:
        patch.setitem(settings.__dict__, "mail_from", "")  # as it was possible before the rule above
        path = organization(evil, f"/members/{account_of(VICTIM)}")
        assert evil.client.patch(path, {"role": "owner", "password": PASSWORD}).status == 200
    assert evil.client.post(organization(evil, "/leave")).status == 204
    holder = prove()
    assert holder.get("/v1/users/me").json["currentOrganizationId"] != evil.organization["id"]
    assert status_and_code(sign_in_again(evil)) == (404, "sso_not_found")


def sign_in_again(owner: RegisteredUser) -> Any:
    return Client().post("/v1/auth/sso/start", {"organization": owner.organization["slug"]})


def test_the_first_proof_keeps_the_membership_in_the_organization_that_proved_the_domain(
    aws: None, idp: FakeIdentityProvider
) -> None:
    employer = register_with_provider(idp, "corp.example")
    assert sign_in(idp, employer, VICTIM).status == 200
    take_over()
    assert MemberRow.get(*MemberRow.at(employer.organization["id"], account_of(VICTIM))).role == "member"
    assert sign_in(idp, employer, VICTIM).status == 200


def test_a_pending_owner_closes_nothing_by_the_first_proof(aws: None, idp: FakeIdentityProvider) -> None:
    register(VICTIM)
    host = register_with_provider(idp)
    invitation = {"email": VICTIM, "role": "owner", "password": PASSWORD}
    assert host.client.post(organization(host, "/invitations"), invitation).status == 201
    take_over()
    assert host.client.get(organization(host, "/identity-provider")).status == 200


def test_an_address_gets_a_mail_when_a_provider_creates_an_account_for_it(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    assert sign_in(idp, owner, VICTIM).status == 200
    (text,) = sent_mails.texts_to(VICTIM)
    assert "created a WeConnect account for this address" in text
    assert sign_in(idp, owner, VICTIM).status == 200
    assert len(sent_mails.texts_to(VICTIM)) == 1
