"""An organization goes to the trash, comes back, or ends for good."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, Forbidden
from weconnect.organizations import creation
from weconnect.organizations.entities import Organization
from weconnect.organizations.members import membership
from weconnect.organizations.rows import OrganizationRow


def delete(caller: Caller, organization_id: UUID, if_match: int | None, *, purge: bool = False) -> None:
    """Move the organization to the trash for 30 days; with `purge`, end one that is there, and all that is its own.

    Nobody can sign in to it or refresh from that moment, because both read the organization; an access token lives
    on for its 15 minutes. Refused while it has a subscription, which would go on being paid.
    """
    if purge:
        gone = _need_in_trash(caller, organization_id)
        with table.transaction(caller.actor() | {"organizationId": str(organization_id)}) as writes:
            writes.delete(gone, if_match=if_match)
        return
    membership.require_current(caller, organization_id)
    membership.require_owner(caller)
    row = _need(organization_id)
    if row.stripe_subscription_id:
        raise Conflict("End the subscription in the billing portal first", code="subscription_active")
    with table.transaction(caller.actor()) as writes:
        table.trash(writes, row, OrganizationRow.in_trash(organization_id), if_match=if_match)
        creation.drop_slug(writes, row.slug)


def restore(caller: Caller, organization_id: UUID) -> Organization:
    """Bring an organization back, whichever one the caller is in now; Conflict when its slug was taken meanwhile."""
    row = _need_in_trash(caller, organization_id)
    with table.transaction(caller.actor() | {"organizationId": str(organization_id)}) as writes:
        table.untrash(writes, row, OrganizationRow.at(organization_id), **row.index_keys())
        creation.hold_slug(writes, row.slug, organization_id)
    return _need(organization_id).to_entity()  # type: ignore[no-any-return]


def _need(organization_id: UUID) -> OrganizationRow:
    return table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")


def _need_in_trash(caller: Caller, organization_id: UUID) -> OrganizationRow:
    """One in the trash that the caller owns; to others it is not there, unless they are members of it."""
    row = table.get(OrganizationRow, OrganizationRow.in_trash(organization_id))
    beyond = caller.is_bound and organization_id != caller.organization_id
    if row is None or beyond:
        raise membership.no_organization()
    try:
        held = membership.holder(caller, organization_id)
    except Forbidden:
        raise membership.no_organization() from None
    if not held.is_owner:
        raise membership.owner_only()
    return row
