"""Access tokens (JWT, HS256) and refresh tokens (an HMAC over what they name). Nothing of either is stored.

The authorizer imports this on every cold start, so PyJWT is loaded without `cryptography`, which HS256
does not need.
"""

import base64
import binascii
import hashlib
import hmac
import importlib
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.errors import Unauthenticated
from weconnect.security import signing

ACCESS_SECONDS = 15 * 60
SKEW_SECONDS = 60
REQUIRED = ["sub", "sid", "org", "role", "perms", "iat", "exp"]


def _load_jwt() -> ModuleType:
    if "jwt" in sys.modules or "cryptography" in sys.modules:
        return importlib.import_module("jwt")
    sys.modules["cryptography"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("jwt")
    finally:
        del sys.modules["cryptography"]


_jwt = _load_jwt()


@dataclass(frozen=True)
class Access:
    """What an access token says: who, in which organization, with which permissions."""

    user_id: str
    session_id: str
    organization_id: str
    role: str
    permissions: tuple[str, ...]
    mfa: bool = False
    operator: bool = False
    user_role: str = "user"
    needs_second_factor: bool = False
    sso: bool = False


def sign_access(access: Access) -> str:
    """Make a token for `access` that lasts 15 minutes."""
    moment = clock.epoch()
    claims: dict[str, Any] = {
        "sub": access.user_id,
        "sid": access.session_id,
        "org": access.organization_id,
        "role": access.role,
        "perms": list(access.permissions),
        "mfa": access.mfa,
        "iat": moment,
        "exp": moment + ACCESS_SECONDS,
    }
    if access.operator:
        claims["op"] = True
    if access.user_role != "user":
        claims["urole"] = access.user_role
    if access.needs_second_factor:
        claims["enroll"] = True
    if access.sso:
        claims["sso"] = True
    secret = signing.current()
    return str(_jwt.encode(claims, secret.key("access"), "HS256", headers={"kid": secret.id}))


def read_access(token: str) -> Access:
    """Verify a token; raises Unauthenticated (`token_expired`, else `invalid_token`)."""
    try:
        kid = _jwt.get_unverified_header(token).get("kid")
        secret = signing.by_id(kid) if isinstance(kid, str) else None
        if secret is None:
            raise Unauthenticated("The access token is signed with an unknown key", code="invalid_token")
        checks = {"require": REQUIRED, "verify_exp": False, "verify_iat": False}
        claims = _jwt.decode(token, secret.key("access"), algorithms=["HS256"], options=checks)
        issued, expires = int(claims["iat"]), int(claims["exp"])
        access = Access(
            user_id=str(UUID(claims["sub"])),
            session_id=str(UUID(claims["sid"])),
            organization_id=str(UUID(claims["org"])),
            role=str(claims["role"]),
            permissions=tuple(str(word) for word in claims["perms"]),
            mfa=claims.get("mfa") is True,
            operator=claims.get("op") is True,
            user_role=str(claims.get("urole", "user")),
            needs_second_factor=claims.get("enroll") is True,
            sso=claims.get("sso") is True,
        )
    except (_jwt.InvalidTokenError, ValueError, TypeError, AttributeError) as error:
        raise Unauthenticated("The access token is not valid", code="invalid_token") from error
    moment = clock.epoch()
    if issued > moment + SKEW_SECONDS:
        raise Unauthenticated("The access token is not valid yet", code="invalid_token")
    if expires <= moment:
        raise Unauthenticated("The access token has expired; refresh it", code="token_expired")
    return access


def sign_refresh(user_id: UUID, session_id: UUID, generation: int) -> str:
    """Make the one refresh token that belongs to a generation of a session: the same each time."""
    secret = signing.current()
    body = user_id.bytes + session_id.bytes + generation.to_bytes(4)
    return f"{_encode(body + _mac(secret, body))}.{secret.id}"


def read_refresh(token: str) -> tuple[UUID, UUID, int]:
    """User, session and generation of a refresh token; raises Unauthenticated (`invalid_refresh_token`)."""
    text, _, kid = token.partition(".")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    secret = signing.by_id(kid) if len(raw) == 68 else None
    if secret is None or not hmac.compare_digest(raw[36:], _mac(secret, raw[:36])):
        raise Unauthenticated("The refresh token is not valid; sign in again", code="invalid_refresh_token")
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), int.from_bytes(raw[32:36])


def _mac(secret: signing.SigningKey, body: bytes) -> bytes:
    return hmac.digest(secret.key("refresh"), body, hashlib.sha256)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
