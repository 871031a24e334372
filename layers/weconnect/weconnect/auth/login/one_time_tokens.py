"""One-time tokens from mails: 32 random bytes, stored as their SHA-256, valid for one purpose until they expire."""

import secrets

from weconnect import clock
from weconnect.auth.errors import InvalidOneTimeToken
from weconnect.db import table
from weconnect.identity.rows import TokenRow


def build_token(purpose: str, user_id: object, email: str, lifetime_seconds: int) -> tuple[str, TokenRow]:
    """Return a token to mail to `email`, and its row for the caller to store."""
    token = secrets.token_urlsafe(32)
    pk, sk = TokenRow.at(token)
    row = TokenRow(
        pk=pk,
        sk=sk,
        purpose=purpose,
        user_id=str(user_id),
        email=email,
        ttl=clock.epoch_seconds() + lifetime_seconds,
    )
    return token, row


def load_token(token: str, *purposes: str) -> TokenRow:
    """Return the row of a token for one of these purposes; raise InvalidOneTimeToken.

    The caller deletes the row in the transaction that the token is for, so that it works once.
    """
    row = table.get(TokenRow, TokenRow.at(token))
    if row is None or row.purpose not in purposes:
        raise InvalidOneTimeToken()
    return row
