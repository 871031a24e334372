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
    """One version of the secret; `id` is the `kid` of its tokens."""

    id: str
    secret: bytes

    def derive_key(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, from which those for another cannot be derived."""
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).digest()


_keys_by_id: dict[str, SigningKey] = {}
_current: SigningKey | None = None
_read_at = 0


def current_key() -> SigningKey:
    """Return the version that signs; read once per process."""
    if _current is None:
        _read_versions()
    assert _current
    return _current


def find_key(kid: str) -> SigningKey | None:
    """Return the version named `kid`, or None. An unknown one is looked up again, but at most once a minute."""
    if kid not in _keys_by_id and clock.epoch_seconds() - _read_at >= REREAD_SECONDS:
        _read_versions()
    return _keys_by_id.get(kid)


def _read_versions() -> None:
    """Read the current and the previous version of the secret into this process."""
    global _current, _read_at
    _read_at = clock.epoch_seconds()
    _current = _read_version("AWSCURRENT")
    assert _current, "The signing secret has no current version"
    _keys_by_id.clear()
    _keys_by_id[_current.id] = _current
    if previous := _read_version("AWSPREVIOUS"):
        _keys_by_id[previous.id] = previous


def _read_version(stage: str) -> SigningKey | None:
    """Return the secret's version at a stage such as `AWSCURRENT`; None without a previous one."""
    try:
        response = aws.call(
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            {"SecretId": settings.signing_secret_arn, "VersionStage": stage},
        )
    except aws.AwsError as error:
        if error.code == "ResourceNotFoundException" and stage == "AWSPREVIOUS":
            return None
        raise
    return SigningKey(id=response["VersionId"], secret=response["SecretString"].encode())
