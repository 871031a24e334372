"""Deletion of organizations: into the trash, back from it, and for good."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import UserRow
from weconnect.identity.verified_addresses import is_verified
from weconnect.organizations import ownership, slugs
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import Organization, OrganizationRole
from weconnect.organizations.errors import OrganizationNotFound, OwnerOnly, SubscriptionActive
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow


def delete(caller: Caller, organization_id: UUID, if_match: int | None, *, purge: bool = False) -> None:
    """Move the organization to the trash for 30 days; with `purge`, delete one that is there with all its data.

    From that moment nobody can sign in to it, refresh or write, because all of these read the organization; an access
    token reads for its 15 minutes. Its mail domains are given up, also for a restore. Raises OwnerOnly, or
    SubscriptionActive because charging would continue.
    """
    if purge:
        trashed = require_in_trash(caller, organization_id)
        with table.transaction(caller.actor() | {"organizationId": str(organization_id)}) as writes:
            writes.delete(trashed, if_match=if_match)
        return
    caller.require_membership()
    membership.require_current_organization(caller, organization_id)
    membership.require_owner(caller)
    row = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    if row.stripe_subscription_id:
        raise SubscriptionActive(
            "The organization has an active subscription. Cancel it in the billing portal first."
        )
    with table.transaction(caller.actor()) as writes:
        table.move_to_trash(writes, row, OrganizationRow.in_trash(organization_id), if_match=if_match)
        slugs.hold_back(writes, row.slug, organization_id)
        mail_domains.release_all(writes, organization_id)


def restore(caller: Caller, organization_id: UUID) -> Organization:
    """Restore an organization from the trash, whichever organization the caller is in now.

    It gets its slug back, which was held back for it. Raises OrganizationLimitReached.
    """
    row = require_in_trash(caller, organization_id)
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    limit = ownership.prepare(user.id, is_trusted=is_verified(user))
    with table.transaction(caller.actor() | {"organizationId": str(organization_id)}) as writes:
        table.restore_from_trash(writes, row, OrganizationRow.at(organization_id), **row.index_keys())
        slugs.reserve(writes, row.slug, organization_id)
        ownership.add(writes, caller.user_id, {str(organization_id)}, limit)
    return table.require(
        OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound
    ).to_entity()


def require_in_trash(caller: Caller, organization_id: UUID) -> OrganizationRow:
    """Load an organization from the trash.

    Raises OwnerOnly for a member who is not an owner, and OrganizationNotFound for everybody else.
    """
    row = table.get(OrganizationRow, OrganizationRow.in_trash(organization_id))
    is_out_of_reach = caller.is_bound_to_organization and organization_id != caller.organization_id
    if row is None or is_out_of_reach:
        raise OrganizationNotFound()
    if caller.is_operator:
        return row
    member = table.get(MemberRow, MemberRow.at(organization_id, caller.user_id))
    if member is None or not member.is_active:
        raise OrganizationNotFound()
    if member.role != OrganizationRole.OWNER:
        raise OwnerOnly()
    return row
