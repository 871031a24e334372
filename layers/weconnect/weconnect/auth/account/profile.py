"""One's own profile."""

from typing import Any

from weconnect.api.caller import Caller
from weconnect.auth.account.schemas import UserChanges
from weconnect.auth.entities import PublicUser, UserMetadata
from weconnect.auth.login import email_verification, password_changes, throttling
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.errors import Forbidden

PLAIN = ("first_name", "last_name", "avatar")
MAY_BE_REMOVED = ("avatar",)


def get(caller: Caller) -> PublicUser:
    """The caller as a user; for who was signed in by an organization's provider, as that organization may know him."""
    row = table.need(UserRow, UserRow.at(caller.user_id), "user")
    user: PublicUser = row.to_entity().public()
    if not caller.sso:
        return user
    hidden = {"last_login_at": None, "password_changed_at": None, "metadata": UserMetadata()}
    return user.model_copy(update=hidden | {"current_organization_id": caller.organization_id})


def update(caller: Caller, changes: UserChanges, if_match: int | None) -> PublicUser:
    """Change what was given; preferences are merged, null removes. A new address gets a mail first."""
    row = table.need(UserRow, UserRow.at(caller.user_id), "user")
    given = {name: getattr(changes, name) for name in PLAIN if name in changes.model_fields_set}
    values = {name: text for name, text in given.items() if text is not None or name in MAY_BE_REMOVED}
    if changes.preferences is not None:
        values["preferences"] = _merged(
            row.preferences or {}, changes.preferences.model_dump(exclude_unset=True)
        )
    if changes.email and changes.email != row.email:
        if caller.api_key_id:
            raise Forbidden("Sign in as a person to change the address", code="api_key_not_allowed")
        password = changes.current_password or ""
        throttling.passed(password_changes.require_password(caller, row, password, "/currentPassword"))
    if values or if_match is not None:
        table.change(row, values, caller.actor(), if_match=if_match)
    if changes.email and changes.email != row.email:
        email_verification.begin_change(caller, row, changes.email)
    return get(caller)


def _merged(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`before` with `changes`, at any depth; None removes."""
    found = before | {
        name: _merged(before.get(name) or {}, value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return {name: value for name, value in found.items() if value is not None}
