"""Access tokens (JWT, signed with HS256) and refresh tokens (an HMAC over their content). Neither is stored.

The authorizer imports this module at every cold start. HS256 is one HMAC of the standard library, so that neither PyJWT
nor `cryptography` is loaded for it. Verification accepts only the form that `sign_access_token` writes.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.auth.errors import AccessTokenExpired, InvalidAccessToken, InvalidRefreshToken
from weconnect.security import signing

ACCESS_SECONDS = 15 * 60
SKEW_SECONDS = 60
MAX_TOKEN_LENGTH = 16_384
"""More than a gateway accepts in one header (10,240 bytes), so that no token that arrives is refused for its length."""


@dataclass(frozen=True)
class AccessClaims:
    """The content of an access token: the user, the organization they act in, and their permissions there."""

    user_id: str
    session_id: str
    organization_id: str
    role: str
    permissions: tuple[str, ...]
    has_second_factor: bool = False
    is_operator: bool = False
    user_role: str = "user"
    lacks_second_factor: bool = False
    is_sso: bool = False


def sign_access_token(access: AccessClaims) -> str:
    """Return a signed token for `access` that is valid for 15 minutes."""
    moment = clock.epoch_seconds()
    claims: dict[str, Any] = {
        "sub": access.user_id,
        "sid": access.session_id,
        "org": access.organization_id,
        "role": access.role,
        "perms": list(access.permissions),
        "mfa": access.has_second_factor,
        "iat": moment,
        "exp": moment + ACCESS_SECONDS,
    }
    if access.is_operator:
        claims["op"] = True
    if access.user_role != "user":
        claims["urole"] = access.user_role
    if access.lacks_second_factor:
        claims["enroll"] = True
    if access.is_sso:
        claims["sso"] = True
    secret = signing.current_key()
    header = {"alg": "HS256", "kid": secret.id, "typ": "JWT"}
    content = f"{_encode_json(header)}.{_encode_json(claims)}"
    return f"{content}.{_encode(_sign_hs256(secret, content))}"


def verify_access_token(token: str) -> AccessClaims:
    """Return the content of an access token after verifying it.

    Raises AccessTokenExpired, or InvalidAccessToken for every other defect, without saying which one it is.
    """
    try:
        claims = _verify_claims(token)
        issued, expires = claims["iat"], claims["exp"]
        if type(issued) is not int or type(expires) is not int:  # a bool is an int for isinstance
            raise ValueError("times are not whole seconds")
        access = AccessClaims(
            user_id=str(UUID(claims["sub"])),
            session_id=str(UUID(claims["sid"])),
            organization_id=str(UUID(claims["org"])),
            role=str(claims["role"]),
            permissions=tuple(str(permission) for permission in claims["perms"]),
            has_second_factor=claims.get("mfa") is True,
            is_operator=claims.get("op") is True,
            user_role=str(claims.get("urole", "user")),
            lacks_second_factor=claims.get("enroll") is True,
            is_sso=claims.get("sso") is True,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidAccessToken() from error
    moment = clock.epoch_seconds()
    if issued > moment + SKEW_SECONDS:
        raise InvalidAccessToken()
    if expires <= moment:
        raise AccessTokenExpired("The access token has expired. Refresh it.")
    return access


def _verify_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token in the compact form of RFC 7515; raise ValueError unless we signed it with HS256."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise ValueError("the token is too long")
    head, body, signature = token.split(".")
    header = json.loads(_decode(head))
    if set(header) != {"alg", "kid", "typ"} or header["alg"] != "HS256" or header["typ"] != "JWT":
        raise ValueError("the header is not ours")
    secret = signing.find_key(header["kid"]) if isinstance(header["kid"], str) else None
    if secret is None:
        raise ValueError("the key is unknown")
    if not hmac.compare_digest(_decode(signature), _sign_hs256(secret, f"{head}.{body}")):
        raise ValueError("the signature does not match")
    claims = json.loads(_decode(body))
    if not isinstance(claims, dict):
        raise ValueError("the claims are not an object")
    return claims


def sign_refresh_token(user_id: UUID, session_id: UUID, generation: int) -> str:
    """Return the refresh token of a generation of a session: the same token each time."""
    secret = signing.current_key()
    body = user_id.bytes + session_id.bytes + generation.to_bytes(4)
    return f"{_encode(body + _compute_refresh_mac(secret, body))}.{secret.id}"


def verify_refresh_token(token: str) -> tuple[UUID, UUID, int]:
    """Return the user, the session and the generation of a refresh token; raise InvalidRefreshToken."""
    text, _, kid = token.partition(".")
    try:
        raw = _decode(text)
    except ValueError:
        raw = b""
    secret = signing.find_key(kid) if len(raw) == 68 else None
    if secret is None or not hmac.compare_digest(raw[36:], _compute_refresh_mac(secret, raw[:36])):
        raise InvalidRefreshToken("The refresh token is not valid. Sign in again.")
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), int.from_bytes(raw[32:36])


def void_signature(token: str) -> str:
    """Return an access or refresh token in its form, with a random signature, which opens nothing."""
    parts = token.split(".")
    at = 2 if len(parts) == 3 else 0
    raw = _decode(parts[at])
    parts[at] = _encode(raw[:-32] + secrets.token_bytes(32))
    return ".".join(parts)


def _sign_hs256(secret: signing.SigningKey, content: str) -> bytes:
    """Return the HMAC-SHA256 of an access token's `header.payload` (ASCII)."""
    return hmac.digest(secret.derive_key("access"), content.encode("ascii"), hashlib.sha256)


def _compute_refresh_mac(secret: signing.SigningKey, body: bytes) -> bytes:
    """Return the HMAC-SHA256 of a refresh token's content."""
    return hmac.digest(secret.derive_key("refresh"), body, hashlib.sha256)


def _encode_json(value: dict[str, Any]) -> str:
    """Return the compact JSON of a value in base64url without padding."""
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(raw: bytes) -> str:
    """Return bytes in base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515); raise ValueError for any other spelling of the same bytes."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
