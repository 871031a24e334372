"""Switching a signed-in user to another of their organizations."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.auth.schemas import Tokens
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import UserRow
from weconnect.organizations.errors import NotAMember, OrganizationNotFound


def switch_organization(caller: Caller, organization_id: UUID) -> Tokens:
    """Make another organization the caller's current one and return tokens for it.

    Raises OrganizationNotFound when the caller is not a member, so that nobody learns which organizations exist.
    """
    assert caller.session_id
    try:
        tokens, membership = sessions.switch_session(caller.user_id, caller.session_id, organization_id)
    except NotAMember as error:
        raise OrganizationNotFound() from error
    row = table.require(UserRow, UserRow.at(membership.user.id), UserNotFound)
    if row.current_organization_id != str(organization_id):
        current = str(organization_id)
        values = {"current_organization_id": current, "gsi1pk": UserRow.by_current_organization(current)}
        table.change(row, values, caller.actor())
    return tokens
