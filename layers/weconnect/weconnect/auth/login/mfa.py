"""The second factor: time-based codes (RFC 6238), and recovery codes for a lost device.

The secret is encrypted with the platform's key, because a user belongs to no organization. One conditional update uses
a code up: a time-based code by moving the last step, a recovery code by leaving the set of unused ones.
"""

import base64
import hashlib
import secrets
from hmac import compare_digest

import pyotp
from pynamodb.exceptions import UpdateError

from weconnect import clock, mail
from weconnect.api.caller import Caller
from weconnect.auth.errors import (
    InvalidMfaCode,
    MfaAlreadyEnabled,
    MfaNotEnabled,
    MfaNotEnrolling,
    MfaRequired,
    SecondFactorNotFound,
    SessionEnded,
    WrongMfaCode,
)
from weconnect.auth.login import password_changes, throttling
from weconnect.auth.login.throttling import Attempt
from weconnect.auth.rows import MfaRow
from weconnect.auth.schemas import MfaConfirmation, MfaDisabling, MfaEnrollment
from weconnect.db import table
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import SessionRow, UserRow
from weconnect.identity.verified_addresses import require_verified
from weconnect.security import encryption

ISSUER = "WeConnect"
RECOVERY_CODES = 10
STEP_SECONDS = 30
MAX_STEPS_OFF = 1
"""The steps by which a device's clock may be wrong."""


def enroll(caller: Caller) -> MfaEnrollment:
    """Create a secret and recovery codes, which take effect once `confirm` got a first code.

    Replaces an earlier enrollment that was not confirmed. Raises MfaAlreadyEnabled or EmailNotVerified.
    """
    user = require_verified(caller.user_id, "turn a second factor on")
    secret = pyotp.random_base32()
    codes = [_create_recovery_code() for _ in range(RECOVERY_CODES)]
    pk, sk = MfaRow.at(caller.user_id)
    row = MfaRow(
        pk=pk,
        sk=sk,
        secret=encryption.encrypt(
            encryption.PLATFORM, kind="MFA", id=caller.user_id, field="secret", text=secret
        ),
        confirmed=False,
        recovery_codes={_hash_recovery_code(caller.user_id, code) for code in codes},
    )
    is_off = UserRow.mfa_enabled.does_not_exist() | (UserRow.mfa_enabled == False)  # noqa: E712
    with table.transaction(caller.actor()) as writes:
        writes.check(
            UserRow,
            UserRow.at(caller.user_id),
            is_off,
            MfaAlreadyEnabled("The second factor is on. Turn it off first."),
        )
        writes.put(row)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return MfaEnrollment(secret=secret, uri=uri, recovery_codes=codes)


def confirm(caller: Caller, body: MfaConfirmation) -> None:
    """Turn the second factor on with a first code, which counts for the caller's session as well.

    Raises MfaNotEnrolling or InvalidMfaCode.
    """
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    row = table.get(MfaRow, MfaRow.at(caller.user_id))
    if row is None or row.confirmed:
        raise MfaNotEnrolling("No second factor waits for confirmation. Enroll one first.")
    step = _find_matching_step(row, caller.user_id, body.code)
    if step is None:
        raise InvalidMfaCode(pointer="/code")
    session = SessionRow(*SessionRow.at(caller.user_id, caller.session_id))
    with table.transaction(caller.actor()) as writes:
        writes.change(row, {"confirmed": True, "last_step": step})
        writes.change(user, {"mfa_enabled": True})
        writes.touch(session, {}, {"mfa": True}, if_missing=SessionEnded())
    _notify_state_changed(user, "on")


def disable(caller: Caller, body: MfaDisabling) -> None:
    """Turn the second factor off with password and code. Raises MfaNotEnabled, WrongPassword or InvalidMfaCode."""
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    if not user.mfa_enabled:
        raise MfaNotEnabled()
    attempt = password_changes.require_password(caller, user, body.password, "/password")
    if not spend_code(user.id, body.code):
        throttling.record_failure(attempt)
        raise InvalidMfaCode(pointer="/code")
    throttling.record_success(attempt)
    row = table.require(MfaRow, MfaRow.at(caller.user_id), SecondFactorNotFound)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row)
        writes.change(user, {"mfa_enabled": False})
    _notify_state_changed(user, "off")


def require_code(user_id: object, code: str | None, attempt: Attempt) -> None:
    """Use up the code of a user who signs in with the right password; a wrong code counts as a failed attempt.

    Raises MfaRequired without a code, and WrongMfaCode.
    """
    if not code:
        raise MfaRequired("Send mfaCode: six digits, or a recovery code.")
    if not spend_code(user_id, code):
        throttling.record_failure(attempt)
        raise WrongMfaCode()


def spend_code(user_id: object, code: str) -> bool:
    """Use up a code, once even under concurrent requests; return False when it is wrong or was used before."""
    row = table.get(MfaRow, MfaRow.at(user_id))
    if row is None or not row.confirmed:
        return False
    if (step := _find_matching_step(row, user_id, code)) is not None:
        is_later = MfaRow.last_step.does_not_exist() | (MfaRow.last_step < step)
        return table.touch(row, put={"last_step": step}, condition=is_later)
    digest = _hash_recovery_code(user_id, code)
    try:
        row.update([MfaRow.recovery_codes.delete({digest})], condition=MfaRow.recovery_codes.contains(digest))
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _find_matching_step(row: MfaRow, user_id: object, code: str) -> int | None:
    """Return the time step that a six-digit code belongs to, if it is one of those around now."""
    digits = code.replace(" ", "")
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    secret = encryption.decrypt(
        encryption.PLATFORM, kind="MFA", id=str(user_id), field="secret", sealed=row.secret
    )
    now, hotp = clock.epoch_seconds() // STEP_SECONDS, pyotp.HOTP(secret)
    steps = range(now - MAX_STEPS_OFF, now + MAX_STEPS_OFF + 1)
    matches = [step for step in steps if compare_digest(hotp.at(step), digits)]
    return matches[-1] if matches else None


def _create_recovery_code() -> str:
    """Return 80 random bits in groups of four letters and digits: `k3vq-…`."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def _hash_recovery_code(user_id: object, code: str) -> str:
    """Return the SHA-256 in hex of a user's recovery code, which ignores case and hyphens."""
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(f"{user_id} {plain}".encode()).hexdigest()


def _notify_state_changed(user: UserRow, state: str) -> None:
    """Mail a user that the second factor was turned `state` (`on` or `off`)."""
    lines = [
        f"Hello {mail.to_safe_name(user.first_name)},",
        "",
        f"the second factor of your WeConnect account was turned {state}.",
        "If this was not you, change your password now.",
        "",
    ]
    mail.send(user.email, f"Your second factor was turned {state}", "\n".join(lines))
