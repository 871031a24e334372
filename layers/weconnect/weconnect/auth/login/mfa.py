"""The second factor: time-based codes (RFC 6238), and recovery codes for who lost the device.

The secret is sealed under the platform's key, because a user belongs to no organization. A code is spent by one
conditional update: a time-based one by moving the last step, a recovery code by leaving the set of the unused.
"""

import base64
import hashlib
import secrets
from hmac import compare_digest

from pynamodb.exceptions import UpdateError

from weconnect import clock, mail
from weconnect.api.caller import Caller
from weconnect.auth.account.schemas import MfaConfirmation, MfaDisabling, MfaEnrollment
from weconnect.auth.login import password_changes, throttling
from weconnect.auth.login.throttling import Attempt
from weconnect.auth.rows import MfaRow, UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.errors import Conflict, Invalid, Unauthenticated
from weconnect.security import encryption

ISSUER = "WeConnect"
RECOVERY_CODES = 10
STEP_SECONDS = 30
STEPS_OFF = 1
"""How many steps a device's clock may be off."""


def enroll(caller: Caller) -> MfaEnrollment:
    """Make a secret and recovery codes, which count once they are confirmed; an older try is forgotten."""
    import pyotp

    sessions.require_open(caller)
    user = table.need(UserRow, UserRow.at(caller.user_id), "user")
    secret = pyotp.random_base32()
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    pk, sk = MfaRow.at(caller.user_id)
    row = MfaRow(
        pk=pk,
        sk=sk,
        secret=encryption.encrypt(
            encryption.PLATFORM, kind="MFA", id=caller.user_id, field="secret", text=secret
        ),
        confirmed=False,
        recovery_codes={_digest(caller.user_id, code) for code in codes},
    )
    is_on = Conflict("The second factor is on; turn it off first", code="mfa_enabled")
    with table.transaction(caller.actor()) as writes:
        off = UserRow.mfa_enabled.does_not_exist() | (UserRow.mfa_enabled == False)  # noqa: E712
        writes.check(UserRow, UserRow.at(caller.user_id), off, is_on)
        writes.put(row)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return MfaEnrollment(secret=secret, uri=uri, recovery_codes=codes)


def confirm(caller: Caller, body: MfaConfirmation) -> None:
    """Turn the second factor on with a first code, which counts for the caller's session."""
    session = sessions.require_open(caller)
    user = table.need(UserRow, UserRow.at(caller.user_id), "user")
    row = table.get(MfaRow, MfaRow.at(caller.user_id))
    if row is None or row.confirmed:
        raise Conflict("There is nothing to confirm; enroll first", code="mfa_not_enrolling")
    step = _step_of(row, caller.user_id, body.code)
    if step is None:
        raise _invalid_code()
    with table.transaction(caller.actor()) as writes:
        writes.change(row, {"confirmed": True, "last_step": step})
        writes.change(user, {"mfa_enabled": True})
        writes.touch(session, {}, {"mfa": True}, missing=sessions.ended())
    _tell(user, "on")


def disable(caller: Caller, body: MfaDisabling) -> None:
    """Turn it off with password and code."""
    user = table.need(UserRow, UserRow.at(caller.user_id), "user")
    if not user.mfa_enabled:
        raise Conflict("The second factor is not on", code="mfa_not_enabled")
    attempt = password_changes.require_password(caller, user, body.password, "/password")
    if not spend(user.id, body.code):
        throttling.failed(attempt)
        raise _invalid_code()
    throttling.passed(attempt)
    row = table.need(MfaRow, MfaRow.at(caller.user_id), "second factor")
    with table.transaction(caller.actor()) as writes:
        writes.delete(row)
        writes.change(user, {"mfa_enabled": False})
    _tell(user, "off")


def require_code(user_id: object, code: str | None, attempt: Attempt) -> None:
    """Take the code of somebody who signs in with the right password; a wrong one counts as a failure."""
    if not code:
        raise Unauthenticated("Send mfaCode: six digits, or a recovery code", code="mfa_required")
    if not spend(user_id, code):
        throttling.failed(attempt)
        raise Unauthenticated("The code is wrong, or was used before", code="invalid_mfa_code")


def spend(user_id: object, code: str) -> bool:
    """Use a code up, once however many try at the same time; False for a wrong or a spent one."""
    row = table.get(MfaRow, MfaRow.at(user_id))
    if row is None or not row.confirmed:
        return False
    if (step := _step_of(row, user_id, code)) is not None:
        later = MfaRow.last_step.does_not_exist() | (MfaRow.last_step < step)
        return table.touch(row, put={"last_step": step}, condition=later)
    digest = _digest(user_id, code)
    try:
        row.update([MfaRow.recovery_codes.delete({digest})], condition=MfaRow.recovery_codes.contains(digest))
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _step_of(row: MfaRow, user_id: object, code: str) -> int | None:
    """The time step that a six-digit code is of, if it is one of those around now."""
    import pyotp

    digits = code.replace(" ", "")
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    secret = encryption.decrypt(
        encryption.PLATFORM, kind="MFA", id=str(user_id), field="secret", sealed=row.secret
    )
    now, hotp = clock.epoch() // STEP_SECONDS, pyotp.HOTP(secret)
    steps = range(now - STEPS_OFF, now + STEPS_OFF + 1)
    found = [step for step in steps if compare_digest(hotp.at(step), digits)]
    return found[-1] if found else None


def _new_code() -> str:
    """80 random bits in groups of four letters and digits."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def _digest(user_id: object, code: str) -> str:
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(f"{user_id} {plain}".encode()).hexdigest()


def _tell(user: UserRow, state: str) -> None:
    lines = [
        f"Hello {user.first_name},",
        "",
        f"the second factor of your WeConnect account was turned {state}.",
        "If this was not you, change your password now.",
        "",
    ]
    mail.send(user.email, f"Your second factor was turned {state}", "\n".join(lines))


def _invalid_code() -> Invalid:
    detail = "The code is wrong, or was used before"
    return Invalid(detail, code="invalid_mfa_code", errors=[{"pointer": "/code", "detail": detail}])
