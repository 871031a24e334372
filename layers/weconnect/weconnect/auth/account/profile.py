"""The caller's own profile."""

from typing import Any

from weconnect.api.caller import Caller
from weconnect.auth.errors import ApiKeyNotAllowed
from weconnect.auth.login import email_verification, password_changes, throttling
from weconnect.auth.schemas import UserChanges
from weconnect.db import table
from weconnect.identity.entities import User, UserMetadata
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import UserRow

PLAIN_FIELDS = ("first_name", "last_name", "avatar")
REMOVABLE_FIELDS = ("avatar",)


def get(caller: Caller) -> User:
    """Return the caller as a user.

    A single sign-on session sees only what its organization may know: no times, no metadata, no other organization.
    """
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound).to_entity().public()
    if not caller.is_sso:
        return user
    hidden = {"last_login_at": None, "password_changed_at": None, "metadata": UserMetadata()}
    return user.model_copy(update=hidden | {"current_organization_id": caller.organization_id})


def update(caller: Caller, changes: UserChanges, if_match: int | None) -> User:
    """Change the fields that were sent; preferences are merged, and null removes a value.

    A new address is verified by mail first, and needs the current password. Raises WrongPassword, ApiKeyNotAllowed,
    EmailTaken or TooManyAttempts.
    """
    row = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    sent = {name: getattr(changes, name) for name in PLAIN_FIELDS if name in changes.model_fields_set}
    values = {name: text for name, text in sent.items() if text is not None or name in REMOVABLE_FIELDS}
    if changes.preferences is not None:
        values["preferences"] = _merge(
            row.preferences or {}, changes.preferences.model_dump(exclude_unset=True)
        )
    if changes.email and changes.email != row.email:
        if caller.api_key_id:
            raise ApiKeyNotAllowed("API keys may not change the address. Sign in as a person.")
        password = changes.current_password or ""
        attempt = password_changes.require_password(caller, row, password, "/currentPassword")
        throttling.record_success(attempt)
    if values or if_match is not None:
        table.change(row, values, caller.actor(), if_match=if_match)
    if changes.email and changes.email != row.email:
        email_verification.begin_email_change(caller, row, changes.email)
    return get(caller)


def _merge(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `before` with `changes` applied at any depth; None removes a key."""
    merged = before | {
        name: _merge(before.get(name) or {}, value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return {name: value for name, value in merged.items() if value is not None}
