"""Confirmation of what nobody can take back, by the person at the keyboard: an open browser is not enough.

It is asked for where the caller cannot undo the operation: deleting the account, making an owner, purging an
organization, and a second factor, which would keep the account's holder out. Attempts count as sign-ins do. An API
key never gets here: its routes are for people.
"""

from weconnect.api.caller import Caller
from weconnect.auth.errors import ConfirmationRequired, InvalidMfaCode, SessionEnded, SignInAgain
from weconnect.auth.login import mfa, password_changes, throttling
from weconnect.auth.schemas import Confirmation
from weconnect.auth.sessions import sign_in_methods
from weconnect.db import table
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import SessionRow, UserRow

FRESH_SECONDS = 5 * 60


def require_confirmation(caller: Caller, body: Confirmation | None) -> None:
    """Raise an error unless the body has the caller's password or a code of their second factor.

    Who has neither, because an identity provider created the account, must have signed in within the last five minutes.
    Raises ConfirmationRequired, WrongPassword, InvalidMfaCode, SignInAgain or TooManyAttempts.
    """
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    if body and body.password is not None:
        attempt = password_changes.require_password(caller, user, body.password, "/password")
        throttling.record_success(attempt)
    elif body and body.mfa_code is not None:
        attempt = throttling.begin_attempt(user.email, caller.request.ip)
        if not attempt.is_account_open or not mfa.spend_code(user.id, body.mfa_code):
            throttling.record_failure(attempt)
            raise InvalidMfaCode(pointer="/mfaCode")
        throttling.record_success(attempt)
    elif user.password_changed_at or user.mfa_enabled:
        raise ConfirmationRequired(
            "Send your `password`, or an `mfaCode` of your second factor, in the body."
        )
    else:
        _require_fresh_session(caller)


def _require_fresh_session(caller: Caller) -> None:
    """Raise SignInAgain unless the caller's session was opened within the last five minutes."""
    session = table.get(SessionRow, SessionRow.at(caller.user_id, caller.session_id))
    if session is None:
        raise SessionEnded()
    if sign_in_methods.build_facts(session).age_seconds > FRESH_SECONDS:
        raise SignInAgain("This needs a sign-in of the last five minutes. Sign in again, then repeat it.")
