"""Forgotten passwords, and changes of passwords.

Everybody who requests a reset gets the same response after the same work. A mail goes to the address either way; to an
address without an account it says so.
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from weconnect import clock, mail
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.errors import InvalidOneTimeToken, WrongPassword
from weconnect.auth.login import one_time_tokens, throttling
from weconnect.auth.login.throttling import Attempt
from weconnect.auth.rows import MfaRow
from weconnect.auth.schemas import MailRequest, PasswordChange, PasswordReset
from weconnect.db import table
from weconnect.identity import mail_limits, passwords, sessions
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import NO_USER_ID, UserRow
from weconnect.identity.verified_addresses import is_unproved_account_of_provider, is_verified
from weconnect.organizations import creation
from weconnect.settings import settings

PURPOSE = "reset_password"
TOKEN_SECONDS = 3_600

NO_ACCOUNT_TEXT = """Hello,

someone requested a mail from WeConnect to this address, but it has no account.
If it was you, try the address that you registered with. Otherwise ignore this mail.
"""


def send_reset_token(body: MailRequest, request: RequestInfo) -> None:
    """Mail a token that sets a new password, or a note that the address has no account. Raises TooManyAttempts."""
    if not mail_limits.count_requested_mail(body.email, request.ip, "RESET"):
        return
    row = users.find_by_email(body.email)
    user_id = row.id if row and row.is_active else NO_USER_ID
    token, token_row = one_time_tokens.build_token(PURPOSE, user_id, body.email, TOKEN_SECONDS)
    table.create(token_row, request.actor(user_id))
    text = NO_ACCOUNT_TEXT if user_id == NO_USER_ID else _compose_reset_text(token)
    mail.send(body.email, "Your WeConnect password", text)


def reset_password(body: PasswordReset, request: RequestInfo) -> None:
    """Set a new password with a token from a mail, which proves the address; end all sessions, forget failed sign-ins.

    An account whose address was not proved before loses all that another person may have set up in it, the second
    factor included, and one that an identity provider created gets a personal organization of its own. Raises
    InvalidOneTimeToken, WeakPassword.
    """
    token_row = one_time_tokens.load_token(body.token, PURPOSE)
    row = table.get(UserRow, UserRow.at(token_row.user_id))
    if row is None or not row.is_active or row.email != token_row.email:
        raise InvalidOneTimeToken()
    if predates_password(token_row.created_at, row):
        raise InvalidOneTimeToken()
    passwords.refuse_weak(body.password, row.email)
    values: dict[str, Any] = _build_password_values(body.password)
    is_first_proof, made_by_provider = not is_verified(row), is_unproved_account_of_provider(row)
    if is_first_proof:
        values |= users.build_verified_values(row, row.email)
    refuge = creation.draft_personal_organization(row) if made_by_provider else None

    def end_access() -> None:
        """End the sessions, and what was set up before the address was proved."""
        sessions.end_sessions(row.id)
        if is_first_proof:
            from weconnect.auth.account import takeover  # cold start

            takeover.drop_access(row.id, row.email, request, made_by_provider=made_by_provider)

    end_access()  # also before the change, so that an interruption leaves nobody signed in and nothing behind
    with table.transaction(request.actor(row.id)) as writes:
        writes.delete(token_row, if_refused=InvalidOneTimeToken())
        if refuge:
            values |= refuge.add_as_refuge(writes)
        if is_first_proof:
            writes.discard(MfaRow(*MfaRow.at(row.id)))
            values["mfa_enabled"] = False
        writes.change(row, values)
    end_access()
    throttling.start_anew(row.email, request.ip)
    _notify_password_changed(row, request.ip)


def change_password(caller: Caller, body: PasswordChange) -> None:
    """Set a new password with the current one and end the caller's other sessions.

    Raises WrongPassword, WeakPassword or TooManyAttempts.
    """
    row = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    attempt = require_password(caller, row, body.current_password, "/currentPassword")
    throttling.record_success(attempt)
    passwords.refuse_weak(body.new_password, row.email, "/newPassword")
    sessions.end_sessions(caller.user_id, except_session_id=caller.session_id)
    table.change(row, _build_password_values(body.new_password), caller.actor())
    sessions.end_sessions(caller.user_id, except_session_id=caller.session_id)
    _notify_password_changed(row, caller.request.ip)


def require_password(caller: Caller, row: UserRow, password: str, pointer: str) -> Attempt:
    """Raise WrongPassword unless `password` is the caller's; each failure counts as a failed sign-in.

    The caller of this function passes the attempt to `throttling.record_success` once all other checks passed too.
    """
    attempt = throttling.begin_attempt(row.email, caller.request.ip)
    if not passwords.is_match(password, row.password) or not attempt.is_account_open:
        throttling.record_failure(attempt)
        raise WrongPassword(pointer=pointer)
    return attempt


def predates_password(created_at: str | None, row: UserRow) -> bool:
    """Return whether a token was created before the user's password was last changed."""
    if not created_at or not row.password_changed_at:
        return False
    return datetime.fromisoformat(created_at) < datetime.fromisoformat(row.password_changed_at)


def _build_password_values(password: str) -> dict[str, str]:
    """Return the attributes of a user that a new password changes: its hash, and the time."""
    return {"password": passwords.hash_password(password), "password_changed_at": clock.iso(clock.now())}


def _compose_reset_text(token: str) -> str:
    """Return the text of the mail that carries the token for a new password."""
    lines = [
        "Hello,",
        "",
        "someone requested a new password for your WeConnect account. Set it within an hour.",
    ]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/reset-password?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.find_base_url():
        body = f'{{"token": "{token}", "password": "…"}}'
        command = f"curl -X POST {url}/v1/auth/reset-password -H 'content-type: application/json' -d '{body}'"
        lines += ["", "Or paste this into a terminal, with your new password:", "", command]
    return "\n".join([*lines, "", "If it was not you, ignore this mail: nothing has changed.", ""])


def _notify_password_changed(row: UserRow, ip: str) -> None:
    """Mail a user that the password was changed at `ip`."""
    if not mail_limits.count_notice_to(row.email, ip, is_verified=row.email_verified):
        return
    lines = [
        f"Hello {mail.to_safe_name(row.first_name)},",
        "",
        "the password of your WeConnect account was changed, and you were signed out everywhere else.",
        "If this was not you, request a new password now.",
        "",
    ]
    mail.send(row.email, "Your password was changed", "\n".join(lines))
