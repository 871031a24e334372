"""One-time tokens from mails: 32 random bytes, kept as their SHA-256, good for one purpose until they expire."""

import secrets

from weconnect import clock
from weconnect.auth.rows import TokenRow
from weconnect.db import table
from weconnect.errors import BadRequest


def new(purpose: str, user_id: object, email: str, seconds: int) -> tuple[str, TokenRow]:
    """A token that was mailed to `email`, and its row, to be stored by the caller."""
    token = secrets.token_urlsafe(32)
    pk, sk = TokenRow.at(token)
    row = TokenRow(
        pk=pk, sk=sk, purpose=purpose, user_id=str(user_id), email=email, ttl=clock.epoch() + seconds
    )
    return token, row


def find(token: str, *purposes: str) -> TokenRow:
    """The row of a token for one of these purposes; raises `invalid`. Whoever uses it deletes it."""
    row = table.get(TokenRow, TokenRow.at(token))
    if row is None or row.purpose not in purposes:
        raise invalid()
    return row


def invalid() -> BadRequest:
    """The answer to every token that does not do, whatever the reason."""
    return BadRequest(
        "This token is not valid, was used, or has expired; ask for a new mail", code="invalid_token"
    )
