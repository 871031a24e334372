"""Users: looked up by their address, and listed and administered by operators."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller, RequestInfo
from weconnect.api.errors import InvalidCursor
from weconnect.api.pagination import Page, query_page
from weconnect.auth.errors import OwnRole
from weconnect.auth.schemas import UserAdministration
from weconnect.db import table
from weconnect.identity.email_addresses import normalize_email
from weconnect.identity.entities import StoredUser, User, UserRole
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import NO_USER_ID, EmailRow, UserRow
from weconnect.identity.sessions import end_sessions
from weconnect.settings import settings


def find_by_email(email: str) -> UserRow | None:
    """Return the user who has an address, or None; both take two reads, so that the time reveals nothing."""
    marker = table.get(EmailRow, EmailRow.at(email))
    return table.get(UserRow, UserRow.at(marker.user_id if marker else NO_USER_ID))


def build_email_row(email: str, user_id: object) -> EmailRow:
    """Return the marker that reserves an address for one user."""
    pk, sk = EmailRow.at(email)
    return EmailRow(pk=pk, sk=sk, user_id=str(user_id))


def build_user_row(
    user: StoredUser, request: RequestInfo, *, signup_source: str, login_count: int | None = None
) -> UserRow:
    """Return the row of a new user for the caller to store, with the client that created it."""
    pk, sk = UserRow.at(user.id)
    return UserRow.of(
        user,
        pk=pk,
        sk=sk,
        **UserRow.index_keys(user),
        login_count=login_count,
        last_ip_address=request.ip,
        user_agent=request.user_agent,
        signup_source=signup_source,
    )


def build_verified_values(row: UserRow, email: str) -> dict[str, Any]:
    """Return the attributes that a proved address changes; an operator's address also sets the role `admin`."""
    values: dict[str, Any] = {"email_verified": True}
    if is_operator_address(email):
        values |= {
            "role": UserRole.ADMIN.value,
            **role_index_keys(UserRole.ADMIN, row.is_active, row.id),
        }
    return values


def is_operator_address(email: str) -> bool:
    """Return whether the proof of an address makes its user an operator; nothing is proved where no mail is sent."""
    return bool(settings.mail_from) and email in settings.operator_emails


def role_index_keys(role: str, is_active: bool, user_id: object) -> dict[str, str]:
    """Return the attributes of the index in which operators list users by role."""
    return {"gsi2pk": UserRow.by_role(role), "gsi2sk": UserRow.by_role_order(is_active, user_id)}


def find(
    *,
    role: UserRole | None,
    is_active: bool | None,
    organization_id: UUID | None,
    email: str | None,
    limit: int,
    cursor: str | None,
) -> Page[User]:
    """Return a page of the users of all organizations that match every given filter.

    `organization_id` filters by the current organization. Without it and `email`, users come role by role, active ones
    first.
    """

    def matches(row: UserRow) -> bool:
        """Return whether a row passes the filters that its index does not cover."""
        if role not in (None, row.role) or is_active not in (None, row.is_active):
            return False
        return not email or organization_id is None or row.current_organization_id == str(organization_id)

    if email:
        row = _find_by_raw_email(email)
        return Page(items=[row.to_entity().public()] if row and matches(row) else [])
    if organization_id:
        rows, next_cursor = query_page(
            UserRow,
            UserRow.by_current_organization(organization_id),
            index="gsi1",
            limit=limit,
            cursor=cursor,
            keep=matches,
            filters=[role, is_active],
        )
        return _to_page(rows, next_cursor)
    return _find_by_role([role] if role else list(UserRole), is_active, limit, cursor)


def get(user_id: UUID | str) -> User:
    """Return a user. Raises UserNotFound."""
    return table.require(UserRow, UserRow.at(user_id), UserNotFound).to_entity().public()


def update(caller: Caller, user_id: UUID, changes: UserAdministration, if_match: int | None) -> User:
    """Change the role or the activity of a user, as an operator.

    Deactivating a user ends their sessions; their API keys are refused at once. Raises OwnRole when operators would
    take the role from themselves.
    """
    row = table.require(UserRow, UserRow.at(user_id), UserNotFound)
    role = changes.role or UserRole(row.role)
    is_active = row.is_active if changes.is_active is None else changes.is_active
    if user_id == caller.user_id and (role != UserRole.ADMIN or not is_active):
        raise OwnRole("You cannot take away your own operator role. Ask another operator.")
    values = {"role": role.value, "is_active": is_active, **role_index_keys(role, is_active, user_id)}
    table.change(row, values, caller.actor(), if_match=if_match)
    if not is_active:
        end_sessions(user_id)
    return get(user_id)


def _find_by_raw_email(email: str) -> UserRow | None:
    """Return the user who has an address as a client wrote it; None when it is not an address."""
    try:
        return find_by_email(normalize_email(email))
    except ValueError:
        return None


def _find_by_role(
    roles: list[UserRole], is_active: bool | None, limit: int, cursor: str | None
) -> Page[User]:
    """Return a page of the users of several roles, one role after the other.

    A cursor is `<role>.<cursor within that role>`.
    """
    cursor_role, dot, role_cursor = (cursor or f"{roles[0]}.").partition(".")
    if not dot or cursor_role not in roles:
        raise InvalidCursor(
            "This cursor does not belong to this list. Take nextCursor of the previous page, with the same filters.",
            pointer="/query/cursor",
        )
    prefix = "" if is_active is None else UserRow.by_role_order(is_active, "")
    page_rows: list[UserRow] = []
    remaining_roles = roles[roles.index(UserRole(cursor_role)) :]
    for number, role in enumerate(remaining_roles, start=1):
        rows, next_cursor = query_page(
            UserRow,
            UserRow.by_role(role),
            prefix,
            index="gsi2",
            limit=limit - len(page_rows),
            cursor=role_cursor or None,
            filters=[len(roles), is_active],
            newest_first=False,
        )
        page_rows, role_cursor = [*page_rows, *rows], ""
        if next_cursor:
            return _to_page(page_rows, f"{role}.{next_cursor}")
        if len(page_rows) == limit:
            return _to_page(page_rows, f"{remaining_roles[number]}." if remaining_roles[number:] else None)
    return _to_page(page_rows, None)


def _to_page(rows: list[UserRow], next_cursor: str | None) -> Page[User]:
    """Return a page of the users of these rows, without the hashes of their passwords."""
    return Page(items=[row.to_entity().public() for row in rows], next_cursor=next_cursor)
