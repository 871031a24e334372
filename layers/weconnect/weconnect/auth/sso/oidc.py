"""OpenID Connect as a client: discovery, the code flow with PKCE, and the checks of an ID token.

Everything here comes from a server that a tenant chose. Requests go out through `outbound`, and nothing in a response
is used before it is checked.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from weconnect import clock
from weconnect.auth.errors import InvalidIssuer, SsoFailed
from weconnect.errors import UpstreamFailed
from weconnect.hiding import hide_and_cut
from weconnect.settings import settings

TIMEOUT_SECONDS = 8.0
MAX_BYTES = 1024 * 1024
SKEW_SECONDS = 60
SCOPES = "openid email profile"
KEY_TYPES_BY_ALGORITHM = {"RS256": "RSA", "ES256": "EC"}
USERNAME_CLAIMS = ("preferred_username", "upn")
PUBLIC_KEY_MEMBERS = ("kty", "n", "e", "crv", "x", "y")

Jwk = dict[str, Any]


@dataclass(frozen=True)
class Endpoints:
    """The checked content of an issuer's discovery document; the identity provider's row stores it by these names.

    `secret_in_body`: the token endpoint accepts the client secret only in the body. `names_itself`: the callback always
    has the issuer (RFC 9207).
    """

    authorization: str
    token: str
    jwks: str
    secret_in_body: bool
    names_itself: bool


@dataclass(frozen=True)
class Identity:
    """The person that an ID token is about; `subject` is the issuer's own ID of them.

    `is_email_verified` is None when the token does not say.
    """

    subject: str
    email: str
    is_email_verified: bool | None
    first_name: str
    last_name: str
    has_second_factor: bool


def discover(issuer: str) -> Endpoints:
    """Read and check an issuer's discovery document. Raises InvalidIssuer with what is wrong."""
    require_https_url(issuer, "the issuer")
    status, document = _send("GET", f"{issuer.removesuffix('/')}/.well-known/openid-configuration")
    if status != 200:
        raise InvalidIssuer(f"its discovery document responds with status {status}")
    if not isinstance(document, dict):
        raise InvalidIssuer("its discovery document is not a JSON object")
    if "{tenantid}" in str(document.get("issuer")):
        raise InvalidIssuer(
            "it serves the users of every tenant; use the issuer of your own, "
            "https://login.microsoftonline.com/<tenant ID>/v2.0"
        )
    if document.get("issuer") != issuer:
        raise InvalidIssuer("its discovery document names another issuer; copy that one exactly")
    if "code" not in _read_string_set(document, "response_types_supported", "code"):
        raise InvalidIssuer("it does not offer the code flow")
    algorithms = _read_string_set(document, "id_token_signing_alg_values_supported", "RS256")
    if not set(KEY_TYPES_BY_ALGORITHM) & algorithms:
        raise InvalidIssuer("it signs neither with RS256 nor with ES256")
    if "S256" not in _read_string_set(document, "code_challenge_methods_supported", "S256"):
        raise InvalidIssuer("it does not accept PKCE with S256")
    methods = _read_string_set(document, "token_endpoint_auth_methods_supported", "client_secret_basic")
    if not {"client_secret_basic", "client_secret_post"} & methods:
        raise InvalidIssuer("it does not accept a client secret")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        require_https_url(document.get(name), f"its {name}")
    return Endpoints(
        authorization=document["authorization_endpoint"],
        token=document["token_endpoint"],
        jwks=document["jwks_uri"],
        secret_in_body="client_secret_basic" not in methods,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _read_string_set(document: dict[str, Any], name: str, default: str) -> set[str]:
    """Return the strings of a list in a discovery document, or `default` if the list is missing."""
    values = document.get(name, [default])
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise InvalidIssuer(f"its {name} is not a list of strings")
    return set(values)


def require_https_url(url: Any, name: str) -> None:
    """Raise InvalidIssuer unless `url` is an https address; http is for hosts that the operator allows."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and len(url) <= 1_000 and url.isprintable() else None
        port = parts.port if parts else None
    except ValueError:
        parts = port = None
    if not parts or not parts.hostname or parts.username is not None or parts.fragment or " " in str(url):
        raise InvalidIssuer(f"{name} is not an address")
    is_allowed_host = {parts.hostname, f"{parts.hostname}:{port}"} & settings.outbound_allowed_hosts
    if parts.scheme != "https" and not (parts.scheme == "http" and is_allowed_host):
        raise InvalidIssuer(f"{name} does not begin with https://")


def build_authorization_url(endpoint: str, parameters: dict[str, str]) -> str:
    """Return the address to send a person to; the endpoint's own parameters stay, but cannot replace ours."""
    parts = urlsplit(endpoint)
    own = [(name, text) for name, text in parse_qsl(parts.query) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*own, *parameters.items()], quote_via=quote)))


def pkce_challenge(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def exchange_code(
    endpoints: Endpoints, client_id: str, client_secret: str, *, code: str, verifier: str, redirect_uri: str
) -> str:
    """Exchange a code for an ID token at the token endpoint. Raises SsoFailed when the endpoint refuses.

    Its error is quoted, without the secrets that the caller hides.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    form |= {"code_verifier": verifier, "client_id": client_id}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if endpoints.secret_in_body:
        form["client_secret"] = client_secret
    else:
        pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    status, document = _send("POST", endpoints.token, headers, urlencode(form))
    response = document if isinstance(document, dict) else {}
    token = response.get("id_token") if status == 200 else None
    if not isinstance(token, str):
        raise SsoFailed(
            f"the code was not accepted ({hide_and_cut(str(response.get('error', status)), 100)!r})"
        )
    return token


def verify_identity(
    endpoints: Endpoints, token: str, *, issuer: str, client_id: str, nonce: str, trusts_issuer: bool
) -> Identity:
    """Return the person of an ID token after verifying it with the issuer's keys. Raises SsoFailed with the reason.

    With `trusts_issuer`, the name that people sign in with replaces a missing address.
    """
    _, document = _send("GET", endpoints.jwks)
    jwks = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(jwks, list):
        raise SsoFailed("the issuer's keys cannot be read")
    claims = verify_signature(token, [jwk for jwk in jwks if isinstance(jwk, dict)])
    _check_claims(claims, issuer, client_id, nonce)
    email = _read_email(claims, trusts_issuer=trusts_issuer)
    first_name, last_name = _read_names(claims, email)
    return Identity(
        subject=claims["sub"],
        email=email,
        is_email_verified=_read_email_verified(claims),
        first_name=first_name,
        last_name=last_name,
        has_second_factor=isinstance(claims.get("amr"), list) and "mfa" in claims["amr"],
    )


def _read_email(claims: dict[str, Any], *, trusts_issuer: bool) -> str:
    """Return the address in the claims. Raises SsoFailed without one."""
    for name in ("email", *USERNAME_CLAIMS) if trusts_issuer else ("email",):
        text = claims.get(name)
        if isinstance(text, str) and "@" in text:
            return text
    raise SsoFailed(
        "it sent no e-mail address; configure the claims email and email_verified in ID tokens, or set emailTrust to "
        "issuer for a provider that sends preferred_username"
    )


def _read_email_verified(claims: dict[str, Any]) -> bool | None:
    """Return the claim `email_verified`, which some providers send as a text; None without it."""
    claim = claims.get("email_verified")
    return None if claim is None else claim is True or claim == "true"


def verify_signature(token: str, jwks: list[Jwk]) -> dict[str, Any]:
    """Return the claims of a JWT that exactly one of these keys signed with RS256 or ES256.

    The algorithm is fixed by the key's type, and an RSA key has at least 2,048 bits. Raises SsoFailed.
    """
    import jwt  # cold start

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise SsoFailed("the ID token is malformed") from None
    if "crit" in header or token.count(".") != 2:
        raise SsoFailed("the ID token is malformed")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in KEY_TYPES_BY_ALGORITHM:
        raise SsoFailed("the ID token is not signed with RS256 or ES256")
    matches = [jwk for jwk in jwks if _is_usable_key(jwk, algorithm, header)]
    if len(matches) != 1:
        raise SsoFailed("the ID token's key is not exactly one of the issuer's")
    # Only the public members: from a private exponent PyJWT would compute the prime factors.
    public = {name: matches[0][name] for name in PUBLIC_KEY_MEMBERS if name in matches[0]}
    try:
        content = jwt.PyJWS().decode(
            token,
            jwt.PyJWK(public, algorithm),
            algorithms=[algorithm],
            options={"enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise SsoFailed("the ID token's signature is not the issuer's") from None
    return _parse_claims(content)


def _is_usable_key(jwk: Jwk, algorithm: str, header: dict[str, Any]) -> bool:
    """Return whether a JSON Web Key may verify a JWT with this algorithm and header (type, use, alg, kid)."""
    return (
        jwk.get("kty") == KEY_TYPES_BY_ALGORITHM[algorithm]
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", algorithm) == algorithm
        and ("kid" not in header or jwk.get("kid") == header["kid"])
    )


def _parse_claims(content: bytes) -> dict[str, Any]:
    """Return the JSON object in an ID token's payload. Raises SsoFailed for anything else."""
    try:
        claims = json.loads(content)
        json.dumps(claims, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
    except (ValueError, RecursionError):
        raise SsoFailed("the ID token is malformed") from None
    if not isinstance(claims, dict):
        raise SsoFailed("the ID token is malformed")
    return claims


def _check_claims(claims: dict[str, Any], issuer: str, client_id: str, nonce: str) -> None:
    """Raise SsoFailed unless the claims are for this client and sign-in, and valid now (OpenID Connect 3.1.3.7)."""
    moment = clock.epoch_seconds()
    audience = claims.get("aud")
    has_several_audiences = isinstance(audience, list) and len(audience) > 1
    times = [claims.get(name) for name in ("exp", "iat")]
    if claims.get("iss") != issuer:
        raise SsoFailed("the ID token is from another issuer")
    if audience != client_id and not (isinstance(audience, list) and client_id in audience):
        raise SsoFailed("the ID token is for another client")
    if claims.get("azp", None if has_several_audiences else client_id) != client_id:
        raise SsoFailed("the ID token was issued to another client")
    if any(isinstance(time, bool) or not isinstance(time, int | float) for time in times):
        raise SsoFailed("the ID token has no times")
    if claims["exp"] <= moment - SKEW_SECONDS:
        raise SsoFailed("the ID token has expired")
    if claims["iat"] > moment + SKEW_SECONDS:
        raise SsoFailed("the ID token is from the future")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise SsoFailed("the ID token belongs to another sign-in")
    if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
        raise SsoFailed("the ID token has no subject")


def _read_names(claims: dict[str, Any], email: str) -> tuple[str, str]:
    """Return first and last name from the claims, else from the address; `?` and `-` replace missing ones."""
    given_name, family_name, name = (
        " ".join(claims[claim].split())[:100] if isinstance(claims.get(claim), str) else ""
        for claim in ("given_name", "family_name", "name")
    )
    first, _, last = (name or email.partition("@")[0]).partition(" ")
    return given_name or first[:100] or "?", family_name or last[:100] or "-"


def _send(
    method: str, url: str, headers: dict[str, str] | None = None, content: str | None = None
) -> tuple[int, Any]:
    """Send a request and return the status and the JSON of the response; None for a response that is not JSON."""
    from weconnect.outbound import client  # cold start

    response = client.send(
        method,
        url,
        headers={"accept": "application/json", **(headers or {})},
        content=content,
        timeout_seconds=TIMEOUT_SECONDS,
        max_bytes=MAX_BYTES,
    )
    try:
        return response.status, response.json()
    except UpstreamFailed:
        return response.status, None
