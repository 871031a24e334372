"""Proof of e-mail addresses: who may set up what lets others in, or lets something out of an organization.

Anybody can register with the address of another person, who takes the account over later by a password reset. So until
the address is proved, nothing is set up that would outlive that: no identity provider, second factor, invitation, link
or mail domain.
"""

from datetime import datetime
from typing import Protocol

from weconnect.db import table
from weconnect.identity.entities import User, UserRole
from weconnect.identity.errors import EmailNotVerified, UserNotFound
from weconnect.identity.rows import UserRow
from weconnect.settings import settings


class AddressHolder(Protocol):
    """A user, or the row of one."""

    @property
    def email_verified(self) -> bool: ...

    @property
    def password_changed_at(self) -> datetime | str | None: ...


def is_verified(user: AddressHolder) -> bool:
    """Return whether a user's address is proved; each one is where the deployment sends no mail."""
    return user.email_verified or not settings.mail_from


def is_operator(user: User | UserRow) -> bool:
    """Return whether the user operates the deployment: they have the role admin and a verified address."""
    return user.role == UserRole.ADMIN and user.email_verified


def may_be_squatted(user: AddressHolder) -> bool:
    """Return whether somebody else may have registered with the address: it is not proved, but has a password.

    Without a password the account is one of single sign-on, and in the hands of that organization.
    """
    return not is_verified(user) and user.password_changed_at is not None


def is_unproved_account_of_provider(user: AddressHolder) -> bool:
    """Return whether an identity provider created the account, and its address was never proved to us by mail."""
    return not is_verified(user) and user.password_changed_at is None


def require_verified(user_id: object, action: str) -> UserRow:
    """Return a user's row. Raises EmailNotVerified, whose detail names the `action`: "invite others"."""
    row = table.require(UserRow, UserRow.at(user_id), UserNotFound)
    if not is_verified(row):
        raise EmailNotVerified(
            f"Your e-mail address is not verified. Verify it before you {action}: "
            "POST /v1/auth/resend-verification sends the mail again."
        )
    return row
