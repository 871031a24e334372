"""A fake identity provider over HTTP that issues whatever a test wants, as an attacker's own provider could."""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from infra.cloudformation import ROOT
from tests.factories import RegisteredUser, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import prove_domain
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import SessionRow, UserRow
from weconnect.organizations.rows import OrganizationRow
from weconnect.settings import settings

RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT = {"clientId": "weconnect", "clientSecret": "the client's secret"}


class FakeIdentityProvider:
    """The claims, headers and documents of a provider, for a test to change before a sign-in."""

    def __init__(self, address: str) -> None:
        self.issuer = address
        self.discovery: dict[str, Any] = {
            "issuer": address,
            "authorization_endpoint": f"{address}/authorize?tenant=1",
            "token_endpoint": f"{address}/token",
            "jwks_uri": f"{address}/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        }
        self.keys: list[dict[str, Any]] = [rsa_jwk(RSA_KEY, "rsa"), ec_jwk(EC_KEY, "ec")]
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "rsa"}
        self.claims: dict[str, Any] = {}
        self.token: str | None = None
        self.suffix = ""
        self.refusal: dict[str, Any] = {"error": "invalid_grant"}
        self.key: Any = RSA_KEY
        self.forms: list[dict[str, str]] = []
        self.authorizations: list[str] = []

    def id_token(self) -> str:
        """Return an ID token with the present claims, without those that are None."""
        if self.token is not None:
            return self.token
        claims = {name: value for name, value in self.claims.items() if value is not None}
        return sign_jwt(self.header, claims, self.key) + self.suffix

    def prepare_token(self, url: str, **claims: Any) -> None:
        """Prepare the ID token for the sign-in of an authorization URL."""
        query = dict(parse_qsl(urlsplit(url).query))
        moment = clock.epoch_seconds()
        self.claims = {
            "iss": self.issuer,
            "aud": query["client_id"],
            "sub": claims.get("email", "somebody"),
            "iat": moment,
            "exp": moment + 300,
            "nonce": query["nonce"],
            "email_verified": True,
            "given_name": "Grace",
            "family_name": "Hopper",
            **claims,
        }


@contextmanager
def run_fake_provider() -> Iterator[FakeIdentityProvider]:
    """Run a fake provider on a free port; the guard of outbound requests allows its address."""
    providers: list[FakeIdentityProvider] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            documents = {
                "/.well-known/openid-configuration": providers[0].discovery,
                "/keys": {"keys": providers[0].keys},
            }
            self._respond(200 if path in documents else 404, documents.get(path, {}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            providers[0].forms.append({name: values[0] for name, values in parse_qs(body).items()})
            providers[0].authorizations.append(self.headers.get("authorization", ""))
            is_accepted = providers[0].forms[-1].get("code") == "good"
            self._respond(200, {"id_token": providers[0].id_token()}) if is_accepted else self._respond(
                400, providers[0].refusal
            )

        def _respond(self, status: int, document: Any) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = f"127.0.0.1:{server.server_port}"
    providers.append(FakeIdentityProvider(f"http://{host}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with allow_outbound_host(host):
            yield providers[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def run_standard_provider() -> Iterator[str]:
    """Run oidc-provider-mock, an OpenID provider made with Authlib, in its own process; yield its issuer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(ROOT / ".venv/bin/oidc-provider-mock"), "--port", str(port), "--require-nonce", "true"]
    process = subprocess.Popen(
        command, env={"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def allow_outbound_host(host: str) -> Iterator[None]:
    """Let the guard of outbound requests allow `host:port`."""
    before = settings.outbound_allowed_hosts
    object.__setattr__(settings, "outbound_allowed_hosts", before | {host})
    try:
        yield
    finally:
        object.__setattr__(settings, "outbound_allowed_hosts", before)


# Tokens


def sign_jwt(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    """Return a JWT signed with `key`: an RSA or EC key, bytes for an HMAC, or None for no signature at all."""
    content = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
    if key is None:
        signature = b""
    elif isinstance(key, bytes):
        signature = hmac.digest(key, content.encode(), hashlib.sha256)
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32) + s.to_bytes(32)
    return f"{content}.{_encode(signature)}"


def rsa_jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}


def ec_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {
        "kty": "EC",
        "kid": kid,
        "crv": "P-256",
        "x": _encode(numbers.x.to_bytes(32)),
        "y": _encode(numbers.y.to_bytes(32)),
    }


def _number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# Organizations with a provider


def register_with_provider(
    idp: FakeIdentityProvider, domain: str | None = None, **security: Any
) -> RegisteredUser:
    """Return a verified owner, whose organization has the provider; it proved and allows `domain`, if there is one."""
    owner = register(f"owner@{domain}" if domain else None)
    change_user(owner, email_verified=True)
    if domain:
        prove_domain(owner, domain)
        security["allowed_domains"] = [domain]
    set_security(owner, **security)
    response = put_provider(owner, idp)
    assert response.status == 200, response.text
    return owner


def put_provider(
    person: RegisteredUser, idp: FakeIdentityProvider, organization: str | None = None, **more: Any
) -> ApiResponse:
    path = f"/v1/organizations/{organization or person.organization['id']}/identity-provider"
    return person.client.put(path, {"issuer": idp.issuer, **CLIENT, **more})


def set_security(owner: RegisteredUser, **security: Any) -> None:
    """Replace the organization's security settings."""
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"custom_settings": {"security": security}}, {})


def change_user(person: RegisteredUser, **values: Any) -> None:
    table.change(UserRow.get(*UserRow.at(person.user["id"])), values, {})


def start_sign_in(owner: RegisteredUser) -> tuple[str, Client]:
    """Start a sign-in to an organization; return the provider's address and the browser that started it."""
    response = Client().post("/v1/auth/sso/start", {"organization": owner.organization["slug"]})
    assert response.status == 200, response.text
    (cookie,) = response.cookies
    return response.json["authorizationUrl"], Client(headers={"Cookie": cookie.partition(";")[0]})


def return_from_provider(browser: Client, url: str, code: str = "good", more: str = "") -> ApiResponse:
    """Return from the provider with the state of an authorization URL."""
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    return browser.get(f"/v1/auth/sso/callback?state={state}&code={code}{more}")


def sign_in(idp: FakeIdentityProvider, owner: RegisteredUser, email: str, **claims: Any) -> ApiResponse:
    """Sign in through a provider that issues these claims."""
    url, browser = start_sign_in(owner)
    idp.prepare_token(url, email=email, **claims)
    return return_from_provider(browser, url)


def sign_in_with_second_factor(person: RegisteredUser) -> None:
    """Give a user a second factor, as if their open sessions had been opened with it."""
    change_user(person, mfa_enabled=True)
    pk, _ = UserRow.at(person.user["id"])
    for session in SessionRow.query(pk, SessionRow.sk.startswith(SessionRow.PREFIX)):
        session.update([SessionRow.mfa.set(True)])
