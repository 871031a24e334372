"""Passwords that were forgotten, and passwords that are changed.

Whoever asks for a reset gets the same answer after the same work: there is a mail to the address either way, which says
that there is no account where there is none.
"""

from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from weconnect import clock, mail
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.account.schemas import MailRequest, PasswordChange, PasswordReset
from weconnect.auth.login import one_time_tokens, passwords, throttling
from weconnect.auth.login.throttling import Attempt
from weconnect.auth.rows import UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.errors import Invalid
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow
from weconnect.settings import settings

PURPOSE = "reset_password"
TOKEN_SECONDS = 3_600


def forgot(body: MailRequest, request: RequestInfo) -> None:
    """Mail a token that sets a new password."""
    if not throttling.take_mail(body.email, request.ip):
        return
    row = users.by_email(body.email)
    user_id = row.id if row and row.is_active else users.NOBODY
    token, token_row = one_time_tokens.new(PURPOSE, user_id, body.email, TOKEN_SECONDS)
    table.create(token_row, request.actor(user_id))
    known = user_id != users.NOBODY
    text = _text(token) if known else NO_ACCOUNT
    mail.send(body.email, "Your WeConnect password", text)


def reset(body: PasswordReset, request: RequestInfo) -> None:
    """Set a new password with a token, once, and end all sessions."""
    found = one_time_tokens.find(body.token, PURPOSE)
    row = table.get(UserRow, UserRow.at(found.user_id))
    if row is None or not row.is_active or row.email != found.email or is_older(found.created_at, row):
        raise one_time_tokens.invalid()
    passwords.check(body.password, row.email)
    sessions.end_all(row.id)  # before as well, so that who is cut off leaves nobody signed in
    with table.transaction(request.actor(row.id)) as writes:
        writes.delete(found, refused=one_time_tokens.invalid())
        writes.change(row, _values(body.password))
    sessions.end_all(row.id)
    if not row.email_verified:
        _end_keys(row, request)
    _tell(row)


def change(caller: Caller, body: PasswordChange) -> None:
    """Set a new password with the old one, and end the caller's other sessions."""
    row = table.need(UserRow, UserRow.at(caller.user_id), "user")
    attempt = require_password(caller, row, body.current_password, "/currentPassword")
    throttling.passed(attempt)
    passwords.check(body.new_password, row.email, "/newPassword")
    sessions.end_all(caller.user_id, but=caller.session_id)
    table.change(row, _values(body.new_password), caller.actor())
    sessions.end_all(caller.user_id, but=caller.session_id)
    _tell(row)


def require_password(caller: Caller, row: UserRow, password: str, pointer: str) -> Attempt:
    """Refuse a wrong password of somebody who is signed in; each counts as a failed sign-in would.

    Whoever asks for nothing more says `throttling.passed` with what this answers.
    """
    attempt = throttling.begin(row.email, caller.request.ip)
    if not passwords.matches(password, row.password) or not attempt.account_open:
        throttling.failed(attempt)
        detail = "This is not your password"
        raise Invalid(detail, code="wrong_password", errors=[{"pointer": pointer, "detail": detail}])
    return attempt


NO_ACCOUNT = """Hello,

somebody asked for a mail from WeConnect to this address. There is no account with it.
If it was you, try the address that you registered with; else ignore this mail.
"""


def _end_keys(row: UserRow, request: RequestInfo) -> None:
    """Revoke all keys of a user whose address nobody had proved before: who registered with it may be another."""
    for member in MemberRow.gsi1.query(MemberRow.of_user(row.id)):
        membership.end_keys(request.actor(row.id), UUID(member.organization_id), UUID(row.id))


def _values(password: str) -> dict[str, str]:
    return {"password": passwords.hashed(password), "password_changed_at": clock.iso(clock.now())}


def is_older(made_at: str | None, row: UserRow) -> bool:
    """Whether a token was made before the password was last changed."""
    if not made_at or not row.password_changed_at:
        return False
    return datetime.fromisoformat(made_at) < datetime.fromisoformat(row.password_changed_at)


def _text(token: str) -> str:
    lines = [
        "Hello,",
        "",
        "somebody asked for a new password of your WeConnect account. Set it within an hour.",
    ]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/reset-password?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.base_url():
        body = f'{{"token": "{token}", "password": "…"}}'
        command = f"curl -X POST {url}/v1/auth/reset-password -H 'content-type: application/json' -d '{body}'"
        lines += ["", "Or paste this into a terminal, with a password of yours:", "", command]
    return "\n".join([*lines, "", "If it was not you, ignore this mail: nothing has changed.", ""])


def _tell(row: UserRow) -> None:
    lines = [
        f"Hello {row.first_name},",
        "",
        "the password of your WeConnect account was changed, and you were signed out elsewhere.",
        "If this was not you, ask for a new one now.",
        "",
    ]
    mail.send(row.email, "Your password was changed", "\n".join(lines))
