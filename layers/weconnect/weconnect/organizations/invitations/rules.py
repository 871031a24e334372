"""Rules for invitations: who may invite, what they may grant, and how often."""

from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity import mail_limits
from weconnect.identity.email_addresses import domain_of
from weconnect.identity.entities import LimitType
from weconnect.identity.errors import TooManyAttempts
from weconnect.identity.rows import UserRow
from weconnect.identity.verified_addresses import require_verified
from weconnect.organizations.entities import (
    Invitation,
    Organization,
    OrganizationMember,
    OrganizationRole,
)
from weconnect.organizations.errors import (
    DomainNotAllowed,
    OwnerHasAllPermissions,
    RoleNotFound,
    TooManyInvitations,
)
from weconnect.organizations.members import membership
from weconnect.organizations.plans import windows
from weconnect.organizations.rows import RoleRow
from weconnect.organizations.schemas import NewInvitation
from weconnect.settings import settings

MAX_PER_HOUR = 200


def require_verified_inviter(caller: Caller) -> UserRow:
    """Return the inviting user. Raises EmailNotVerified."""
    return require_verified(caller.user_id, "invite others")


def require_may_still_offer(invitation: Invitation) -> None:
    """Raise Unauthenticated, Forbidden or NotFound unless the inviter may give now what the invitation offers."""
    inviter = membership.load_present_caller(invitation.organization_id, invitation.invited_by)
    inviter.require_permission("organization:invite")
    require_may_offer(inviter, invitation.organization_id, invitation)


def require_may_offer(caller: Caller, organization_id: UUID, offer: NewInvitation | Invitation) -> None:
    """Raise an error when an invitation offers a membership that the caller may not give.

    Raises CannotGrant, OwnerOnly, RoleNotFound, or OwnerHasAllPermissions for an owner with a custom role.
    """
    if offer.custom_role_id:
        if offer.role == OrganizationRole.OWNER:
            raise OwnerHasAllPermissions("An owner has every permission. Leave out customRoleId.")
        table.require(RoleRow, RoleRow.at(organization_id, offer.custom_role_id), RoleNotFound)
    moment = clock.now()
    invited = OrganizationMember(
        id=caller.user_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=caller.user_id,
        role=offer.role,
        custom_role_id=offer.custom_role_id,
        permissions=offer.permissions,
    )
    chooses_role = offer.role != OrganizationRole.MEMBER
    permissions = membership.load_granted_permissions(invited, chooses_role=chooses_role)
    membership.require_may_grant(caller, offer.role, permissions)
    membership.require_may_give_role(caller, invited.effective_role)


def check_domain(organization: Organization, email: str) -> None:
    """Raise DomainNotAllowed for an address outside of the organization's `allowedDomains`."""
    security = organization.custom_settings.security
    allowed = security.allowed_domains if security else None
    if allowed and domain_of(email) not in allowed:
        raise DomainNotAllowed(
            f"The organization does not accept addresses of the domain {domain_of(email)!r}. "
            "Use an address of one of its allowedDomains."
        )


def count_mail_to_address(email: str, organization_id: UUID) -> None:
    """Count a mail of the organization to an address. Raises TooManyAttempts."""
    if settings.mail_from and not mail_limits.count_tenant_mail_to(email, organization_id):
        raise TooManyAttempts("This address received too many mails. Try again in an hour.")


def count_invitation(writes: Transaction, organization_id: UUID) -> None:
    """Count an invitation of the organization; the transaction raises TooManyInvitations above 200 an hour.

    The limit exists because invitations carry the organization's words to strangers in our name.
    """
    windows.count(
        writes,
        organization_id,
        "INVITATIONS",
        LimitType.HOURLY,
        limit=MAX_PER_HOUR,
        exceeded=TooManyInvitations,
        detail=f"The organization sent {MAX_PER_HOUR} invitations within an hour. Try again later.",
    )
