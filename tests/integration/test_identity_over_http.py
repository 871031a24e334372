"""Keys' limits and single sign-on over HTTP: the local host and an OpenID provider, each in processes of its own."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.auth.fake_identity_provider import run_standard_provider
from tests.factories import PASSWORD
from tests.host.local_host import LocalHost, wait_until
from tests.integration.racing import run_concurrently


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with run_standard_provider() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def api(state: Path, provider: str) -> Iterator[httpx2.Client]:
    allowed = provider.removeprefix("http://")
    environment = {"BCRYPT_COST": "4", "WECONNECT_DEMO": "no", "OUTBOUND_ALLOWED_HOSTS": allowed}
    host = LocalHost(state, environment=environment).start()
    with httpx2.Client(base_url=host.address, timeout=60) as client:
        yield client
    host.stop()


def register_user(api: httpx2.Client, email: str) -> dict[str, Any]:
    names = {"firstName": "Ada", "lastName": "Lovelace"}
    response = api.post("/v1/auth/register", json={"email": email, "password": PASSWORD, **names})
    assert response.status_code == 201, response.text
    user: dict[str, Any] = response.json()
    return user


def verify_address(api: httpx2.Client, state: Path, email: str) -> None:
    """Confirm an address with the token of its mail."""
    (path,) = wait_until(lambda: list((state / "mailbox").glob(f"*-{email}.txt")))
    token = re.search(r"[\w-]{43}", path.read_text())
    assert token
    response = api.post("/v1/auth/verify-email", json={"token": token[0]})
    assert response.status_code in (200, 204), response.text


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['accessToken']}"}


def test_of_a_hundred_requests_with_a_key_limited_to_ten_ten_succeed(api: httpx2.Client) -> None:
    me = register_user(api, "keys@example.com")
    body = {"name": "ci", "scopes": ["*"], "rateLimits": {"requestsPerDay": 10}}
    key = api.post("/v1/api-keys", json=body, headers=bearer(me)).json()["key"]
    with httpx2.Client(base_url=api.base_url, timeout=60, limits=httpx2.Limits(max_connections=25)) as many:
        responses = run_concurrently(100, lambda _: many.get("/v1/users/me", headers={"X-API-Key": key}))
    assert Counter(response.status_code for response in responses) == {200: 10, 429: 90}
    allowed = [response for response in responses if response.status_code == 200]
    assert sorted(int(response.headers["RateLimit-Remaining"]) for response in allowed) == list(range(10))
    refused = next(response for response in responses if response.status_code == 429)
    assert refused.json()["code"] == "rate_limited" and int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit-Policy"] == "10;w=86400"


def test_a_caller_does_not_choose_its_address(api: httpx2.Client) -> None:
    me = register_user(api, "address@example.com")
    body = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "restrictedIPs": ["10.0.0.0/8"]}}
    key = api.post("/v1/api-keys", json=body, headers=bearer(me)).json()["key"]
    statuses = []
    for number in range(6):
        address = f"10.0.{number}.1"
        forged = {"X-Forwarded-For": address, "X-Real-IP": address, "Forwarded": f"for={address}"}
        response = api.get("/v1/users/me", headers=forged | {"X-API-Key": key})
        assert response.status_code == 403, response.text
        wrong = {"email": "address@example.com", "password": "wrong"}
        statuses.append(api.post("/v1/auth/login", json=wrong, headers=forged).status_code)
    assert statuses == [401] * 5 + [429], "of one network"


def test_a_browser_signs_in_through_an_identity_provider(
    api: httpx2.Client, state: Path, provider: str
) -> None:
    owner = register_user(api, "owner@example.com")
    verify_address(api, state, "owner@example.com")
    organization = owner["organization"]
    settings = {"issuer": provider, "clientId": "weconnect", "clientSecret": "anything"}
    path = f"/v1/organizations/{organization['id']}/identity-provider"
    saved = api.put(path, json=settings, headers=bearer(owner))
    assert saved.status_code == 200, saved.text
    callback = f"{api.base_url}".rstrip("/") + "/v1/auth/sso/callback"
    assert saved.json()["redirectUri"] == callback
    claims = {"email": "grace@example.com", "email_verified": True, "name": "Grace Hopper"}
    assert httpx2.put(f"{provider}/users/u-1", json=claims).status_code == 204
    with httpx2.Client(timeout=60) as browser:
        started = browser.post(
            f"{api.base_url}".rstrip("/") + "/v1/auth/sso/start", json={"organization": organization["slug"]}
        )
        assert started.status_code == 200, started.text
        sent = browser.post(started.json()["authorizationUrl"], data={"sub": "u-1"})
        location = sent.headers["location"]
        assert sent.status_code == 302 and location.startswith(callback)
        assert httpx2.get(location).json()["code"] == "invalid_sso_state", "another browser"
        tokens = browser.get(location)
        assert tokens.status_code == 200, tokens.text
        assert browser.get(location).json()["code"] == "invalid_sso_state", "a second time"
    me = api.get("/v1/users/me", headers=bearer(tokens.json())).json()
    assert (me["email"], me["fullName"]) == ("grace@example.com", "Grace Hopper")
    refused = api.post("/v1/organizations", json={"name": "Mine"}, headers=bearer(tokens.json()))
    assert (refused.status_code, refused.json()["code"]) == (403, "sso_session")
