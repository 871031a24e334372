"""Single sign-on: against a real OpenID provider in a process of its own, and the settings of a provider."""

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
from tests.auth import providers
from tests.auth.providers import Provider, change_user, company, put, secure, sign_in, start
from tests.factories import PASSWORD, bearer, join, registered
from tests.gateway import Answer, Client
from weconnect import mail
from weconnect.auth.sso import oidc
from weconnect.auth.sso import sign_in as sso
from weconnect.errors import Conflict

ADDRESS = "https://api.example.com"


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "base_url", lambda: ADDRESS)


@pytest.fixture
def idp() -> Iterator[Provider]:
    with providers.provider() as found:
        yield found


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with providers.real_provider() as issuer, providers.let_through(issuer.removeprefix("http://")):
        yield issuer


def as_a_browser(url: str, **form: str) -> str:
    """Follow a person through the provider's page; where it sends them."""
    with httpx2.Client() as browser:
        page = browser.get(url)
        assert page.status_code == 200 and "<form" in page.text
        answer = browser.post(url, data=form)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def come_back(browser: Client, location: str) -> Answer:
    assert location.startswith(f"{ADDRESS}/v1/auth/sso/callback?")
    return browser.get(location.removeprefix(ADDRESS))


def person_at(issuer: str, subject: str, **claims: Any) -> None:
    assert httpx2.put(f"{issuer}/users/{subject}", json=claims).status_code == 204


def claims_of(tokens: dict[str, Any]) -> dict[str, Any]:
    body = tokens["accessToken"].split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


# Through a real provider


def test_a_newcomer_signs_in_joins_as_a_member_and_is_known_the_next_time(aws: None, real: str) -> None:
    owner = registered()
    answer = owner.client.put(
        f"/v1/organizations/{owner.organization['id']}/identity-provider",
        {"issuer": real, "clientId": "weconnect", "clientSecret": "anything"},
    )
    assert answer.status == 200, answer.text
    person_at(
        real, "u-1", email="Grace@Example.com", email_verified=True, given_name="Grace", family_name="Hopper"
    )
    found = []
    for _ in range(2):
        url, browser = start(owner)
        assert url.startswith(f"{real}/oauth2/authorize?")
        tokens = come_back(browser, as_a_browser(url, sub="u-1"))
        assert tokens.status == 200, tokens.text
        assert set(tokens.json) == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
        found.append(bearer(tokens.json).get("/v1/users/me").json)
    assert found[0]["id"] == found[1]["id"]
    me = found[1]
    assert (me["email"], me["fullName"], me["emailVerified"]) == ("grace@example.com", "Grace Hopper", False)
    assert me["currentOrganizationId"] == owner.organization["id"]
    person = bearer(tokens.json)
    member = person.get(f"/v1/organizations/{owner.organization['id']}/members/{me['id']}").json
    assert (member["role"], member["isPending"]) == ("member", False)
    assert person.post("/v1/agents", {"name": "Helper"}).status == 201
    assert person.put(f"/v1/execution-limits/{me['id']}/daily", {"maxExecutions": 1}).status == 403
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": tokens.json["refreshToken"]})
    assert refreshed.status == 200 and claims_of(refreshed.json)["sso"] is True
    login = {"email": "grace@example.com", "password": PASSWORD}
    assert Client().post("/v1/auth/login", login).json["code"] == "wrong_credentials"


def test_who_declines_at_the_provider_is_told_so(aws: None, idp: Provider) -> None:
    url, browser = start(company(idp))
    answer = providers.back(browser, url, code="", more="&error=access_denied")
    assert (answer.status, answer.json["code"]) == (400, "sso_failed")
    assert "access_denied" in answer.json["detail"] and idp.forms == []


# What goes out


def test_a_start_asks_for_a_code_with_pkce_state_and_nonce(aws: None, idp: Provider) -> None:
    owner = company(idp)
    answer = Client().post("/v1/auth/sso/start", {"organization": owner.organization["slug"]})
    url = urlsplit(answer.json["authorizationUrl"])
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
    (cookie,) = answer.cookies
    for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/v1/auth/sso/callback", "Max-Age=600"):
        assert part in cookie
    assert state not in repr(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])


@pytest.mark.parametrize("in_body", [False, True])
def test_the_code_goes_to_the_token_endpoint_with_secret_and_verifier(
    aws: None, idp: Provider, in_body: bool
) -> None:
    if in_body:
        idp.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    owner = company(idp)
    url, browser = start(owner)
    idp.says(url, email="grace@example.com")
    assert providers.back(browser, url).status == 200
    (form,) = idp.forms
    assert form.pop("client_secret", None) == (providers.CLIENT["clientSecret"] if in_body else None)
    assert bool(idp.authorizations[0]) is not in_body
    assert oidc.challenge(form.pop("code_verifier")) == dict(parse_qsl(urlsplit(url).query))["code_challenge"]
    assert form == {
        "grant_type": "authorization_code",
        "code": "good",
        "client_id": "weconnect",
        "redirect_uri": f"{ADDRESS}/v1/auth/sso/callback",
    }


def test_a_deployment_without_an_address_says_so(
    aws: None, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = company(idp)
    monkeypatch.setattr(mail, "base_url", lambda: "")
    answer = Client().post("/v1/auth/sso/start", {"organization": owner.organization["slug"]})
    assert answer.status == 501


# By slug or by address


@pytest.mark.parametrize(
    "body", [{}, {"organization": "a", "email": "a@b.c"}, {"organization": ""}, {"email": 1}, {"slug": "a"}]
)
def test_a_start_names_one_thing(aws: None, body: dict[str, Any]) -> None:
    assert Client().post("/v1/auth/sso/start", body).status == 422


def test_what_has_no_single_sign_on_looks_like_what_is_not_there(aws: None) -> None:
    without = registered()
    bodies = [{"organization": without.organization["slug"]}, {"organization": "nobody"}]
    bodies += [{"email": without.user["email"]}, {"email": "x@nowhere.example"}, {"email": "no address"}]
    for body in bodies:
        answer = Client().post("/v1/auth/sso/start", body)
        assert (answer.status, answer.json["code"]) == (404, "sso_not_found")
        assert answer.json["detail"] == "There is no single sign-on for this"


def by_email(address: str) -> Answer:
    return Client().post("/v1/auth/sso/start", {"email": address})


def test_an_address_finds_the_one_organization_whose_provider_was_set_from_there(
    aws: None, idp: Provider
) -> None:
    owner = company(idp, "corp.example")
    answer = by_email("Anybody@Corp.example")
    query = dict(parse_qsl(urlsplit(answer.json["authorizationUrl"]).query))
    assert answer.status == 200 and query["login_hint"] == "Anybody@Corp.example"
    secure(owner, allowed_domains=["other.example"])
    assert by_email("anybody@corp.example").status == 404


def test_a_domain_that_two_claim_is_nobodys(aws: None, idp: Provider) -> None:
    company(idp, "corp.example")
    second = registered("mallory@corp.example")
    change_user(second, email_verified=True)
    secure(second, allowed_domains=["corp.example"])
    assert put(second, idp).status == 200
    assert by_email("anybody@corp.example").json["code"] == "sso_ambiguous"


@pytest.mark.parametrize(
    ("email", "verified", "domain"),
    [
        ("mallory@evil.example", True, "corp.example"),
        ("mallory@corp.example", False, "corp.example"),
        ("mallory@gmail.com", True, "gmail.com"),
    ],
)
def test_nobody_claims_a_domain_where_he_has_no_verified_address(
    aws: None, idp: Provider, email: str, verified: bool, domain: str
) -> None:
    mallory = registered(email)
    change_user(mallory, email_verified=verified)
    secure(mallory, allowed_domains=[domain])
    assert put(mallory, idp).json.get("domain") is None
    assert by_email(f"victim@{domain}").status == 404


# The settings


def test_a_provider_is_set_read_and_replaced_and_its_secret_is_never_shown(aws: None, idp: Provider) -> None:
    owner = registered()
    made = put(owner, idp)
    assert made.status == 200 and made.headers["ETag"] == '"1"', made.text
    assert made.json["issuer"] == idp.issuer and made.json["signsInOwners"] is True
    assert made.json["redirectUri"] == f"{ADDRESS}/v1/auth/sso/callback"
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    assert owner.client.get(path).json == made.json
    changed = put(owner, idp, clientSecret="another secret")
    assert changed.json["version"] == 2 and changed.json["id"] == made.json["id"]
    stale = owner.client.put(path, {"issuer": idp.issuer, **providers.CLIENT}, headers={"If-Match": '"1"'})
    assert stale.status == 412
    stored = repr(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    for answer in (made, changed, owner.client.get(path)):
        assert "secret" not in answer.text.lower()
    assert providers.CLIENT["clientSecret"] not in stored and "another secret" not in stored
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
def test_a_discovery_document_that_does_not_hold_is_refused(
    aws: None, idp: Provider, change: dict[str, Any], reason: str
) -> None:
    owner = registered()
    idp.discovery |= change
    answer = put(owner, idp)
    assert (answer.status, answer.json["code"]) == (422, "invalid_issuer") and reason in answer.json["detail"]
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
def test_an_issuer_is_a_public_https_address(aws: None, issuer: str, code: str) -> None:
    owner = registered()
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    answer = owner.client.put(path, {"issuer": issuer, **providers.CLIENT})
    assert (answer.status, answer.json["code"]) == (422, code), answer.text


def test_no_provider_is_removed_while_it_is_enforced_and_none_enforced_that_is_not_there(
    aws: None, idp: Provider
) -> None:
    owner = company(idp)
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    sso.check_can_enforce(owner.organization["id"])
    secure(owner, enforce_sso=True)
    refused = owner.client.delete(path)
    assert (refused.status, refused.json["code"]) == (409, "sso_enforced")
    secure(owner, enforce_sso=False)
    assert owner.client.delete(path, headers={"If-Match": '"9"'}).status == 412
    version = owner.client.get(f"/v1/organizations/{owner.organization['id']}").json["version"]
    assert owner.client.delete(path).status == 204
    assert owner.client.get(path).status == 404 and owner.client.delete(path).status == 404
    with pytest.raises(Conflict) as conflict:
        sso.check_can_enforce(owner.organization["id"])
    assert conflict.value.code == "sso_not_configured"
    # Who enforces with what he read before is told to read again.
    assert owner.client.get(f"/v1/organizations/{owner.organization['id']}").json["version"] == version + 1


def test_a_provider_of_another_organization_is_not_there(aws: None, idp: Provider) -> None:
    owner, stranger = company(idp), registered()
    path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
    assert stranger.client.get(path).status == stranger.client.delete(path).status == 404
    assert put(stranger, idp, owner.organization["id"]).status == 404
    member = registered()
    join(member, owner, "member")
    assert member.client.get(path).json["code"] == "permission_missing"


def test_the_code_that_signs_people_in_reads_no_html_and_follows_no_redirect() -> None:
    text = (ROOT / "layers/weconnect/weconnect/auth/sso/oidc.py").read_text()
    assert "follow_redirects" not in text and not re.search(r"\bhttpx|\brequests\b|urlopen", text)
