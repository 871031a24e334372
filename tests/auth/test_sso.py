"""Single sign-on with a standard OpenID provider in its own process, and the configuration of a provider."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import httpx2
import pytest

from infra.cloudformation import ROOT
from tests.auth import fake_identity_provider
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    put_provider,
    register_with_provider,
    set_security,
    sign_in,
    sign_in_with_second_factor,
    start_sign_in,
)
from tests.factories import PASSWORD, add_member, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from weconnect import mail
from weconnect.auth.sso import oidc

ADDRESS = "https://api.example.com"
pytestmark = pytest.mark.usefixtures("deployment_address")


@pytest.fixture(scope="module")
def standard_provider() -> Iterator[str]:
    with (
        fake_identity_provider.run_standard_provider() as issuer,
        fake_identity_provider.allow_outbound_host(issuer.removeprefix("http://")),
    ):
        yield issuer


def fill_in_login_form(url: str, **form: str) -> str:
    """Submit the provider's login form as a browser does; return the address that it redirects to."""
    with httpx2.Client() as browser:
        page = browser.get(url)
        assert page.status_code == 200 and "<form" in page.text
        response = browser.post(url, data=form)
    assert response.status_code == 302, response.text
    return response.headers["location"]


def come_back(browser: Client, location: str) -> ApiResponse:
    assert location.startswith(f"{ADDRESS}/v1/auth/sso/callback?")
    return browser.get(location.removeprefix(ADDRESS))


def create_person(issuer: str, subject: str, **claims: Any) -> None:
    assert httpx2.put(f"{issuer}/users/{subject}", json=claims).status_code == 204


def claims_of(tokens: dict[str, Any]) -> dict[str, Any]:
    body = tokens["accessToken"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


# With a standard provider


def test_a_new_user_joins_as_a_member_and_is_recognized_at_the_next_sign_in(
    aws: None, standard_provider: str
) -> None:
    owner = register(verified=True)
    response = owner.client.put(
        f"/v1/organizations/{owner.organization['id']}/identity-provider",
        {"issuer": standard_provider, "clientId": "weconnect", "clientSecret": "anything"},
    )
    assert response.status == 200, response.text
    create_person(
        standard_provider,
        "u-1",
        email="Grace@Example.com",
        email_verified=True,
        given_name="Grace",
        family_name="Hopper",
    )
    profiles = []
    for _ in range(2):
        url, browser = start_sign_in(owner)
        assert url.startswith(f"{standard_provider}/oauth2/authorize?")
        tokens = come_back(browser, fill_in_login_form(url, sub="u-1"))
        assert tokens.status == 200, tokens.text
        assert set(tokens.json) == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
        profiles.append(client_with_tokens(tokens.json).get("/v1/users/me").json)
    assert profiles[0]["id"] == profiles[1]["id"]
    me = profiles[1]
    assert (me["email"], me["fullName"], me["emailVerified"]) == ("grace@example.com", "Grace Hopper", False)
    assert me["currentOrganizationId"] == owner.organization["id"]
    person = client_with_tokens(tokens.json)
    member = person.get(f"/v1/organizations/{owner.organization['id']}/members/{me['id']}").json
    assert (member["role"], member["isPending"]) == ("member", False)
    assert person.post("/v1/agents", {"name": "Helper"}).status == 201
    assert person.put(f"/v1/execution-limits/{me['id']}/daily", {"maxExecutions": 1}).status == 403
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": tokens.json["refreshToken"]})
    assert refreshed.status == 200 and claims_of(refreshed.json)["sso"] is True
    login = {"email": "grace@example.com", "password": PASSWORD}
    assert Client().post("/v1/auth/login", login).json["code"] == "wrong_credentials"


def test_a_user_who_declines_at_the_provider_gets_its_error(aws: None, idp: FakeIdentityProvider) -> None:
    url, browser = start_sign_in(register_with_provider(idp))
    response = fake_identity_provider.return_from_provider(browser, url, code="", more="&error=access_denied")
    assert (response.status, response.json["code"]) == (400, "sso_failed")
    assert "access_denied" in response.json["detail"] and idp.forms == []


@pytest.mark.parametrize("before", [0, 85, 92])
def test_a_provider_that_quotes_the_client_secret_does_not_show_it(
    aws: None, idp: FakeIdentityProvider, before: int
) -> None:
    """Neither whole nor in part, where the quotation is cut."""
    secret = fake_identity_provider.CLIENT["clientSecret"]
    idp.refusal = {"error": f"{'-' * before}{secret} is wrong for you"}
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    refused = fake_identity_provider.return_from_provider(browser, url, code="bad")
    assert (refused.status, refused.json["code"]) == (400, "sso_failed")
    assert "••••" in refused.json["detail"] and "client" not in refused.json["detail"]
    url, browser = start_sign_in(owner)
    refused = fake_identity_provider.return_from_provider(
        browser, url, code="", more=f"&error={'-' * before}{secret}"
    )
    assert "sent no code" in refused.json["detail"] and "client" not in refused.json["detail"]


# Requests to the provider


def test_the_authorization_url_has_pkce_state_and_nonce(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    response = Client().post("/v1/auth/sso/start", {"organization": owner.organization["slug"]})
    url = urlsplit(response.json["authorizationUrl"])
    query = dict(parse_qsl(url.query))
    assert (
        f"{url.scheme}://{url.netloc}{url.path}" == f"{idp.issuer}/authorize" and query.pop("tenant") == "1"
    )
    state, nonce, challenge = (query.pop(name) for name in ("state", "nonce", "code_challenge"))
    assert len({state, nonce, challenge}) == 3 and all(len(text) == 43 for text in (state, nonce, challenge))
    assert query == {
        "response_type": "code",
        "client_id": "weconnect",
        "redirect_uri": f"{ADDRESS}/v1/auth/sso/callback",
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }
    (cookie,) = response.cookies
    for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/v1/auth/sso/callback", "Max-Age=600"):
        assert part in cookie
    assert state not in repr(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])


@pytest.mark.parametrize("in_body", [False, True])
def test_the_code_is_exchanged_with_secret_and_verifier(
    aws: None, idp: FakeIdentityProvider, in_body: bool
) -> None:
    if in_body:
        idp.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, email="grace@example.com")
    assert fake_identity_provider.return_from_provider(browser, url).status == 200
    (form,) = idp.forms
    assert form.pop("client_secret", None) == (
        fake_identity_provider.CLIENT["clientSecret"] if in_body else None
    )
    assert bool(idp.authorizations[0]) is not in_body
    assert (
        oidc.pkce_challenge(form.pop("code_verifier"))
        == dict(parse_qsl(urlsplit(url).query))["code_challenge"]
    )
    assert form == {
        "grant_type": "authorization_code",
        "code": "good",
        "client_id": "weconnect",
        "redirect_uri": f"{ADDRESS}/v1/auth/sso/callback",
    }


def test_a_deployment_without_its_own_address_responds_with_501(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = register_with_provider(idp)
    monkeypatch.setattr(mail, "base_url", lambda: "")
    response = Client().post("/v1/auth/sso/start", {"organization": owner.organization["slug"]})
    assert response.status == 501


# Start by slug or by address


@pytest.mark.parametrize(
    "body", [{}, {"organization": "a", "email": "a@b.c"}, {"organization": ""}, {"email": 1}, {"slug": "a"}]
)
def test_a_start_names_either_the_organization_or_an_address(aws: None, body: dict[str, Any]) -> None:
    assert Client().post("/v1/auth/sso/start", body).status == 422


def test_an_organization_without_single_sign_on_looks_like_one_that_does_not_exist(aws: None) -> None:
    without = register()
    bodies = [{"organization": without.organization["slug"]}, {"organization": "nobody"}]
    bodies += [{"email": without.user["email"]}, {"email": "x@nowhere.example"}, {"email": "no address"}]
    for body in bodies:
        response = Client().post("/v1/auth/sso/start", body)
        assert (response.status, response.json["code"]) == (404, "sso_not_found")
        assert response.json["detail"] == "Single sign-on is not available for this organization or address"


def start_by_email(address: str) -> ApiResponse:
    return Client().post("/v1/auth/sso/start", {"email": address})


def test_an_address_leads_to_the_organization_that_proved_its_domain(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp, "corp.example")
    response = start_by_email("Anybody@Corp.example")
    query = dict(parse_qsl(urlsplit(response.json["authorizationUrl"]).query))
    assert response.status == 200 and query["login_hint"] == "Anybody@Corp.example"
    set_security(owner)
    assert start_by_email("anybody@corp.example").status == 200
    set_security(owner, allowed_domains=["other.example"])
    assert start_by_email("anybody@corp.example").status == 404


def test_a_verified_mailbox_and_an_unproved_claim_lead_nobody_away(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider
) -> None:
    """Mallory works at Corp: she has a mailbox in its domain, and an organization and a provider of her own."""
    mallory = register("mallory@corp.example", verified=True)
    set_security(mallory, allowed_domains=["corp.example"])
    path = f"/v1/organizations/{mallory.organization['id']}/domains/corp.example"
    assert mallory.client.put(path).json["status"] == "pending"
    assert put_provider(mallory, evil).status == 200
    assert start_by_email("anybody@corp.example").json["code"] == "sso_not_found"
    colleague = register("grace@corp.example", verified=True)
    assert sign_in(evil, mallory, "grace@corp.example").json["code"] == "account_exists"
    owner = register_with_provider(idp, "corp.example")
    assert start_by_email("anybody@corp.example").json["authorizationUrl"].startswith(idp.issuer)
    assert sign_in(idp, owner, "grace@corp.example").status == 200
    listed = colleague.client.get("/v1/organizations").json["items"]
    assert {item["id"] for item in listed} == {colleague.organization["id"], owner.organization["id"]}


# Addresses that the provider vouches for

ENTRA = {"sub": "s2", "tid": "t", "oid": "o", "ver": "2.0", "email_verified": None}


@pytest.mark.parametrize("verified", [True, "true"])
def test_the_claim_may_be_a_text(aws: None, idp: FakeIdentityProvider, verified: Any) -> None:
    owner = register_with_provider(idp)
    assert sign_in(idp, owner, "mo@corp.example", email_verified=verified).status == 200


def test_a_trusted_issuer_vouches_for_addresses_of_the_proved_domains_alone(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp, "corp.example")
    set_security(owner)
    strict = sign_in(idp, owner, "mo@corp.example", **ENTRA)
    assert strict.json["code"] == "email_not_verified" and "emailTrust" in strict.json["detail"]
    assert put_provider(owner, idp, emailTrust="issuer").json["emailTrust"] == "issuer"
    assert sign_in(idp, owner, "mo@corp.example", **ENTRA).status == 200
    refused = sign_in(idp, owner, "guest@other.example", **ENTRA | {"sub": "s3"})
    assert refused.json["code"] == "email_not_verified" and "other.example" in refused.json["detail"]
    denied = sign_in(idp, owner, "no@corp.example", **ENTRA | {"sub": "s4", "email_verified": False})
    assert denied.json["code"] == "email_not_verified"
    assert put_provider(owner, idp).json["emailTrust"] == "claim"


@pytest.mark.parametrize("claim", ["preferred_username", "upn"])
def test_the_name_of_the_sign_in_replaces_a_missing_address_of_a_trusted_issuer(
    aws: None, idp: FakeIdentityProvider, claim: str
) -> None:
    owner = register_with_provider(idp, "corp.example")
    claims: dict[str, Any] = {**ENTRA, "email": None, claim: "Mo@corp.example"}
    strict = sign_in(idp, owner, **claims)
    assert strict.json["code"] == "sso_failed" and "emailTrust" in strict.json["detail"]
    assert put_provider(owner, idp, emailTrust="issuer").status == 200
    response = sign_in(idp, owner, **claims)
    assert response.status == 200, response.text
    assert client_with_tokens(response.json).get("/v1/users/me").json["email"] == "mo@corp.example"


def test_an_issuer_of_every_tenant_is_refused_with_the_one_to_use(
    aws: None, idp: FakeIdentityProvider
) -> None:
    idp.discovery["issuer"] = "https://login.microsoftonline.com/{tenantid}/v2.0"
    refused = put_provider(register(verified=True), idp)
    assert (refused.status, refused.json["code"]) == (422, "invalid_issuer")
    assert "https://login.microsoftonline.com/<tenant ID>/v2.0" in refused.json["detail"]


# Configuration


def test_a_provider_can_be_set_read_and_replaced_and_never_shows_its_secret(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register(verified=True)
    created = put_provider(owner, idp)
    assert created.status == 200 and created.headers["ETag"] == '"1"', created.text
    assert created.json["issuer"] == idp.issuer and created.json["signsInOwners"] is True
    assert created.json["redirectUri"] == f"{ADDRESS}/v1/auth/sso/callback"
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    assert owner.client.get(path).json == created.json
    changed = put_provider(owner, idp, clientSecret="another secret")
    assert changed.json["version"] == 2 and changed.json["id"] == created.json["id"]
    stale = owner.client.put(
        path, {"issuer": idp.issuer, **fake_identity_provider.CLIENT}, headers={"If-Match": '"1"'}
    )
    assert stale.status == 412
    stored = repr(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    for response in (created, changed, owner.client.get(path)):
        assert "secret" not in response.text.lower()
    assert fake_identity_provider.CLIENT["clientSecret"] not in stored and "another secret" not in stored
    assert sign_in(idp, owner, "grace@example.com").status == 200
    assert "another%20secret" in base64.b64decode(idp.authorizations[0].split()[1]).decode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"token_endpoint": "http://169.254.169.254/latest"}, "token_endpoint"),
        ({"token_endpoint": "https://user:pass@idp.example/token"}, "token_endpoint"),
        ({"jwks_uri": 7}, "jwks_uri"),
        ({"response_types_supported": ["id_token"]}, "code flow"),
        ({"id_token_signing_alg_values_supported": ["none", "HS256"]}, "RS256"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "secret"),
    ],
)
def test_an_unsuitable_discovery_document_is_refused_with_the_reason(
    aws: None, idp: FakeIdentityProvider, change: dict[str, Any], reason: str
) -> None:
    owner = register(verified=True)
    idp.discovery |= change
    response = put_provider(owner, idp)
    assert (response.status, response.json["code"]) == (422, "invalid_issuer") and reason in response.json[
        "detail"
    ]
    assert (
        owner.client.get(f"/v1/organizations/{owner.organization['id']}/identity-provider").json["code"]
        == "identity_provider_not_found"
    )


@pytest.mark.parametrize(
    ("issuer", "code"),
    [
        ("https://127.0.0.1:1", "outbound_refused"),
        ("https://169.254.169.254", "outbound_refused"),
        ("http://idp.example.com", "invalid_issuer"),
        ("http://127.0.0.1:1", "invalid_issuer"),
        ("https://user@idp.example.com", "invalid_issuer"),
        ("ftp://idp.example.com", "invalid"),
        ("https://idp.example.com/?x=1", "invalid"),
    ],
)
def test_an_issuer_must_be_a_public_https_address(aws: None, issuer: str, code: str) -> None:
    owner = register(verified=True)
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    response = owner.client.put(path, {"issuer": issuer, **fake_identity_provider.CLIENT})
    assert (response.status, response.json["code"]) == (422, code), response.text


def test_an_enforced_provider_cannot_be_removed_and_a_missing_one_cannot_be_enforced(
    aws: None, idp: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    organization = f"/v1/organizations/{owner.organization['id']}"
    enforce = {"customSettings": {"security": {"enforceSSO": True}}}
    assert owner.client.patch(organization, enforce).status == 200
    sign_in_with_second_factor(owner)  # else the owner, too, acts by single sign-on only
    refused = owner.client.delete(path)
    assert (refused.status, refused.json["code"]) == (409, "sso_enforced")
    set_security(owner, enforce_sso=False)
    assert owner.client.delete(path, headers={"If-Match": '"9"'}).status == 412
    version = owner.client.get(f"/v1/organizations/{owner.organization['id']}").json["version"]
    assert owner.client.delete(path).status == 204
    assert owner.client.get(path).status == 404 and owner.client.delete(path).status == 404
    refused = owner.client.patch(organization, enforce)
    assert (refused.status, refused.json["code"]) == (409, "sso_not_configured")
    # An organization that was read before the removal is stale: its version has changed.
    assert owner.client.get(f"/v1/organizations/{owner.organization['id']}").json["version"] == version + 1


def test_the_provider_of_another_organization_is_not_found(aws: None, idp: FakeIdentityProvider) -> None:
    owner, stranger = register_with_provider(idp), register(verified=True)
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    assert stranger.client.get(path).status == stranger.client.delete(path).status == 404
    assert put_provider(stranger, idp, owner.organization["id"]).status == 404
    member = register()
    add_member(member, owner, "member")
    assert member.client.get(path).json["code"] == "permission_missing"


def test_the_oidc_client_reads_no_html_and_follows_no_redirects() -> None:
    text = (ROOT / "layers/weconnect/weconnect/auth/sso/oidc.py").read_text()
    assert "follow_redirects" not in text and not re.search(r"\bhttpx|\brequests\b|urlopen", text)


def test_nobody_signs_in_by_a_slug_that_was_given_up(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    old, path = owner.organization["slug"], f"/v1/organizations/{owner.organization['id']}"
    assert owner.client.patch(path, {"slug": "another-slug"}).status == 200
    refused = Client().post("/v1/auth/sso/start", {"organization": old})
    assert (refused.status, refused.json["code"]) == (404, "sso_not_found")
    assert Client().post("/v1/auth/sso/start", {"organization": "another-slug"}).status == 200
