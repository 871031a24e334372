"""Who may invite whom, and how often."""

from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.login import throttling
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Conflict, Forbidden, LimitReached
from weconnect.organizations.entities import Organization, OrganizationMember, OrganizationRole
from weconnect.organizations.members import membership
from weconnect.organizations.rows import CountRow, RoleRow
from weconnect.organizations.schemas import NewInvitation
from weconnect.settings import settings

MOST_AN_HOUR = 200


def verified(caller: Caller) -> UserRow:
    """The inviting user, whose own address must be verified."""
    row = table.need(UserRow, UserRow.at(caller.user_id), "user")
    if not row.email_verified:
        raise Forbidden("Confirm your own address first", code="email_not_verified")
    return row


def check_role(caller: Caller, organization_id: UUID, new: NewInvitation) -> None:
    """Nobody invites to more than he holds."""
    if new.custom_role_id:
        if new.role == OrganizationRole.OWNER:
            raise Conflict("An owner has every permission", code="owner_has_all")
        table.need(RoleRow, RoleRow.at(organization_id, new.custom_role_id), "role")
    moment = clock.now()
    wanted = OrganizationMember(
        id=caller.user_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=caller.user_id,
        role=new.role,
        custom_role_id=new.custom_role_id,
        permissions=new.permissions,
    )
    membership.require_may_grant(membership.holder(caller), new.role, membership.words_of(wanted))


def check_domain(organization: Organization, email: str) -> None:
    """Hold the organization's `allowedDomains`."""
    security = organization.custom_settings.security
    allowed = security.allowed_domains if security else None
    if allowed and email.rpartition("@")[2] not in allowed:
        raise Forbidden("The organization does not take addresses of this domain", code="domain_not_allowed")


def take_mail(email: str) -> None:
    """Count a mail to an address, whoever asks for it."""
    if settings.mail_from and not throttling.take_mail_to(email):
        raise LimitReached("This address got too many mails; try again in an hour", code="too_many_attempts")


def count_mail(writes: Transaction, organization_id: UUID) -> None:
    """Hold how many invitations an organization sends in an hour: what it says to strangers goes out in our name."""
    pk, sk = CountRow.at(organization_id, f"INVITATIONS {clock.now():%Y-%m-%dT%H}")
    refused = LimitReached(
        f"{MOST_AN_HOUR} invitations an hour; try again later",
        code="too_many_invitations",
        headers={"Retry-After": "3600"},
    )
    expires = {"ttl": clock.epoch() + 2 * 3_600}
    writes.count(CountRow(pk=pk, sk=sk), "count", 1, limit=MOST_AN_HOUR, refused=refused, put=expires)
