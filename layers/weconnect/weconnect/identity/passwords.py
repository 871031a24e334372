"""Passwords: the rules for new ones, and their hashes.

bcrypt accepts at most 72 bytes, so it gets the base64 of the password's SHA-256: 44 bytes, whatever the length of the
password, and no zero byte among them.
"""

import base64
import hashlib
import unicodedata
from functools import cache
from pathlib import Path

import bcrypt

from weconnect.identity.errors import WeakPassword
from weconnect.settings import settings

MIN_LENGTH = 10
MAX_LENGTH = 1_000


def refuse_weak(password: str, email: str, pointer: str = "/password") -> None:
    """Raise WeakPassword for one of the most common passwords, or for the e-mail address as the password."""
    plain = _normalize(password).casefold()
    if plain in _load_common_passwords():
        raise WeakPassword("This password is one of the most common ones. Choose another.", pointer=pointer)
    if plain in (email.casefold(), email.casefold().partition("@")[0]):
        raise WeakPassword("The password must not be the e-mail address. Choose another.", pointer=pointer)


def hash_password(password: str) -> str:
    """Return the bcrypt hash of a password."""
    return bcrypt.hashpw(_prehash_password(password), bcrypt.gensalt(settings.bcrypt_cost)).decode()


def is_match(password: str, password_hash: str | None) -> bool:
    """Return whether `password` has this bcrypt hash; without a hash, return False after the same work."""
    candidate_hash = (password_hash or _create_unmatchable_hash()).encode()
    return bcrypt.checkpw(_prehash_password(password), candidate_hash) and password_hash is not None


def _create_unmatchable_hash() -> str:
    """Return a valid bcrypt hash of the configured cost that no password matches, made without hashing."""
    return f"$2b${settings.bcrypt_cost:02d}${'.' * 53}"


def _prehash_password(password: str) -> bytes:
    """Return the base64 of the normalized password's SHA-256: 44 bytes, which bcrypt accepts."""
    return base64.b64encode(hashlib.sha256(_normalize(password).encode()).digest())


def _normalize(password: str) -> str:
    """Return the password in NFKC, as NIST SP 800-63B advises: two keyboards may spell one character differently."""
    return unicodedata.normalize("NFKC", password)


@cache
def _load_common_passwords() -> frozenset[str]:
    """Return the most common passwords from the file beside this module."""
    return frozenset((Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split())
