"""The deployment's signing secret: access tokens, refresh tokens and cursors are signed with keys made from it.

The secret's version is the tokens' `kid`; the current and the previous version are accepted, so it can be rotated.
"""

import hashlib
import hmac
from dataclasses import dataclass

from weconnect import aws, clock
from weconnect.settings import settings

REREAD_SECONDS = 60


@dataclass(frozen=True)
class SigningKey:
    """One version of the secret."""

    id: str
    secret: bytes

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose, of which none tells another."""
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).digest()


_known: dict[str, SigningKey] = {}
_current: SigningKey | None = None
_read_at = 0


def current() -> SigningKey:
    """The version that signs; read once per process."""
    if _current is None:
        _read()
    assert _current
    return _current


def by_id(kid: str) -> SigningKey | None:
    """The version named `kid`; an unknown one makes us look again, but at most once a minute."""
    if kid not in _known and clock.epoch() - _read_at >= REREAD_SECONDS:
        _read()
    return _known.get(kid)


def _read() -> None:
    global _current, _read_at
    _read_at = clock.epoch()
    _current = _version("AWSCURRENT")
    assert _current, "The signing secret has no current version"
    _known.clear()
    _known[_current.id] = _current
    if previous := _version("AWSPREVIOUS"):
        _known[previous.id] = previous


def _version(stage: str) -> SigningKey | None:
    try:
        found = aws.call(
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            {"SecretId": settings.signing_secret_arn, "VersionStage": stage},
        )
    except aws.AwsError as error:
        if error.code == "ResourceNotFoundException" and stage == "AWSPREVIOUS":
            return None
        raise
    return SigningKey(id=found["VersionId"], secret=found["SecretString"].encode())
