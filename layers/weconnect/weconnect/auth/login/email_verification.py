"""Addresses: verified at registration, changed later, and what a verified one makes of its user.

A new address counts once its token came back: then both marker rows and the user move in one transaction.
"""

import json
from typing import Any
from urllib.parse import quote

from weconnect import mail
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.account.schemas import MailRequest
from weconnect.auth.entities import EmailVerification, PublicUser, User, UserRole
from weconnect.auth.login import one_time_tokens, throttling
from weconnect.auth.login.password_changes import NO_ACCOUNT, is_older
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Conflict, LimitReached
from weconnect.settings import settings

TOKEN_SECONDS = 24 * 3_600
PURPOSE = "verify_email"
CHANGE = "change_email"


def send(user: User, token: str) -> None:
    """Mail the token of a new user."""
    _send(user.email, user.first_name, token, "If you did not register, ignore this mail.")


def resend(body: MailRequest, request: RequestInfo) -> None:
    """Send the mail again; one goes to every address, and says why there is nothing to confirm where there is not."""
    if not throttling.take_mail(body.email, request.ip):
        return
    row = users.by_email(body.email)
    waits = row is not None and row.is_active and not row.email_verified
    user_id = row.id if row and waits else users.NOBODY
    token, token_row = one_time_tokens.new(PURPOSE, user_id, body.email, TOKEN_SECONDS)
    table.create(token_row, request.actor(user_id))
    if row and waits:
        _send(row.email, row.first_name, token, "If you did not register, ignore this mail.")
    else:
        text = "Hello,\n\nyour address is confirmed already: just sign in.\n" if row else NO_ACCOUNT
        mail.send(body.email, "Confirm your address", text)


def begin_change(caller: Caller, row: UserRow, email: str) -> None:
    """Mail a token to a new address; without a mail sender the address changes at once."""
    if not settings.mail_from:
        with table.transaction(caller.actor()) as writes:
            _move(writes, row, email)
        return
    if not throttling.take_mail(email, caller.request.ip):
        raise LimitReached("This address got too many mails; try again in an hour", code="too_many_attempts")
    token, token_row = one_time_tokens.new(CHANGE, row.id, email, TOKEN_SECONDS)
    token_row.old_email = row.email
    table.create(token_row, caller.actor())
    _send(email, row.first_name, token, "If you have no account, ignore this mail.")


def verify(body: EmailVerification, request: RequestInfo) -> PublicUser:
    """Take a token, once: its address is verified, and where it is a new one it becomes the user's."""
    found = one_time_tokens.find(body.token, PURPOSE, CHANGE)
    row = table.get(UserRow, UserRow.at(found.user_id))
    if row is None or row.email != (found.old_email or found.email):
        raise one_time_tokens.invalid()
    before, changing = row.email, found.purpose == CHANGE
    if changing and is_older(found.created_at, row):  # whoever asked may have known the old password only
        raise one_time_tokens.invalid()
    with table.transaction(request.actor(row.id)) as writes:
        writes.delete(found, refused=one_time_tokens.invalid())
        if changing:
            _move(writes, row, found.email)
        else:
            writes.change(row, _verified(row, row.email))
    if changing:
        _tell(before, row.first_name, found.email)
    return users.get(row.id)


def _move(writes: Transaction, row: UserRow, email: str) -> None:
    """Give a user another address, unless somebody has it."""
    writes.delete(users.email_row(row.email, row.id))
    writes.create(
        users.email_row(email, row.id), Conflict("This address has an account already", code="email_taken")
    )
    writes.change(row, {"email": email, **_verified(row, email)})


def _verified(row: UserRow, email: str) -> dict[str, Any]:
    """What a verified address changes: an operator's makes its user one."""
    values: dict[str, Any] = {"email_verified": True}
    if settings.mail_from and email in settings.operator_emails:
        values |= {"role": UserRole.ADMIN.value, **users.role_keys(UserRole.ADMIN, row.is_active, row.id)}
    return values


def _send(to: str, first_name: str, token: str, end: str) -> None:
    """Mail a token, with a link where a front end takes it and a command where there is none."""
    lines = [f"Hello {first_name},", "", "please confirm your address for WeConnect within 24 hours."]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/verify-email?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.base_url():
        lines += ["", "Or paste this into a terminal:", "", _command(url, token)]
    mail.send(to, "Confirm your address", "\n".join([*lines, "", end, ""]))


def _tell(old: str, first_name: str, new: str) -> None:
    lines = [
        f"Hello {first_name},",
        "",
        f"the address of your WeConnect account is now {new}.",
        "If this was not you, contact whoever runs this deployment.",
        "",
    ]
    mail.send(old, "Your address was changed", "\n".join(lines))


def _command(url: str, token: str) -> str:
    body = json.dumps({"token": token})
    return f"curl -X POST {url}/v1/auth/verify-email -H 'content-type: application/json' -d '{body}'"
