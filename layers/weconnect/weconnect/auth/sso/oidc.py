"""OpenID Connect as a client: discovery, the code flow with PKCE, and what an ID token must say.

Everything here comes from a server that a tenant chose. It goes out through `outbound`, and nothing that comes back is
believed before it is checked. `cryptography` is used itself, because PyJWT is loaded without it (see `tokens`).
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from weconnect import clock
from weconnect.errors import BadRequest, Invalid, UpstreamFailed
from weconnect.settings import settings

SECONDS = 8.0
MAX_BYTES = 1024 * 1024
SKEW_SECONDS = 60
SCOPES = "openid email profile"
ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
RSA_BITS = 2_048


@dataclass(frozen=True)
class Endpoints:
    """What an issuer's discovery document says, checked."""

    authorization: str
    token: str
    jwks: str
    secret_in_body: bool
    names_itself: bool


@dataclass(frozen=True)
class Identity:
    """Whom an ID token is about. `subject` is the issuer's own name for them; `mfa`: they used a second factor."""

    subject: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    mfa: bool


def discover(issuer: str) -> Endpoints:
    """Read and check an issuer's discovery document; Invalid `invalid_issuer` names what is wrong with it."""
    require_address(issuer, "the issuer")
    status, found = _send("GET", f"{issuer.removesuffix('/')}/.well-known/openid-configuration")
    if status != 200 or not isinstance(found, dict):
        raise _bad_issuer(f"its discovery document answers {status}" if status != 200 else "it has none")
    if found.get("issuer") != issuer:
        raise _bad_issuer("its discovery document names another issuer; take that one letter by letter")
    if "code" not in _listed(found, "response_types_supported", "code"):
        raise _bad_issuer("it does not offer the code flow")
    if not set(ALGORITHMS) & _listed(found, "id_token_signing_alg_values_supported", "RS256"):
        raise _bad_issuer("it signs neither with RS256 nor with ES256")
    if "S256" not in _listed(found, "code_challenge_methods_supported", "S256"):
        raise _bad_issuer("it does not take PKCE with S256")
    methods = _listed(found, "token_endpoint_auth_methods_supported", "client_secret_basic")
    if not {"client_secret_basic", "client_secret_post"} & methods:
        raise _bad_issuer("it does not take a client secret")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        require_address(found.get(name), f"its {name}")
    return Endpoints(
        authorization=found["authorization_endpoint"],
        token=found["token_endpoint"],
        jwks=found["jwks_uri"],
        secret_in_body="client_secret_basic" not in methods,
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _listed(document: dict[str, Any], name: str, default: str) -> set[str]:
    """The texts of a list in a discovery document; `default` where it has none."""
    found = document.get(name, [default])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise _bad_issuer(f"its {name} is no list of texts")
    return set(found)


def require_address(url: Any, what: str) -> None:
    """Refuse what is no plain https address; http only for hosts that the operator allows."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and len(url) <= 1_000 and url.isprintable() else None
        port = parts.port if parts else None
    except ValueError:
        parts = port = None
    if not parts or not parts.hostname or parts.username is not None or parts.fragment or " " in str(url):
        raise _bad_issuer(f"{what} is not an address")
    allowed = {parts.hostname, f"{parts.hostname}:{port}"} & settings.outbound_allowed_hosts
    if parts.scheme != "https" and not (parts.scheme == "http" and allowed):
        raise _bad_issuer(f"{what} does not begin with https://")


def authorization_url(endpoint: str, parameters: dict[str, str]) -> str:
    """The address to send a person to; the endpoint's own parameters stay, but cannot replace ours."""
    parts = urlsplit(endpoint)
    own = [(name, text) for name, text in parse_qsl(parts.query) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*own, *parameters.items()], quote_via=quote)))


def challenge(verifier: str) -> str:
    """PKCE's S256."""
    return _encode(hashlib.sha256(verifier.encode()).digest())


def exchange(
    endpoints: Endpoints, client_id: str, client_secret: str, *, code: str, verifier: str, redirect_uri: str
) -> str:
    """Turn a code into an ID token at the token endpoint; BadRequest `sso_failed` when it is not taken."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    form |= {"code_verifier": verifier, "client_id": client_id}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if endpoints.secret_in_body:
        form["client_secret"] = client_secret
    else:
        pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    status, found = _send("POST", endpoints.token, headers, urlencode(form))
    answer = found if isinstance(found, dict) else {}
    token = answer.get("id_token") if status == 200 else None
    if not isinstance(token, str):
        raise failed(f"the code was not taken ({str(answer.get('error', status))[:100]!a})")
    return token


def identify(endpoints: Endpoints, token: str, *, issuer: str, client_id: str, nonce: str) -> Identity:
    """Verify an ID token with the issuer's own keys; BadRequest `sso_failed` says what does not hold."""
    _, found = _send("GET", endpoints.jwks)
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise failed("the issuer's keys cannot be read")
    claims = verify(token, [key for key in keys if isinstance(key, dict)])
    _check(claims, issuer, client_id, nonce)
    email, subject = claims.get("email"), claims["sub"]
    if not isinstance(email, str) or not email:
        raise failed(
            "it sent no e-mail address; let it put the claims email and email_verified into ID tokens"
        )
    first, last = _names(claims, email)
    return Identity(
        subject=subject,
        email=email,
        email_verified=claims.get("email_verified") is True,
        first_name=first,
        last_name=last,
        mfa=isinstance(claims.get("amr"), list) and "mfa" in claims["amr"],
    )


def verify(token: str, keys: list[dict[str, Any]]) -> dict[str, Any]:
    """The claims of a JWT that one of these JWKs signed with RS256 or ES256."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_decode(head)), json.loads(_decode(body))
        raw = _decode(signature)
        json.dumps(claims, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
    except (ValueError, RecursionError):
        raise failed("the ID token is malformed") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header:
        raise failed("the ID token is malformed")
    kind = ALGORITHMS.get(header["alg"]) if isinstance(header.get("alg"), str) else None
    if kind is None:
        raise failed("the ID token is not signed with RS256 or ES256")
    fitting = [key for key in keys if _fits(key, kind, header)]
    if len(fitting) != 1 or not _is_signed(fitting[0], kind, f"{head}.{body}".encode(), raw):
        raise failed("the ID token's signature is not the issuer's")
    return claims


def failed(reason: str) -> BadRequest:
    """What went wrong with a sign-in, for whoever configured it."""
    return BadRequest(f"The identity provider's answer was refused: {reason}", code="sso_failed")


def _send(
    method: str, url: str, headers: dict[str, str] | None = None, content: str | None = None
) -> tuple[int, Any]:
    """Status and JSON of an answer; None for what is no JSON."""
    from weconnect.outbound import (
        client as outbound,  # an HTTP client, which most routes of this module's users do not need
    )

    answer = outbound.send(
        method,
        url,
        headers={"accept": "application/json", **(headers or {})},
        content=content,
        timeout_seconds=SECONDS,
        max_bytes=MAX_BYTES,
    )
    try:
        return answer.status, answer.json()
    except UpstreamFailed:
        return answer.status, None


def _fits(key: dict[str, Any], kind: str, header: dict[str, Any]) -> bool:
    return (
        key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", header["alg"]) == header["alg"]
        and ("kid" not in header or key.get("kid") == header["kid"])
    )


def _is_signed(key: dict[str, Any], kind: str, content: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    try:
        if kind == "RSA":
            public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
            if public.key_size < RSA_BITS:
                return False
            public.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
        else:
            if key["crv"] != "P-256" or len(signature) != 64:
                return False
            point = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1())
            pair = (int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            point.public_key().verify(encode_dss_signature(*pair), content, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def _check(claims: dict[str, Any], issuer: str, client_id: str, nonce: str) -> None:
    moment = clock.epoch()
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    times = [claims.get(name) for name in ("exp", "iat")]
    if claims.get("iss") != issuer:
        raise failed("the ID token is another issuer's")
    if audience != client_id and not (isinstance(audience, list) and client_id in audience):
        raise failed("the ID token is for another client")
    if claims.get("azp", None if several else client_id) != client_id:
        raise failed("the ID token was made for another client")
    if any(isinstance(time, bool) or not isinstance(time, int | float) for time in times):
        raise failed("the ID token has no times")
    if claims["exp"] <= moment - SKEW_SECONDS:
        raise failed("the ID token has expired")
    if claims["iat"] > moment + SKEW_SECONDS:
        raise failed("the ID token is of the future")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise failed("the ID token belongs to another sign-in")
    if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
        raise failed("the ID token names nobody")


def _names(claims: dict[str, Any], email: str) -> tuple[str, str]:
    """First and last name as well as they can be told; our users need both."""
    given, family, whole = (
        " ".join(claims[name].split())[:100] if isinstance(claims.get(name), str) else ""
        for name in ("given_name", "family_name", "name")
    )
    first, _, last = (whole or email.partition("@")[0]).partition(" ")
    return given or first[:100] or "?", family or last[:100] or "-"


def _bad_issuer(reason: str) -> Invalid:
    detail = f"This is no issuer to sign in with: {reason}"
    return Invalid(detail, code="invalid_issuer", errors=[{"pointer": "/issuer", "detail": reason}])


def _number(text: str) -> int:
    return int.from_bytes(_decode(text))


def _decode(text: str) -> bytes:
    """Base64url without padding; raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
