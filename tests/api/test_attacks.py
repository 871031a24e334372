"""Attacks on tenancy and identity that succeeded once, each through routes that every user may call."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from tests.auth import fake_identity_provider, sent_mails
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    put_provider,
    register_with_provider,
    set_security,
    sign_in,
    start_sign_in,
)
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    accept_invitation,
    client_with_new_key,
    invite_for_token,
    member_path,
    organization_path,
    register_member,
    register_verified,
    status_and_code,
)
from weconnect import clock, mail
from weconnect.auth.login import password_changes
from weconnect.identity import sessions

NEW = "Another-Horse-8-Battery"
ME = "/v1/users/me"


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """Replace the clock by one that the test moves."""
    movable = MovableClock()
    monkeypatch.setattr(clock, "now", movable.now)
    return movable


@pytest.fixture
def idp(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIdentityProvider]:
    """Serve an identity provider for an API with a known URL."""
    monkeypatch.setattr(mail, "base_url", lambda: "https://api.example.com")
    with fake_identity_provider.run_fake_provider() as provider:
        yield provider


def login(email: str, password: str) -> ApiResponse:
    return Client().post("/v1/auth/login", {"email": email, "password": password})


def refresh(tokens: dict[str, Any]) -> ApiResponse:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})


def reset(email: str) -> ApiResponse:
    """Reset a password with the token from the mail."""
    Client().post("/v1/auth/forgot-password", {"email": email})
    return Client().post("/v1/auth/reset-password", {"token": sent_mails.last_token(), "password": NEW})


def refreshed_client(person: RegisteredUser) -> Client:
    return client_with_tokens(refresh(person.tokens).json)


# Taking over an account


@pytest.mark.parametrize("way", ["reset", "change"])
def test_a_thiefs_pending_change_of_address_is_void_once_the_password_has_changed(
    aws: None, time: MovableClock, way: str
) -> None:
    person = register("ada@example.com")
    body = {"email": "thief@example.com", "currentPassword": PASSWORD}
    assert person.client.patch(ME, body).status == 200
    stolen = sent_mails.last_token()
    time.advance(minutes=1)
    if way == "reset":
        assert reset("ada@example.com").status == 204
    else:
        changed = {"currentPassword": PASSWORD, "newPassword": NEW}
        assert person.client.post("/v1/auth/change-password", changed).status == 204
    time.advance(minutes=1)
    assert status_and_code(Client().post("/v1/auth/verify-email", {"token": stolen})) == (
        400,
        "invalid_token",
    )
    assert login("ada@example.com", NEW).status == 200


def test_a_squatter_of_an_address_loses_their_api_keys_when_the_holder_resets_the_password(aws: None) -> None:
    squatter = register("ada@example.com")
    key = client_with_new_key(squatter, "agents:read")
    assert key.get("/v1/agents").status == 200
    assert reset("ada@example.com").status == 204
    assert status_and_code(key.get("/v1/agents")) == (401, "invalid_api_key")


def test_a_reset_that_is_interrupted_leaves_no_thief_signed_in(
    aws: None, time: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = register("ada@example.com")
    time.advance(minutes=1)

    def killed(_: str) -> dict[str, str]:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(password_changes, "_notify_password_changed", killed)
        patch.setattr(sessions, "end_sessions", _once(sessions.end_sessions))
        reset("ada@example.com")
    assert login("ada@example.com", NEW).status == 200, "the password was set"
    assert status_and_code(refresh(thief.tokens)) == (401, "session_ended")


def _once(work: Any) -> Any:
    """Return `work` as it is until the password has changed; a later call kills the process."""

    def end_sessions(user_id: Any, *, except_session_id: str | None = None) -> None:
        if login("ada@example.com", NEW).status == 200:
            raise SystemExit
        work(user_id, except_session_id=except_session_id)

    return end_sessions


def test_a_tenant_cannot_lock_out_a_stranger_by_an_identity_provider(
    aws: None, idp: FakeIdentityProvider
) -> None:
    evil = register_with_provider(idp)
    assert sign_in(idp, evil, "victim@elsewhere.example").status == 200
    set_security(evil, enforce_sso=True)
    assert reset("victim@elsewhere.example").status == 204
    response = login("victim@elsewhere.example", NEW)
    assert response.status == 200, response.text
    assert client_with_tokens(response.json).get("/v1/agents").status == 200
    listed = client_with_tokens(response.json).get("/v1/organizations").json["items"]
    assert "owner" in [item["role"] for item in listed]


def test_an_ended_session_creates_no_api_key(aws: None) -> None:
    thief = register()
    key = {"name": "k", "scopes": ["agents:read"]}
    api_key = thief.client.post("/v1/api-keys", key).json
    assert thief.client.post("/v1/auth/logout").status == 204
    assert status_and_code(thief.client.post("/v1/api-keys", key)) == (401, "session_ended")
    assert status_and_code(thief.client.post(f"/v1/api-keys/{api_key['id']}/rotate")) == (
        401,
        "session_ended",
    )


def test_an_old_access_token_writes_nothing_after_a_reset_of_the_password(
    aws: None, idp: FakeIdentityProvider
) -> None:
    thief = register_verified("ada@example.com")
    member = register_member(thief, "member")
    flow = thief.client.post("/v1/workflows", {"name": "Flow"}).json["id"]
    assert reset("ada@example.com").status == 204
    organization = organization_path(thief)
    client = thief.client
    attempts = {
        "invitation": client.post(f"{organization}/invitations", {"email": "e@x.example", "role": "owner"}),
        "member": client.patch(member_path(thief, member), {"role": "owner"}),
        "removal": client.delete(member_path(thief, member)),
        "provider": put_provider(thief, idp),
        "ownership": client.post(
            f"{organization}/transfer-ownership", {"userId": member.user["id"], "password": PASSWORD}
        ),
        "role": client.post(f"{organization}/roles", {"name": "R", "permissions": ["agents:read"]}),
        "share link": client.post(f"/v1/workflows/{flow}/shares", {"link": True, "level": "view"}),
        "export": client.post(f"{organization}/export"),
        "organization": client.delete(organization),
        "switch": client.post(f"{organization}/switch"),
        "account": client.call("DELETE", ME, {"password": PASSWORD}),
    }
    refusals = {name: status_and_code(response) for name, response in attempts.items()}
    assert refusals == dict.fromkeys(attempts, (401, "session_ended"))


# Gaining permissions


@pytest.mark.parametrize(
    ("scope", "action"), [("organization:invite", "invite"), ("organization:manage", "promote")]
)
def test_an_api_key_grants_no_more_than_its_scopes(aws: None, scope: str, action: str) -> None:
    owner = register_verified()
    friend = register_member(owner, "viewer")
    key = client_with_new_key(owner, scope)
    if action == "invite":
        for role in ("owner", "admin"):
            response = key.post(
                organization_path(owner, "/invitations"), {"email": "evil@example.com", "role": role}
            )
            assert response.status == 403, response.text
    else:
        for role in ("owner", "admin"):
            assert key.patch(member_path(owner, friend), {"role": role}).status == 403
        new_role = {"name": "all", "permissions": ["agents:delete"]}
        response = key.post(organization_path(owner, "/roles"), new_role)
        assert status_and_code(response) == (403, "cannot_grant")


def test_a_manager_cannot_become_an_admin_by_an_identity_provider(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_verified()
    manager, admin = register_member(owner, "viewer"), register_member(owner, "admin")
    manages = {"permissions": {"organization": {"manage": True}}}
    assert owner.client.patch(member_path(owner, manager), manages).status == 200
    manager.client = refreshed_client(manager)
    refused = put_provider(manager, idp, owner.organization["id"])
    assert status_and_code(refused) == (403, "cannot_grant"), refused.text
    assert put_provider(admin, idp, owner.organization["id"]).status == 200


@pytest.mark.parametrize("scopes", [["organization:manage"], ["organization:manage", "agents:create"]])
def test_an_api_key_does_not_become_an_admin_by_an_identity_provider(
    aws: None, idp: FakeIdentityProvider, scopes: list[str]
) -> None:
    owner = register_verified()
    key = client_with_new_key(owner, *scopes)
    settings = {"issuer": idp.issuer, **fake_identity_provider.CLIENT}
    path = organization_path(owner, "/identity-provider")
    assert status_and_code(key.put(path, settings)) == (403, "cannot_grant")
    assert client_with_new_key(owner, "*").put(path, settings).status == 200


def test_an_api_key_gives_members_and_roles_only_what_it_may_do_itself(aws: None) -> None:
    owner = register_verified()
    viewer = register_member(owner, "viewer")
    role = owner.client.post(
        organization_path(owner, "/roles"), {"name": "R", "permissions": ["agents:create"]}
    ).json["id"]
    key = client_with_new_key(owner, "organization:manage", "organization:invite")
    refusals = [
        key.post(organization_path(owner, "/invitations"), {"email": "e@example.com", "role": "member"}),
        key.post(organization_path(owner, "/roles"), {"name": "S", "permissions": ["agents:create"]}),
        key.patch(organization_path(owner, f"/roles/{role}"), {"name": "T"}),
        key.patch(member_path(owner, viewer), {"role": "member"}),
        key.delete(member_path(owner, viewer)),
    ]
    codes = {status_and_code(response) for response in refusals}
    assert codes == {(403, "cannot_grant"), (403, "outranked")}
    assert owner.client.get(member_path(owner, viewer)).json["role"] == "viewer"


def test_the_api_key_of_a_tool_is_not_sent_to_another_server(aws: None) -> None:
    owner = register_verified()
    member = register_member(owner, "member")
    agent = owner.client.post("/v1/agents", {"name": "Helper"}).json["id"]
    tool = {
        "toolName": "orders",
        "toolType": "http",
        "configuration": {"apiEndpoint": "https://api.example.com/{id}", "apiKey": "canary-key-7"},
        "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
    }
    assert owner.client.post(f"/v1/agents/{agent}/tools", tool).status == 201
    copy = member.client.post(f"/v1/agents/{agent}/duplicate").json["id"]
    (tool_copy,) = member.client.get(f"/v1/agents/{copy}/tools").json["items"]
    assert tool_copy["hasApiKey"] is False, "a copy of another user's agent has no keys"
    admin = register_member(owner, "admin")
    copy = admin.client.post(f"/v1/agents/{agent}/duplicate").json["id"]
    (tool_copy,) = admin.client.get(f"/v1/agents/{copy}/tools").json["items"]
    assert tool_copy["hasApiKey"] is True
    at = f"/v1/agents/{copy}/tools/{tool_copy['id']}"
    for endpoint in (
        "https://evil.example/{id}",
        "http://api.example.com/{id}",
        "https://api.example.com:8443/",
    ):
        changed = admin.client.patch(at, {"configuration": {"apiEndpoint": endpoint}})
        assert status_and_code(changed) == (422, "api_key_needed"), changed.text
    own = {"configuration": {"apiEndpoint": "https://evil.example/{id}", "apiKey": "my own"}}
    assert admin.client.patch(at, own).status == 200


# Invitations


def test_an_invitation_grants_its_own_role_and_declining_another_removes_nobody(aws: None) -> None:
    owner = register_verified()
    person = register("old@example.com")
    second = invite_for_token(owner, "new@example.com", role="viewer")
    first = invite_for_token(owner, "old@example.com", role="admin")
    person.client.patch(ME, {"email": "new@example.com", "currentPassword": PASSWORD})
    assert Client().post("/v1/auth/verify-email", {"token": sent_mails.last_token()}).status == 200
    joined = accept_invitation(person, second)
    assert (joined.status, joined.json["role"]) == (200, "viewer")
    assert Client().post("/v1/invitations/decline", {"token": first}).status == 204
    assert owner.client.get(member_path(owner, person)).status == 200


# Replays and mails


def test_a_single_sign_on_session_replays_no_response_of_a_password_session(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    switch, headers = organization_path(owner, "/switch"), {"Idempotency-Key": "1"}
    assert owner.client.post(switch, headers=headers).status == 200
    by_provider = client_with_tokens(sign_in(idp, owner, owner.user["email"]).json)
    assert status_and_code(by_provider.post(switch, headers=headers)) == (403, "sso_session")


def test_the_subject_of_a_mail_is_one_line(aws: None) -> None:
    mail.send("a@example.com", "You are a member of Evil\nCorp\r\nBcc: all@example.com now", "text")
    message = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages[-1]
    assert message.subject == "You are a member of Evil Corp Bcc: all@example.com now"


# Input that once caused an internal error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("response_types_supported", None),
        ("response_types_supported", 5),
        ("id_token_signing_alg_values_supported", [{}]),
        ("code_challenge_methods_supported", None),
        ("token_endpoint_auth_methods_supported", [[]]),
        ("token_endpoint_auth_methods_supported", 7),
    ],
)
def test_a_malformed_discovery_document_is_refused(
    aws: None, idp: FakeIdentityProvider, name: str, value: Any
) -> None:
    owner = register_verified()
    idp.discovery[name] = value
    assert status_and_code(put_provider(owner, idp)) == (422, "invalid_issuer")


@pytest.mark.parametrize("name", ["email", "sub", "given_name"])
def test_a_lone_surrogate_in_an_id_token_is_refused(aws: None, idp: FakeIdentityProvider, name: str) -> None:
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, **{"email": "grace@example.com", name: "\ud800@example.com"})
    assert status_and_code(fake_identity_provider.return_from_provider(browser, url)) == (400, "sso_failed")


def test_times_at_the_limits_of_datetime_cause_no_internal_error(aws: None) -> None:
    person = register()
    for ends in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"):
        response = person.client.post(
            "/v1/api-keys", {"name": "k", "scopes": ["agents:read"], "expiresAt": ends}
        )
        assert response.status in (201, 422), response.text
        if response.status == 201:
            rotated = person.client.post(f"/v1/api-keys/{response.json['id']}/rotate")
            assert rotated.status in (201, 422), rotated.text
    response = person.client.get("/v1/api-keys?expiringBefore=0001-01-01T00:00:00%2B14:00")
    assert response.status in (200, 422), response.text


def test_a_rate_limit_beyond_the_numbers_of_dynamodb_is_refused(aws: None) -> None:
    body = {"name": "k", "scopes": ["agents:read"], "rateLimits": {"requestsPerHour": 10**40}}
    assert register().client.post("/v1/api-keys", body).status == 422
