"""Users: found by their address, and as operators see and change them."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.auth.account.schemas import UserAdministration
from weconnect.auth.entities import PublicUser, UserRole, normal_email
from weconnect.auth.rows import EmailRow, UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.errors import BadRequest, Conflict

NOBODY = UUID(int=0)


def by_email(email: str) -> UserRow | None:
    """The user at an address; an address without one costs the same two reads."""
    found = table.get(EmailRow, EmailRow.at(email))
    return table.get(UserRow, UserRow.at(found.user_id if found else NOBODY))


def email_row(email: str, user_id: object) -> EmailRow:
    """The marker that holds an address for one user."""
    pk, sk = EmailRow.at(email)
    return EmailRow(pk=pk, sk=sk, user_id=str(user_id))


def role_keys(role: str, is_active: bool, user_id: object) -> dict[str, str]:
    """The attributes by which operators find a user."""
    return {"gsi2pk": UserRow.by_role(role), "gsi2sk": UserRow.by_role_order(is_active, user_id)}


def find(
    *,
    role: UserRole | None,
    is_active: bool | None,
    organization_id: UUID | None,
    email: str | None,
    limit: int,
    cursor: str | None,
) -> Page[PublicUser]:
    """Users of all organizations. Without `email` or `organization_id`: role by role, active ones first."""

    def keep(row: UserRow) -> bool:
        fits = role in (None, row.role) and is_active in (None, row.is_active)
        return fits and (
            not email or organization_id is None or row.current_organization_id == str(organization_id)
        )

    if email:
        row = _at_address(email)
        return Page(items=[_public(row)] if row and keep(row) else [])
    filters = [role, is_active]
    if organization_id:
        pk = UserRow.by_current_organization(organization_id)
        rows, following = query_page(
            UserRow, pk, index="gsi1", limit=limit, cursor=cursor, keep=keep, filters=filters
        )
        return Page(items=[_public(row) for row in rows], next_cursor=following)
    return _by_role([role] if role else list(UserRole), is_active, limit, cursor)


def get(user_id: UUID) -> PublicUser:
    """One user."""
    return _public(table.need(UserRow, UserRow.at(user_id), "user"))


def update(caller: Caller, user_id: UUID, changes: UserAdministration, if_match: int | None) -> PublicUser:
    """Change a user's role or activity; who is deactivated is signed out, and their keys are refused at once."""
    row = table.need(UserRow, UserRow.at(user_id), "user")
    role, is_active = (
        changes.role or row.role,
        row.is_active if changes.is_active is None else changes.is_active,
    )
    if user_id == caller.user_id and (role != UserRole.ADMIN or not is_active):
        raise Conflict("Operators cannot take their own role away; ask another one", code="own_role")
    values = {"role": str(role), "is_active": is_active, **role_keys(role, is_active, user_id)}
    table.change(row, values, caller.actor(), if_match=if_match)
    if not is_active:
        sessions.end_all(user_id)
    return get(user_id)


def _at_address(email: str) -> UserRow | None:
    try:
        return by_email(normal_email(email))
    except ValueError:
        return None


def _by_role(
    roles: list[UserRole], is_active: bool | None, limit: int, cursor: str | None
) -> Page[PublicUser]:
    """The lists of several roles one after the other; a cursor is `role.` and that list's own cursor."""
    word, dot, rest = (cursor or f"{roles[0]}.").partition(".")
    if not dot or word not in roles:
        raise BadRequest(
            "This cursor does not belong to this list",
            code="invalid_cursor",
            errors=[
                {
                    "pointer": "/query/cursor",
                    "detail": "Take nextCursor of the page before, with the same filters",
                }
            ],
        )
    prefix = "" if is_active is None else UserRow.by_role_order(is_active, "")
    found: list[UserRow] = []
    left = roles[roles.index(UserRole(word)) :]
    for number, role in enumerate(left):
        rows, following = query_page(
            UserRow,
            UserRow.by_role(role),
            prefix,
            index="gsi2",
            limit=limit - len(found),
            cursor=rest or None,
            filters=[len(roles), is_active],
            newest_first=False,
        )
        found, rest = [*found, *rows], ""
        if following:
            return _page(found, f"{role}.{following}")
        if len(found) == limit:
            return _page(found, f"{left[number + 1]}." if left[number + 1 :] else None)
    return _page(found, None)


def _page(rows: list[UserRow], cursor: str | None) -> Page[PublicUser]:
    return Page(items=[_public(row) for row in rows], next_cursor=cursor)


def _public(row: Any) -> PublicUser:
    found: PublicUser = row.to_entity().public()
    return found
