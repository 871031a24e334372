"""E-mail verification: the mail, its one-time token, and what a verified address makes of its user."""

import json
import secrets
from typing import Any
from urllib.parse import quote

from weconnect import clock, mail, table
from weconnect.auth.entities import EmailVerification, PublicUser, User, UserRole
from weconnect.auth.rows import TokenRow, UserRow
from weconnect.caller import RequestInfo
from weconnect.errors import BadRequest
from weconnect.settings import settings

TOKEN_SECONDS = 24 * 3_600
PURPOSE = "verify_email"


def new_token(user: User) -> tuple[str, TokenRow]:
    """A token for the user's address, and its row, to be stored by the caller."""
    token = secrets.token_urlsafe(32)
    pk, sk = TokenRow.at(token)
    row = TokenRow(
        pk=pk,
        sk=sk,
        purpose=PURPOSE,
        user_id=str(user.id),
        email=user.email,
        ttl=clock.epoch() + TOKEN_SECONDS,
    )
    return token, row


def send(user: User, token: str) -> None:
    """Mail the token, with a link where a front end takes it and a command where there is none."""
    lines = [f"Hello {user.first_name},", "", "please confirm your address for WeConnect within 24 hours."]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/verify-email?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.base_url():
        lines += ["", "Or paste this into a terminal:", "", _command(url, token)]
    lines += ["", "If you did not register, ignore this mail.", ""]
    mail.send(user.email, "Confirm your address", "\n".join(lines))


def verify(body: EmailVerification, request: RequestInfo) -> PublicUser:
    """Take a token, once, and mark its address as verified; an operator's makes its user one."""
    found = table.get(TokenRow, TokenRow.at(body.token))
    if found is None or found.purpose != PURPOSE:
        raise _invalid()
    row = table.get(UserRow, UserRow.at(found.user_id))
    if row is None or row.email != found.email:
        raise _invalid()
    values: dict[str, Any] = {"email_verified": True}
    if row.email in settings.operator_emails:
        values |= {"role": UserRole.ADMIN.value, "gsi2pk": UserRow.by_role(UserRole.ADMIN)}
    actor = {"userId": row.id, "requestId": request.id, "ip": request.ip, "userAgent": request.user_agent}
    with table.transaction(actor) as writes:
        writes.delete(found)
        writes.change(row, values)
    return table.need(UserRow, UserRow.at(row.id), "user").to_entity().public()


def _command(url: str, token: str) -> str:
    body = json.dumps({"token": token})
    return f"curl -X POST {url}/v1/auth/verify-email -H 'content-type: application/json' -d '{body}'"


def _invalid() -> BadRequest:
    return BadRequest(
        "This token is not valid, was used, or has expired; ask for a new mail", code="invalid_token"
    )
