"""What an identity provider and its tenant may not do, and what a sign-in that is not one's own is worth."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra import routes
from tests.api.matrix_factories import ASKED
from tests.auth import providers
from tests.auth.mailbox import last_token
from tests.auth.providers import (
    EC_KEY,
    OTHER_KEY,
    RSA_KEY,
    Provider,
    back,
    change_user,
    company,
    put,
    secure,
    sign_in,
    signed,
    start,
)
from tests.factories import PASSWORD, Registered, bearer, join, registered
from tests.gateway import Answer, Client
from weconnect import clock, mail
from weconnect.auth.rows import EmailRow, SessionRow, UserRow
from weconnect.db import table
from weconnect.organizations.rows import MemberRow, OrganizationRow


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "base_url", lambda: "https://api.example.com")


@pytest.fixture
def idp() -> Iterator[Provider]:
    with providers.provider() as found:
        yield found


@pytest.fixture
def evil() -> Iterator[Provider]:
    with providers.provider() as found:
        yield found


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def refresh(tokens: dict[str, Any], **more: Any) -> Answer:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"], **more})


def login(person: Registered, **more: Any) -> Answer:
    return Client().post("/v1/auth/login", {"email": person.user["email"], "password": PASSWORD, **more})


def memberships(person: Registered) -> set[str]:
    return {row.organization_id for row in MemberRow.gsi1.query(MemberRow.of_user(person.user["id"]))}


# The state


def test_a_state_is_good_once(aws: None, idp: Provider) -> None:
    owner = company(idp)
    url, browser = start(owner)
    idp.says(url, email="grace@example.com")
    assert back(browser, url).status == 200
    assert code(back(browser, url)) == (400, "invalid_sso_state")
    assert len(idp.forms) == 1


def test_a_state_is_used_up_by_a_sign_in_that_fails(aws: None, idp: Provider) -> None:
    url, browser = start(company(idp))
    assert code(back(browser, url, code="bad")) == (400, "sso_failed")
    idp.says(url, email="grace@example.com")
    assert code(back(browser, url)) == (400, "invalid_sso_state")


def test_a_state_of_another_browser_opens_nothing_and_stays(aws: None, idp: Provider) -> None:
    owner = company(idp)
    url, browser = start(owner)
    _, other = start(owner)
    idp.says(url, email="grace@example.com")
    for stranger in (other, Client(), Client(headers={"Cookie": "weconnect_sso=; weconnect_sso=x"})):
        assert code(back(stranger, url)) == (400, "invalid_sso_state")
    assert idp.forms == [] and back(browser, url).status == 200


def test_a_state_ends_after_ten_minutes(aws: None, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    url, browser = start(company(idp))
    idp.says(url, email="grace@example.com")
    late = clock.now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: late)
    assert code(back(browser, url)) == (400, "invalid_sso_state")


@pytest.mark.parametrize("state", ["x", "a" * 43, "%00", "é"])
def test_an_invented_state_is_unknown(aws: None, state: str) -> None:
    answer = Client().get(f"/v1/auth/sso/callback?state={state}&code=good")
    assert code(answer) == (400, "invalid_sso_state")
    assert Client().get("/v1/auth/sso/callback?code=good").status == 422


def test_a_token_of_a_mail_is_no_state(aws: None) -> None:
    registered()
    answer = Client().get(f"/v1/auth/sso/callback?state={last_token()}&code=good")
    assert code(answer) == (400, "invalid_sso_state")


def test_a_state_of_one_organization_takes_no_code_or_token_of_another(
    aws: None, idp: Provider, evil: Provider
) -> None:
    """The attacker has a code of his own provider, and a sign-in to the victim's organization."""
    victim, attacker = company(idp), company(evil)
    theirs, _ = start(victim)
    evil.says(theirs, email="grace@example.com", iss=idp.issuer)
    own, browser = start(attacker)
    state = dict(parse_qsl(urlsplit(theirs).query))["state"]
    answer = browser.get(f"/v1/auth/sso/callback?state={state}&code=good")
    assert code(answer) == (400, "invalid_sso_state")
    evil.says(own, email="grace@example.com", iss=idp.issuer)
    assert code(back(browser, own)) == (400, "sso_failed")
    own, browser = start(attacker)
    evil.says(own, email="grace@example.com")
    tokens = back(browser, own).json
    assert bearer(tokens).get(f"/v1/organizations/{victim.organization['id']}").status == 404


def test_an_answer_of_another_issuer_is_refused(aws: None, idp: Provider) -> None:
    owner = company(idp)
    url, browser = start(owner)
    idp.says(url, email="grace@example.com")
    mixed = back(browser, url, more="&iss=https://other.example")
    assert code(mixed) == (400, "sso_failed") and idp.forms == []
    url, browser = start(owner)
    idp.says(url, email="grace@example.com")
    assert back(browser, url, more=f"&iss={idp.issuer}").status == 200
    idp.discovery["authorization_response_iss_parameter_supported"] = True
    put(owner, idp)
    url, browser = start(owner)
    assert code(back(browser, url)) == (400, "sso_failed")


def test_a_provider_that_was_changed_meanwhile_ends_the_sign_in(
    aws: None, idp: Provider, evil: Provider
) -> None:
    owner = company(idp)
    url, browser = start(owner)
    put(owner, evil)
    idp.says(url, email="grace@example.com")
    assert code(back(browser, url)) == (400, "sso_failed") and evil.forms == idp.forms == []


# The ID token


NOW = clock.epoch()


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
def test_an_id_token_that_does_not_hold_signs_nobody_in(
    aws: None, idp: Provider, claims: dict[str, Any]
) -> None:
    owner = company(idp)
    answer = sign_in(idp, owner, **{"email": "grace@example.com", **claims})
    assert code(answer) == (400, "sso_failed"), answer.text
    assert table.get(EmailRow, EmailRow.at("grace@example.com")) is None


def forged(case: str, idp: Provider) -> None:
    """Spoil how the ID token is signed; its claims are good."""
    public = RSA_KEY.public_key().public_numbers().n.to_bytes(256)
    if case in ("none", "None", "NONE", ""):
        idp.header, idp.key = {"alg": case, "kid": "rsa"}, None
    elif case == "HMAC by the public key":
        idp.header, idp.key = {"alg": "HS256", "kid": "rsa"}, public
    elif case == "HMAC by the client secret":
        idp.header, idp.key = {"alg": "HS256"}, providers.CLIENT["clientSecret"].encode()
    elif case == "another key":
        idp.key = OTHER_KEY
    elif case == "a key of the token's own":
        idp.key = OTHER_KEY
        idp.header = {"alg": "RS256", "kid": "rsa", "jwk": providers.rsa_jwk(OTHER_KEY, "rsa")}
    elif case == "an unknown kid":
        idp.header = {"alg": "RS256", "kid": "other"}
    elif case == "two keys of one name":
        idp.keys = [providers.rsa_jwk(OTHER_KEY, "rsa"), providers.rsa_jwk(RSA_KEY, "rsa")]
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
        idp.keys = [providers.rsa_jwk(idp.key, "rsa")]
    elif case == "an odd algorithm":
        idp.header = {"alg": ["RS256"], "kid": "rsa"}


@pytest.mark.parametrize(
    "case",
    [
        *("none", "None", "NONE", "", "HMAC by the public key", "HMAC by the client secret", "another key"),
        *("a key of the token's own", "an unknown kid", "two keys of one name", "RS256 by an EC key"),
        *("ES256 by an RSA key", "an extension that we do not know", "a key for encryption", "no keys"),
        *("broken keys", "a short key", "an odd algorithm"),
    ],
)
def test_an_id_token_that_the_issuer_did_not_sign_signs_nobody_in(
    aws: None, idp: Provider, case: str
) -> None:
    owner = company(idp)
    forged(case, idp)
    answer = sign_in(idp, owner, "grace@example.com")
    assert code(answer) == (400, "sso_failed"), answer.text
    assert table.get(EmailRow, EmailRow.at("grace@example.com")) is None


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c.d", "e30.e30.e30", "W10.W10.W10", "é.é.é", "." * 2])
def test_what_is_no_token_at_all_signs_nobody_in(aws: None, idp: Provider, token: str) -> None:
    owner = company(idp)
    idp.token = token
    assert code(sign_in(idp, owner, "grace@example.com")) == (400, "sso_failed")


def test_changed_claims_break_the_signature(aws: None, idp: Provider) -> None:
    owner = company(idp)
    url, browser = start(owner)
    idp.says(url, email="grace@example.com")
    good, other = idp.id_token(), signed(idp.header, idp.claims | {"email": "root@example.com"}, None)
    idp.token = ".".join([*other.split(".")[:2], good.split(".")[2]])
    assert code(back(browser, url)) == (400, "sso_failed")


@pytest.mark.parametrize("header", [{"alg": "ES256", "kid": "ec"}, {"alg": "ES256"}, {"alg": "RS256"}])
def test_what_the_issuer_signed_in_another_way_is_taken(
    aws: None, idp: Provider, header: dict[str, Any]
) -> None:
    owner = company(idp)
    idp.header, idp.key = header, EC_KEY if header["alg"] == "ES256" else RSA_KEY
    answer = sign_in(idp, owner, "grace@example.com", aud=["weconnect"], azp="weconnect")
    assert answer.status == 200, answer.text


# Whom it may name


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_the_provider_has_not_verified_is_nobodys(
    aws: None, idp: Provider, verified: Any
) -> None:
    owner = company(idp)
    answer = sign_in(idp, owner, "grace@example.com", email_verified=verified)
    assert code(answer) == (403, "email_not_verified")


def test_an_address_outside_the_allowed_domains_is_refused(aws: None, idp: Provider) -> None:
    owner = company(idp, "corp.example")
    for email in ("x@example.com", "x@sub.corp.example", "x@evilcorp.example", "x@corp.example.evil.example"):
        assert code(sign_in(idp, owner, email)) == (403, "domain_not_allowed")
        assert table.get(EmailRow, EmailRow.at(email)) is None
    assert sign_in(idp, owner, "X@CORP.example").status == 200


def test_a_tenants_own_provider_takes_over_no_account(aws: None, evil: Provider) -> None:
    """Mallory's provider says that everybody is whoever she likes, and her organization allows every domain."""
    victim, mallory = registered("victim@corp.example"), company(evil, "evil.example")
    change_user(victim, email_verified=True)
    secure(mallory, allowed_domains=["evil.example", "corp.example"])
    put(mallory, evil)
    before = memberships(victim)
    for claims in ({}, {"sub": victim.user["id"]}, {"email": "VICTIM@corp.example"}):
        answer = sign_in(evil, mallory, **{"email": "victim@corp.example", **claims})
        assert code(answer) == (403, "account_exists"), answer.text
    secure(mallory)
    assert code(sign_in(evil, mallory, "victim@corp.example")) == (403, "account_exists")
    assert memberships(victim) == before == {victim.organization["id"]}
    listed = SessionRow.query(UserRow.at(victim.user["id"])[0], SessionRow.sk.startswith(SessionRow.PREFIX))
    assert len(list(listed)) == 1


def bound(idp: Provider) -> tuple[Registered, Registered, dict[str, Any]]:
    """A company, one of its people with an account and an organization of his own, and his tokens by the provider."""
    owner, person = company(idp, "corp.example"), registered("grace@corp.example")
    change_user(person, email_verified=True)
    answer = sign_in(idp, owner, "grace@corp.example")
    assert answer.status == 200, answer.text
    return owner, person, answer.json


def test_an_account_of_a_proven_domain_joins_and_is_told(aws: None, idp: Provider) -> None:
    owner, person, tokens = bound(idp)
    assert memberships(person) == {owner.organization["id"], person.organization["id"]}
    me = bearer(tokens).get("/v1/users/me").json
    assert me["id"] == person.user["id"] and me["currentOrganizationId"] == owner.organization["id"]
    assert me["firstName"] == person.user["firstName"], "the provider's names are not ours to take"
    own = person.client.get("/v1/users/me").json
    assert own["currentOrganizationId"] == person.organization["id"] and own["lastLoginAt"]
    assert me.get("lastLoginAt") is None and not {name for name, value in me["metadata"].items() if value}


def test_a_session_by_a_provider_is_for_its_organization_only(aws: None, idp: Provider) -> None:
    owner, person, tokens = bound(idp)
    client, own = bearer(tokens), person.organization["id"]
    for elsewhere in (own, owner.user["id"]):  # his own, and one that is not there: they look alike
        assert code(refresh(tokens, organizationId=elsewhere)) == (403, "sso_session")
    again = refresh(tokens)
    assert again.status == 200
    assert code(refresh(again.json, organizationId=own)) == (403, "sso_session")
    client = bearer(again.json)
    assert code(client.post(f"/v1/organizations/{own}/switch")) == (403, "sso_session")
    assert client.get(f"/v1/organizations/{own}").status == 404
    there = Client(headers={**client.headers, "X-Organization-Id": own})
    assert code(there.get("/v1/users/me")) == (403, "wrong_organization")
    listed = client.get("/v1/organizations").json["items"]
    assert [item["id"] for item in listed] == [owner.organization["id"]]
    assert len(person.client.get("/v1/organizations").json["items"]) == 2


def test_a_session_by_a_provider_does_not_reach_the_account(aws: None, idp: Provider) -> None:
    _, person, tokens = bound(idp)
    client = bearer(tokens)
    reached = []
    for operation in routes.load().values():
        name = operation.function.__name__
        about = operation.path.startswith(("/v1/auth/", "/v1/users/me", "/v1/invitations/"))
        about = about or name in ("create_organization", "restore_organization", "switch_organization")
        if operation.public or not about or name in ("logout", "get_me"):
            continue
        own = person.organization["id"]
        ids = {"sessionId": person.user["id"], "organizationId": own, "trashedOrganizationId": own}
        asked = ASKED[name].send(client, operation, ids)
        assert asked.status in (403, 404), (name, asked.text)
        reached.append(name)
    assert "switch_organization" in reached
    everywhere = client.post("/v1/auth/logout", {"everywhere": True})
    assert code(everywhere) == (403, "sso_session")
    assert refresh(person.tokens).status == 200, "the person's own session goes on"
    assert client.post("/v1/auth/logout").status == 204
    assert code(refresh(tokens)) == (401, "session_ended")


def test_a_provider_makes_no_operator(aws: None, idp: Provider) -> None:
    owner, person, _ = bound(idp)
    change_user(person, role="admin")
    tokens = sign_in(idp, owner, "grace@corp.example").json
    other = Client(headers={**bearer(tokens).headers, "X-Organization-Id": person.organization["id"]})
    assert code(other.get("/v1/users/me")) == (403, "wrong_organization")


def test_keys_made_in_such_a_session_stay_there_too(aws: None, idp: Provider) -> None:
    owner, person, tokens = bound(idp)
    made = bearer(tokens).post("/v1/api-keys", {"name": "ci", "scopes": ["agents:read"]}).json
    assert made["organizationId"] == owner.organization["id"]
    key = Client(headers={"X-API-Key": made["key"]})
    assert key.get("/v1/agents").status == 200
    there = Client(headers={**key.headers, "X-Organization-Id": person.organization["id"]})
    assert code(there.get("/v1/agents")) == (403, "wrong_organization")


def test_who_waits_behind_an_address_that_is_not_his_is_not_let_in(aws: None, idp: Provider) -> None:
    """Mallory registers with somebody's address, and hopes that the company's sign-in makes her a member."""
    owner, squatter = company(idp, "corp.example"), registered("grace@corp.example")
    assert code(sign_in(idp, owner, "grace@corp.example")) == (403, "account_exists")
    assert memberships(squatter) == {squatter.organization["id"]}


def test_an_account_that_another_provider_made_has_no_owner_yet_and_may_join(
    aws: None, idp: Provider, evil: Provider
) -> None:
    mallory, owner = company(evil), company(idp, "corp.example")
    theirs = sign_in(evil, mallory, "grace@corp.example").json
    ours = sign_in(idp, owner, "grace@corp.example").json
    assert bearer(theirs).get("/v1/users/me").json["id"] == bearer(ours).get("/v1/users/me").json["id"]
    assert code(refresh(theirs, organizationId=owner.organization["id"])) == (403, "sso_session")
    assert code(refresh(ours, organizationId=mallory.organization["id"])) == (403, "sso_session")
    assert bearer(theirs).get(f"/v1/organizations/{owner.organization['id']}").status == 404


def test_a_member_is_signed_in_whatever_his_domain(aws: None, idp: Provider) -> None:
    owner, member = company(idp), registered()
    join(member, owner, "viewer")
    tokens = sign_in(idp, owner, member.user["email"]).json
    assert bearer(tokens).get("/v1/users/me").json["id"] == member.user["id"]
    assert bearer(tokens).post("/v1/agents", {"name": "x"}).status == 403, "the role stays"


def test_an_address_that_got_another_holder_opens_nothing(aws: None, idp: Provider) -> None:
    owner = company(idp)
    first = sign_in(idp, owner, "grace@example.com", sub="1").json
    assert code(sign_in(idp, owner, "grace@example.com", sub="2")) == (403, "identity_mismatch")
    renamed = sign_in(idp, owner, "hopper@example.com", sub="1").json
    ids = [bearer(tokens).get("/v1/users/me").json["id"] for tokens in (first, renamed)]
    assert ids[0] == ids[1] and table.get(EmailRow, EmailRow.at("hopper@example.com")) is None


@pytest.mark.parametrize("change", ["removed", "inactive", "pending", "account"])
def test_who_is_no_member_any_more_is_not_brought_back(aws: None, idp: Provider, change: str) -> None:
    owner, person, tokens = bound(idp)
    member = MemberRow.get(*MemberRow.at(owner.organization["id"], person.user["id"]))
    if change == "removed":
        member.delete()
    elif change == "inactive":
        table.change(member, {"is_active": False}, {})
    elif change == "pending":
        table.change(member, {"joined_at": None, "invited_at": clock.iso(clock.now())}, {})
    else:
        change_user(person, is_active=False)
    refused = {"account": (401, "account_inactive"), "pending": (403, "invitation_open")}
    expected = refused.get(change, (403, "not_a_member"))
    assert code(sign_in(idp, owner, "grace@corp.example")) == expected
    assert refresh(tokens).status in (401, 403)


def test_the_plans_places_hold_for_newcomers(aws: None, idp: Provider) -> None:
    owner = company(idp)
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"plan": "free"}, {})
    answers = [sign_in(idp, owner, f"p{number}@example.com").status for number in range(3)]
    assert answers == [200, 200, 429]
    assert table.get(EmailRow, EmailRow.at("p2@example.com")) is None


# Owners, and who sets the provider


def test_who_manages_an_organization_does_not_become_its_owner_by_a_provider(
    aws: None, evil: Provider
) -> None:
    owner, admin = registered("boss@corp.example"), registered()
    change_user(owner, email_verified=True)
    join(admin, owner, "admin")
    made = put(admin, evil, owner.organization["id"])
    assert made.status == 200 and made.json["signsInOwners"] is False
    assert code(sign_in(evil, owner, "boss@corp.example")) == (403, "sso_not_for_owners")
    promoted = registered()
    join(promoted, owner, "member")
    tokens = sign_in(evil, owner, promoted.user["email"]).json
    table.change(
        MemberRow.get(*MemberRow.at(owner.organization["id"], promoted.user["id"])), {"role": "owner"}, {}
    )
    assert code(refresh(tokens)) == (403, "sso_not_for_owners")
    confirmed = put(owner, evil)
    assert confirmed.json["signsInOwners"] is True
    assert sign_in(evil, owner, "boss@corp.example").status == 200
    rotated = put(admin, evil, owner.organization["id"], clientSecret="new")
    assert rotated.json["signsInOwners"] is True, "the same client stays what the owner confirmed"
    replaced = put(admin, evil, owner.organization["id"], clientId="other")
    assert replaced.json["signsInOwners"] is False


def test_neither_a_key_nor_another_providers_word_confirms_anything(
    aws: None, idp: Provider, evil: Provider
) -> None:
    owner = company(idp, "corp.example")
    flags = {"canRead": True, "canWrite": True, "canDelete": True}
    body = {"name": "ci", "scopes": ["organization:manage"], "permissions": flags}
    key = Client(headers={"X-API-Key": owner.client.post("/v1/api-keys", body).json["key"]})
    by_sso = bearer(sign_in(idp, owner, "owner@corp.example").json)
    for client in (key, by_sso):
        path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
        made = client.put(path, {"issuer": evil.issuer, **providers.CLIENT})
        assert made.status == 200, made.text
        assert made.json["signsInOwners"] is False and made.json.get("domain") is None


@pytest.mark.parametrize("change", ["removed", "another issuer", "another client"])
def test_a_provider_that_goes_takes_its_sessions_along(
    aws: None, idp: Provider, evil: Provider, change: str
) -> None:
    owner = company(idp)
    tokens = sign_in(idp, owner, "grace@example.com").json
    put(owner, idp, clientSecret="rotated")
    tokens = refresh(tokens).json
    if change == "removed":
        path = f"/v1/organizations/{owner.organization['id']}/identity-provider"
        assert owner.client.delete(path).status == 204
    elif change == "another issuer":
        put(owner, evil)
    else:
        put(owner, idp, clientId="another")
    assert code(refresh(tokens)) == (401, "session_ended")


# Enforced


def test_where_it_is_enforced_a_password_opens_nothing(aws: None, idp: Provider) -> None:
    owner, member = company(idp), registered()
    own = member.organization["id"]
    join(member, owner, "admin")
    secure(owner, enforce_sso=True)
    assert code(login(member)) == (403, "sso_required")
    assert code(login(member, organizationId=owner.organization["id"])) == (403, "sso_required")
    assert code(refresh(member.tokens)) == (403, "sso_required")
    elsewhere = login(member, organizationId=own)
    assert elsewhere.status == 200
    there = bearer(elsewhere.json).post(f"/v1/organizations/{owner.organization['id']}/switch")
    assert code(there) == (403, "sso_required")
    assert code(refresh(elsewhere.json, organizationId=owner.organization["id"])) == (403, "sso_required")
    tokens = sign_in(idp, owner, member.user["email"]).json
    assert bearer(tokens).get("/v1/agents").status == 200
    wrong = Client().post("/v1/auth/login", {"email": member.user["email"], "password": "not this one"})
    assert wrong.json["code"] == "wrong_credentials", "who does not know the password learns nothing"


def test_where_it_is_enforced_only_an_owner_with_a_second_factor_gets_in_by_password(
    aws: None, idp: Provider
) -> None:
    owner, admin = company(idp), registered()
    join(admin, owner, "admin")
    secure(owner, enforce_sso=True)
    assert code(login(owner)) == (403, "sso_required") == code(refresh(owner.tokens))
    for person in (owner, admin):
        change_user(person, mfa_enabled=True)
        pk, _ = UserRow.at(person.user["id"])
        for session in SessionRow.query(pk, SessionRow.sk.startswith(SessionRow.PREFIX)):
            session.update([SessionRow.mfa.set(True)])
    assert refresh(owner.tokens).status == 200
    assert code(refresh(admin.tokens)) == (403, "sso_required")


def test_where_it_is_enforced_keys_of_password_sessions_are_refused(aws: None, idp: Provider) -> None:
    owner, member = company(idp), registered()
    join(member, owner, "member")
    body = {"name": "ci", "scopes": ["agents:read"]}
    by_password = Client(headers={"X-API-Key": member.client.post("/v1/api-keys", body).json["key"]})
    tokens = sign_in(idp, owner, member.user["email"]).json
    made = bearer(tokens).post("/v1/api-keys", body).json
    by_provider = Client(headers={"X-API-Key": made["key"]})
    assert by_password.get("/v1/agents").status == by_provider.get("/v1/agents").status == 200
    secure(owner, enforce_sso=True)
    assert code(by_password.get("/v1/agents")) == (403, "sso_required")
    assert by_provider.get("/v1/agents").status == 200
    rotated = bearer(tokens).post(f"/v1/api-keys/{made['id']}/rotate").json
    assert Client(headers={"X-API-Key": rotated["key"]}).get("/v1/agents").status == 200
