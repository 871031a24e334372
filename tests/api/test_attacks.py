"""Attacks on tenancy and identity that went through once, each by routes that anybody may call."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.auth import mailbox, providers
from tests.auth.clocks import Clock
from tests.auth.providers import Provider, company, put, secure, sign_in, start
from tests.factories import PASSWORD, Registered, bearer, registered
from tests.gateway import Answer, Client
from tests.organizations.people import accept, code, colleague, invited, key_of, member_path, path
from tests.organizations.people import verified as confirmed
from weconnect import clock, mail
from weconnect.auth.login import password_changes
from weconnect.auth.sessions import sessions

NEW = "Another-Horse-8-Battery"
ME = "/v1/users/me"


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "now", found.now)
    return found


@pytest.fixture
def idp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(mail, "base_url", lambda: "https://api.example.com")
    with providers.provider() as found:
        yield found


def login(email: str, password: str, **more: Any) -> Answer:
    return Client().post("/v1/auth/login", {"email": email, "password": password, **more})


def refresh(tokens: dict[str, Any]) -> Answer:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})


def reset(email: str) -> Answer:
    """Set a new password by way of the mail."""
    Client().post("/v1/auth/forgot-password", {"email": email})
    return Client().post("/v1/auth/reset-password", {"token": mailbox.last_token(), "password": NEW})


def refreshed(person: Registered) -> Client:
    return bearer(refresh(person.tokens).json)


# Accounts that change hands


@pytest.mark.parametrize("way", ["reset", "change"])
def test_a_thiefs_change_of_address_ends_with_the_password_that_he_knew(
    aws: None, time: Clock, way: str
) -> None:
    person = registered("ada@example.com")
    body = {"email": "thief@example.com", "currentPassword": PASSWORD}
    assert person.client.patch(ME, body).status == 200
    stolen = mailbox.last_token()
    time.move(minutes=1)
    if way == "reset":
        assert reset("ada@example.com").status == 204
    else:
        changed = {"currentPassword": PASSWORD, "newPassword": NEW}
        assert person.client.post("/v1/auth/change-password", changed).status == 204
    time.move(minutes=1)
    assert code(Client().post("/v1/auth/verify-email", {"token": stolen})) == (400, "invalid_token")
    assert login("ada@example.com", NEW).status == 200


def test_who_registered_with_anothers_address_keeps_no_key_when_the_holder_takes_it(aws: None) -> None:
    squatter = registered("ada@example.com")
    key = key_of(squatter, "agents:read")
    assert key.get("/v1/agents").status == 200
    assert reset("ada@example.com").status == 204
    assert code(key.get("/v1/agents")) == (401, "invalid_api_key")


def test_a_reset_that_is_cut_off_leaves_no_thief_signed_in(
    aws: None, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = registered("ada@example.com")
    time.move(minutes=1)

    def killed(_: str) -> dict[str, str]:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(password_changes, "_tell", killed)
        patch.setattr(sessions, "end_all", _once(sessions.end_all))
        reset("ada@example.com")
    assert login("ada@example.com", NEW).status == 200, "the password was set"
    assert code(refresh(thief.tokens)) == (401, "session_ended")


def _once(work: Any) -> Any:
    """Let work be done before the password changes, and kill the process where it is asked for afterwards."""

    def end_all(user_id: Any, *, but: str | None = None) -> None:
        if login("ada@example.com", NEW).status == 200:
            raise SystemExit
        work(user_id, but=but)

    return end_all


def test_a_tenant_cannot_lock_a_stranger_out_by_his_own_provider(aws: None, idp: Provider) -> None:
    evil = company(idp)
    assert sign_in(idp, evil, "victim@elsewhere.example").status == 200
    secure(evil, enforce_sso=True)
    assert reset("victim@elsewhere.example").status == 204
    found = login("victim@elsewhere.example", NEW)
    assert found.status == 200, found.text
    assert bearer(found.json).get("/v1/agents").status == 200
    listed = bearer(found.json).get("/v1/organizations").json["items"]
    assert "owner" in [item["role"] for item in listed]


def test_an_ended_session_makes_no_key_that_outlives_it(aws: None) -> None:
    thief = registered()
    key = {"name": "k", "scopes": ["agents:read"]}
    made = thief.client.post("/v1/api-keys", key).json
    assert thief.client.post("/v1/auth/logout").status == 204
    assert code(thief.client.post("/v1/api-keys", key)) == (401, "session_ended")
    assert code(thief.client.post(f"/v1/api-keys/{made['id']}/rotate")) == (401, "session_ended")


# More than one holds


@pytest.mark.parametrize(
    ("scope", "action"), [("organization:invite", "invite"), ("organization:manage", "promote")]
)
def test_a_key_grants_no_more_than_itself(aws: None, scope: str, action: str) -> None:
    owner = confirmed()
    friend = colleague(owner, "viewer")
    key = key_of(owner, scope)
    if action == "invite":
        for role in ("owner", "admin"):
            answer = key.post(path(owner, "/invitations"), {"email": "evil@example.com", "role": role})
            assert answer.status == 403, answer.text
    else:
        for role in ("owner", "admin"):
            assert key.patch(member_path(owner, friend), {"role": role}).status == 403
        role = {"name": "all", "permissions": ["agents:delete"]}
        assert code(key.post(path(owner, "/roles"), role)) == (403, "cannot_grant")


def test_who_only_manages_sets_no_provider_that_makes_him_an_admin(aws: None, idp: Provider) -> None:
    owner = confirmed()
    manager, admin = colleague(owner, "viewer"), colleague(owner, "admin")
    manages = {"permissions": {"organization": {"manage": True}}}
    assert owner.client.patch(member_path(owner, manager), manages).status == 200
    manager.client = refreshed(manager)
    refused = put(manager, idp, owner.organization["id"])
    assert code(refused) == (403, "cannot_grant"), refused.text
    assert put(admin, idp, owner.organization["id"]).status == 200


def test_a_tools_key_is_not_sent_to_another_server(aws: None) -> None:
    owner = confirmed()
    member = colleague(owner, "member")
    agent = owner.client.post("/v1/agents", {"name": "Helper"}).json["id"]
    tool = {
        "toolName": "orders",
        "toolType": "http",
        "configuration": {"apiEndpoint": "https://api.example.com/{id}", "apiKey": "canary-key-7"},
        "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
    }
    assert owner.client.post(f"/v1/agents/{agent}/tools", tool).status == 201
    copy = member.client.post(f"/v1/agents/{agent}/duplicate").json["id"]
    (mine,) = member.client.get(f"/v1/agents/{copy}/tools").json["items"]
    assert mine["hasApiKey"] is False, "a copy of somebody else's agent has no keys"
    admin = colleague(owner, "admin")
    copy = admin.client.post(f"/v1/agents/{agent}/duplicate").json["id"]
    (mine,) = admin.client.get(f"/v1/agents/{copy}/tools").json["items"]
    assert mine["hasApiKey"] is True
    at = f"/v1/agents/{copy}/tools/{mine['id']}"
    for endpoint in (
        "https://evil.example/{id}",
        "http://api.example.com/{id}",
        "https://api.example.com:8443/",
    ):
        changed = admin.client.patch(at, {"configuration": {"apiEndpoint": endpoint}})
        assert code(changed) == (422, "api_key_needed"), changed.text
    own = {"configuration": {"apiEndpoint": "https://evil.example/{id}", "apiKey": "my own"}}
    assert admin.client.patch(at, own).status == 200


# Invitations


def test_an_invitation_gives_its_own_role_and_takes_nobody_out(aws: None) -> None:
    owner = confirmed()
    person = registered("old@example.com")
    second = invited(owner, "new@example.com", role="viewer")
    first = invited(owner, "old@example.com", role="admin")
    person.client.patch(ME, {"email": "new@example.com", "currentPassword": PASSWORD})
    assert Client().post("/v1/auth/verify-email", {"token": mailbox.last_token()}).status == 200
    joined = accept(person, second)
    assert (joined.status, joined.json["role"]) == (200, "viewer")
    assert Client().post("/v1/invitations/decline", {"token": first}).status == 204
    assert owner.client.get(member_path(owner, person)).status == 200


def test_a_limit_that_was_set_for_who_is_invited_holds(aws: None) -> None:
    owner, person = confirmed(), registered()
    token = invited(owner, person.user["email"])
    at = f"/v1/execution-limits/{person.user['id']}/daily"
    assert owner.client.put(at, {"maxExecutions": 1}).status == 200
    assert accept(person, token).status == 200
    found = owner.client.get(f"/v1/execution-limits?userId={person.user['id']}").json["items"]
    assert [limit["maxExecutions"] for limit in found] == [1]


# What comes back, and what goes out


def test_a_providers_session_replays_nothing_of_the_accounts_own(aws: None, idp: Provider) -> None:
    owner = company(idp)
    switch, headers = path(owner, "/switch"), {"Idempotency-Key": "1"}
    assert owner.client.post(switch, headers=headers).status == 200
    by_provider = bearer(sign_in(idp, owner, owner.user["email"]).json)
    assert code(by_provider.post(switch, headers=headers)) == (403, "sso_session")


def test_a_subject_stays_on_its_line(aws: None) -> None:
    owner = registered(organizationName="Evil\nCorp\r\nBcc: all@example.com")
    mail.send("a@example.com", f"You are a member of {owner.organization['name']} now", "text")
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ses.models import ses_backends

    sent = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages[-1]
    assert sent.subject == "You are a member of Evil Corp Bcc: all@example.com now"


# Input that answered 500


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
def test_a_strange_discovery_document_is_named(aws: None, idp: Provider, name: str, value: Any) -> None:
    owner = registered()
    idp.discovery[name] = value
    assert code(put(owner, idp)) == (422, "invalid_issuer")


@pytest.mark.parametrize("name", ["email", "sub", "given_name"])
def test_half_a_character_in_an_id_token_is_refused(aws: None, idp: Provider, name: str) -> None:
    owner = company(idp)
    url, browser = start(owner)
    idp.says(url, **{"email": "grace@example.com", name: "\ud800@example.com"})
    assert code(providers.back(browser, url)) == (400, "sso_failed")


def test_times_at_the_end_of_time(aws: None) -> None:
    person = registered()
    for ends in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"):
        made = person.client.post("/v1/api-keys", {"name": "k", "scopes": ["agents:read"], "expiresAt": ends})
        assert made.status in (201, 422), made.text
        if made.status == 201:
            rotated = person.client.post(f"/v1/api-keys/{made.json['id']}/rotate")
            assert rotated.status in (201, 422), rotated.text
    found = person.client.get("/v1/api-keys?expiringBefore=0001-01-01T00:00:00%2B14:00")
    assert found.status in (200, 422), found.text


def test_a_limit_beyond_the_tables_numbers_is_refused(aws: None) -> None:
    body = {"name": "k", "scopes": ["agents:read"], "rateLimits": {"requestsPerHour": 10**40}}
    assert registered().client.post("/v1/api-keys", body).status == 422
