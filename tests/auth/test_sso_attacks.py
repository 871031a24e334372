"""Attacks on single sign-on with states, ID tokens and addresses, by an identity provider or with another sign-in."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.auth import fake_identity_provider
from tests.auth.fake_identity_provider import (
    EC_KEY,
    OTHER_KEY,
    RSA_KEY,
    FakeIdentityProvider,
    change_user,
    put_provider,
    register_with_provider,
    return_from_provider,
    set_security,
    sign_in,
    sign_jwt,
    start_sign_in,
)
from tests.auth.sent_mails import last_token
from tests.auth.sso_accounts import memberships, status_and_code
from tests.factories import client_with_tokens, register
from tests.gateway import Client
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import EmailRow, SessionRow, UserRow

# The state


def test_a_state_works_once(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, email="grace@example.com")
    assert return_from_provider(browser, url).status == 200
    assert status_and_code(return_from_provider(browser, url)) == (400, "invalid_sso_state")
    assert len(idp.forms) == 1


def test_a_state_is_used_up_by_a_sign_in_that_fails(aws: None, idp: FakeIdentityProvider) -> None:
    url, browser = start_sign_in(register_with_provider(idp))
    assert status_and_code(return_from_provider(browser, url, code="bad")) == (400, "sso_failed")
    idp.prepare_token(url, email="grace@example.com")
    assert status_and_code(return_from_provider(browser, url)) == (400, "invalid_sso_state")


def test_a_state_of_another_browser_is_refused_and_not_used_up(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    _, other = start_sign_in(owner)
    idp.prepare_token(url, email="grace@example.com")
    for stranger in (other, Client(), Client(headers={"Cookie": "weconnect_sso=; weconnect_sso=x"})):
        assert status_and_code(return_from_provider(stranger, url)) == (400, "invalid_sso_state")
    assert idp.forms == [] and return_from_provider(browser, url).status == 200


def test_a_state_expires_after_ten_minutes(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, browser = start_sign_in(register_with_provider(idp))
    idp.prepare_token(url, email="grace@example.com")
    late = clock.now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: late)
    assert status_and_code(return_from_provider(browser, url)) == (400, "invalid_sso_state")


@pytest.mark.parametrize("state", ["x", "a" * 43, "%00", "é"])
def test_an_invented_state_is_refused(aws: None, state: str) -> None:
    response = Client().get(f"/v1/auth/sso/callback?state={state}&code=good")
    assert status_and_code(response) == (400, "invalid_sso_state")
    assert Client().get("/v1/auth/sso/callback?code=good").status == 422


def test_a_token_from_a_mail_does_not_work_as_a_state(aws: None) -> None:
    register()
    response = Client().get(f"/v1/auth/sso/callback?state={last_token()}&code=good")
    assert status_and_code(response) == (400, "invalid_sso_state")


def test_a_state_of_one_organization_accepts_no_code_or_token_of_another(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider
) -> None:
    """The attacker has a code of their own provider, and a sign-in to the victim's organization."""
    victim, attacker = register_with_provider(idp), register_with_provider(evil)
    theirs, _ = start_sign_in(victim)
    evil.prepare_token(theirs, email="grace@example.com", iss=idp.issuer)
    own, browser = start_sign_in(attacker)
    state = dict(parse_qsl(urlsplit(theirs).query))["state"]
    response = browser.get(f"/v1/auth/sso/callback?state={state}&code=good")
    assert status_and_code(response) == (400, "invalid_sso_state")
    evil.prepare_token(own, email="grace@example.com", iss=idp.issuer)
    assert status_and_code(return_from_provider(browser, own)) == (400, "sso_failed")
    own, browser = start_sign_in(attacker)
    evil.prepare_token(own, email="grace@example.com")
    tokens = return_from_provider(browser, own).json
    assert client_with_tokens(tokens).get(f"/v1/organizations/{victim.organization['id']}").status == 404


def test_a_response_of_another_issuer_is_refused(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, email="grace@example.com")
    mixed = return_from_provider(browser, url, more="&iss=https://other.example")
    assert status_and_code(mixed) == (400, "sso_failed") and idp.forms == []
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, email="grace@example.com")
    assert return_from_provider(browser, url, more=f"&iss={idp.issuer}").status == 200
    idp.discovery["authorization_response_iss_parameter_supported"] = True
    put_provider(owner, idp)
    url, browser = start_sign_in(owner)
    assert status_and_code(return_from_provider(browser, url)) == (400, "sso_failed")


def test_a_change_of_the_provider_ends_a_sign_in_that_was_started_before(
    aws: None, idp: FakeIdentityProvider, evil: FakeIdentityProvider
) -> None:
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    put_provider(owner, evil)
    idp.prepare_token(url, email="grace@example.com")
    assert (
        status_and_code(return_from_provider(browser, url)) == (400, "sso_failed")
        and evil.forms == idp.forms == []
    )


# The ID token


NOW = clock.epoch_seconds()


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 7},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": []},
        {"aud": None},
        {"aud": ["weconnect", "another client"]},
        {"aud": ["weconnect", "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"exp": NOW - 3_600},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"iat": NOW + 3_600},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"email": None},
        {"email": 7},
        {"email": "no address"},
        {"email": ["grace@example.com"]},
    ],
    ids=lambda change: "-".join(
        f"{name} {value if not isinstance(value, int) else type(value).__name__}"
        for name, value in change.items()
    ),
)
def test_an_id_token_with_wrong_claims_is_refused(
    aws: None, idp: FakeIdentityProvider, claims: dict[str, Any]
) -> None:
    owner = register_with_provider(idp)
    response = sign_in(idp, owner, **{"email": "grace@example.com", **claims})
    assert status_and_code(response) == (400, "sso_failed"), response.text
    assert table.get(EmailRow, EmailRow.at("grace@example.com")) is None


def forge(case: str, idp: FakeIdentityProvider) -> None:
    """Forge the signature of the ID token in one of many ways; its claims are valid."""
    public = RSA_KEY.public_key().public_numbers().n.to_bytes(256)
    if case in ("none", "None", "NONE", ""):
        idp.header, idp.key = {"alg": case, "kid": "rsa"}, None
    elif case == "HMAC by the public key":
        idp.header, idp.key = {"alg": "HS256", "kid": "rsa"}, public
    elif case == "HMAC by the client secret":
        idp.header, idp.key = {"alg": "HS256"}, fake_identity_provider.CLIENT["clientSecret"].encode()
    elif case == "another key":
        idp.key = OTHER_KEY
    elif case == "a key of the token's own":
        idp.key = OTHER_KEY
        idp.header = {"alg": "RS256", "kid": "rsa", "jwk": fake_identity_provider.rsa_jwk(OTHER_KEY, "rsa")}
    elif case == "an unknown kid":
        idp.header = {"alg": "RS256", "kid": "other"}
    elif case == "two keys of one name":
        idp.keys = [
            fake_identity_provider.rsa_jwk(OTHER_KEY, "rsa"),
            fake_identity_provider.rsa_jwk(RSA_KEY, "rsa"),
        ]
        idp.key = OTHER_KEY
    elif case == "RS256 by an EC key":
        idp.header, idp.key = {"alg": "RS256", "kid": "ec"}, EC_KEY
    elif case == "ES256 by an RSA key":
        idp.header = {"alg": "ES256", "kid": "rsa"}
    elif case == "an extension that we do not know":
        idp.header = {"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}
    elif case == "a key for encryption":
        idp.keys[0]["use"] = "enc"
    elif case == "no keys":
        idp.keys = []
    elif case == "broken keys":
        idp.keys = [{"kty": "RSA", "kid": "rsa", "n": "AA", "e": 7}]
    elif case == "a short key":
        from cryptography.hazmat.primitives.asymmetric import rsa

        idp.key = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
        idp.keys = [fake_identity_provider.rsa_jwk(idp.key, "rsa")]
    elif case == "an odd algorithm":
        idp.header = {"alg": ["RS256"], "kid": "rsa"}
    elif case == "an unencoded payload":
        idp.header = {"alg": "RS256", "kid": "rsa", "b64": False, "crit": ["b64"]}
    elif case == "a key of another algorithm":
        idp.keys[0]["alg"] = "PS256"
    elif case == "a point off the curve":
        idp.header, idp.key = {"alg": "ES256", "kid": "ec"}, EC_KEY
        idp.keys[1]["y"] = idp.keys[1]["x"]
    elif case == "a key of another curve":
        idp.header, idp.key = {"alg": "ES256", "kid": "ec"}, EC_KEY
        idp.keys[1]["crv"] = "secp256k1"
    elif case == "a fourth part":
        idp.suffix = ".e30"


@pytest.mark.parametrize(
    "case",
    [
        *("none", "None", "NONE", "", "HMAC by the public key", "HMAC by the client secret", "another key"),
        *("a key of the token's own", "an unknown kid", "two keys of one name", "RS256 by an EC key"),
        *("ES256 by an RSA key", "an extension that we do not know", "a key for encryption", "no keys"),
        *("broken keys", "a short key", "an odd algorithm", "an unencoded payload", "a fourth part"),
        *("a key of another algorithm", "a point off the curve", "a key of another curve"),
    ],
)
def test_an_id_token_that_the_issuer_did_not_sign_is_refused(
    aws: None, idp: FakeIdentityProvider, case: str
) -> None:
    owner = register_with_provider(idp)
    forge(case, idp)
    response = sign_in(idp, owner, "grace@example.com")
    assert status_and_code(response) == (400, "sso_failed"), response.text
    assert table.get(EmailRow, EmailRow.at("grace@example.com")) is None


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c.d", "e30.e30.e30", "W10.W10.W10", "é.é.é", "." * 2])
def test_a_malformed_id_token_is_refused(aws: None, idp: FakeIdentityProvider, token: str) -> None:
    owner = register_with_provider(idp)
    idp.token = token
    assert status_and_code(sign_in(idp, owner, "grace@example.com")) == (400, "sso_failed")


def test_changed_claims_invalidate_the_signature(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp)
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, email="grace@example.com")
    good, other = idp.id_token(), sign_jwt(idp.header, idp.claims | {"email": "root@example.com"}, None)
    idp.token = ".".join([*other.split(".")[:2], good.split(".")[2]])
    assert status_and_code(return_from_provider(browser, url)) == (400, "sso_failed")


def test_a_private_key_among_the_issuers_keys_is_used_as_a_public_one(
    aws: None, idp: FakeIdentityProvider
) -> None:
    """The private exponent is not a number of this key: PyJWT would search for prime factors that do not exist."""
    owner = register_with_provider(idp)
    idp.keys[0]["d"] = "AQAB"
    assert sign_in(idp, owner, "grace@example.com").status == 200


@pytest.mark.parametrize("header", [{"alg": "ES256", "kid": "ec"}, {"alg": "ES256"}, {"alg": "RS256"}])
def test_every_supported_way_of_signing_is_accepted(
    aws: None, idp: FakeIdentityProvider, header: dict[str, Any]
) -> None:
    owner = register_with_provider(idp)
    idp.header, idp.key = header, EC_KEY if header["alg"] == "ES256" else RSA_KEY
    response = sign_in(idp, owner, "grace@example.com", aud=["weconnect"], azp="weconnect")
    assert response.status == 200, response.text


# Users that a provider may name


@pytest.mark.parametrize("verified", [False, None, "yes", 1])
def test_an_address_that_the_provider_has_not_verified_is_refused(
    aws: None, idp: FakeIdentityProvider, verified: Any
) -> None:
    owner = register_with_provider(idp)
    response = sign_in(idp, owner, "grace@example.com", email_verified=verified)
    assert status_and_code(response) == (403, "email_not_verified")


def test_an_address_outside_the_allowed_domains_is_refused(aws: None, idp: FakeIdentityProvider) -> None:
    owner = register_with_provider(idp, "corp.example")
    for email in ("x@example.com", "x@sub.corp.example", "x@evilcorp.example", "x@corp.example.evil.example"):
        assert status_and_code(sign_in(idp, owner, email)) == (403, "domain_not_allowed")
        assert table.get(EmailRow, EmailRow.at(email)) is None
    assert sign_in(idp, owner, "X@CORP.example").status == 200


def test_a_tenants_own_provider_cannot_take_over_an_account(aws: None, evil: FakeIdentityProvider) -> None:
    """Mallory's provider issues any identity that she wants, and her organization allows every domain."""
    victim, mallory = register("victim@corp.example"), register_with_provider(evil, "evil.example")
    change_user(victim, email_verified=True)
    set_security(mallory, allowed_domains=["evil.example", "corp.example"])
    put_provider(mallory, evil)
    before = memberships(victim)
    for claims in ({}, {"sub": victim.user["id"]}, {"email": "VICTIM@corp.example"}):
        response = sign_in(evil, mallory, **{"email": "victim@corp.example", **claims})
        assert status_and_code(response) == (403, "account_exists"), response.text
    set_security(mallory)
    assert status_and_code(sign_in(evil, mallory, "victim@corp.example")) == (403, "account_exists")
    assert memberships(victim) == before == {victim.organization["id"]}
    listed = SessionRow.query(UserRow.at(victim.user["id"])[0], SessionRow.sk.startswith(SessionRow.PREFIX))
    assert len(list(listed)) == 1
