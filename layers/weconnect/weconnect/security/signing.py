"""The deployment's signing secret: access tokens, refresh tokens and cursors are signed with keys made from it.

The secret's version is the tokens' `kid`; the current and the previous version are accepted, so it can be rotated.
"""

import hashlib
import hmac
import threading
from dataclasses import dataclass

from weconnect import aws, clock
from weconnect.errors import Unavailable
from weconnect.settings import settings

REREAD_SECONDS = 60
MAX_RETRIES_AT_ONCE = 5
RETRY_SECONDS = 1


@dataclass(frozen=True)
class SigningKey:
    """One version of the secret; `id` is the `kid` of its tokens."""

    id: str
    secret: bytes

    def derive_key(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, from which those for another cannot be derived."""
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).digest()


_lock = threading.Lock()
_keys_by_id: dict[str, SigningKey] = {}
_current: SigningKey | None = None
_read_at = 0
_failed_reads = 0
_failed_at = 0


def current_key() -> SigningKey:
    """Return the version that signs; read once per process. Raises Unavailable when it cannot be read."""
    if _current is None:
        with _lock:
            if _current is None:
                _read_versions()
    assert _current
    return _current


def find_key(kid: str) -> SigningKey | None:
    """Return the version named `kid`, or None when the secret has no such version.

    An unknown one is looked up again, but at most once a minute. Raises Unavailable when it cannot be looked up; the
    next call tries again, and after five failures in a row one call a second does.
    """
    if kid not in _keys_by_id:
        with (
            _lock
        ):  # of several callers with an unknown version, one reads and the others find what it has read
            if kid not in _keys_by_id and clock.epoch_seconds() - _read_at >= REREAD_SECONDS:
                _read_versions()
    return _keys_by_id.get(kid)


def _read_versions() -> None:
    """Read the current and the previous version of the secret into this process.

    Only when both were read does that count as a look-up, and do versions that are gone stop being accepted. Raises
    Unavailable.
    """
    global _current, _keys_by_id, _read_at, _failed_reads, _failed_at
    moment = clock.epoch_seconds()
    if _failed_reads >= MAX_RETRIES_AT_ONCE and moment - _failed_at < RETRY_SECONDS:
        raise _build_unavailable()
    try:
        _current = _read_version("AWSCURRENT")
        assert _current, "The signing secret has no current version"
        _keys_by_id = {**_keys_by_id, _current.id: _current}
        previous = _read_version("AWSPREVIOUS")
    except (aws.AwsError, OSError) as error:
        _failed_reads, _failed_at = _failed_reads + 1, moment
        raise _build_unavailable() from error
    _keys_by_id = {key.id: key for key in (_current, previous) if key}
    _read_at, _failed_reads = moment, 0


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


def _build_unavailable() -> Unavailable:
    """Return the Unavailable problem for a secret that cannot be read now."""
    return Unavailable("Credentials cannot be verified at present. Try again shortly.")
