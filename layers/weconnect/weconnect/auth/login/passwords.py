"""Passwords: which are accepted, how they are hashed.

bcrypt takes 72 bytes and no more, so what it gets is the base64 of the password's SHA-256: 44 bytes, whatever
the length, and no zero byte among them.
"""

import base64
import hashlib
import unicodedata
from functools import cache
from pathlib import Path

import bcrypt

from weconnect.errors import Invalid
from weconnect.settings import settings

MIN_LENGTH = 10
MAX_LENGTH = 1_000


def check(password: str, email: str, pointer: str = "/password") -> None:
    """Refuse a password that is among the most common ones or is the e-mail address (422 `weak_password`)."""
    plain = _normal(password).casefold()
    if plain in _common():
        _refuse("This password is one of the most common ones; choose another", pointer)
    if plain in (email.casefold(), email.casefold().partition("@")[0]):
        _refuse("The password must not be the e-mail address; choose another", pointer)


def hashed(password: str) -> str:
    """The bcrypt hash to store."""
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(settings.bcrypt_cost)).decode()


def matches(password: str, stored: str | None) -> bool:
    """Whether `password` is the one behind `stored`; costs the same when there is none."""
    return bcrypt.checkpw(_digest(password), (stored or _nobodys()).encode()) and stored is not None


def _nobodys() -> str:
    """A hash of nothing, of today's cost: valid in form, made without the work."""
    return f"$2b${settings.bcrypt_cost:02d}${'.' * 53}"


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(_normal(password).encode()).digest())


def _normal(password: str) -> str:
    """NFKC, as NIST SP 800-63B advises: two keyboards may spell one character differently."""
    return unicodedata.normalize("NFKC", password)


@cache
def _common() -> frozenset[str]:
    return frozenset((Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split())


def _refuse(detail: str, pointer: str) -> None:
    raise Invalid(detail, code="weak_password", errors=[{"pointer": pointer, "detail": detail}])
