"""Errors about organizations, their members and plans. The authorizer imports this: no pydantic and no rows here."""

from weconnect.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    UpstreamFailed,
)

# Organizations


class OrganizationNotFound(NotFound):
    """The organization does not exist, or the caller may not see it."""

    code, title = "organization_not_found", "Organization not found"


class OrganizationInactive(Forbidden):
    """The organization was suspended by an operator of the deployment."""

    code, title = "organization_inactive", "This organization is not active"


class SlugTaken(Conflict):
    """Another organization has this slug, or had it within 30 days."""

    code, title = "slug_taken", "Slug taken"


class TooManySlugChanges(LimitReached):
    """The organization changed its slug the maximum number of times this month."""

    code, title = "too_many_slug_changes", "Too many changes of the slug"


class SsoNotConfigured(Conflict):
    """Single sign-on cannot be enforced, because the organization has no identity provider yet."""

    code, title = "sso_not_configured", "Single sign-on is not configured"


class DomainNotAllowed(Forbidden):
    """The organization accepts only e-mail addresses of the domains that it names."""

    code, title = "domain_not_allowed", "The organization does not accept addresses of this domain"


class OrganizationLimitReached(LimitReached):
    """The user owns as many organizations as the deployment allows, those given up within 30 days of their foundation
    included."""

    code, title = "organization_limit_reached", "Too many organizations"


# Members


class MemberNotFound(NotFound):
    """The organization has no such member."""

    code, title = "member_not_found", "Member not found"


class NotAMember(Forbidden):
    """The user is not an active member of the organization."""

    code, title = "not_a_member", "You are not a member of this organization"


class MemberInactive(Conflict):
    """The member is deactivated, so they cannot become the owner."""

    code, title = "member_inactive", "This member is not active"


class OwnerOnly(Forbidden):
    """Only an owner of the organization may do this."""

    code, title = "owner_only", "Only an owner may do this"


class LastOwner(Conflict):
    """An organization always has an active owner. Make another member an owner first."""

    code, title = "last_owner", "An organization always has an owner"


class CannotOwn(Conflict):
    """The account is a guest's or read-only, so the user could do nothing as an owner."""

    code, title = "cannot_own", "This user cannot own an organization"


class OwnerHasAllPermissions(Conflict):
    """A custom role cannot be given to an owner, who has every permission."""

    code, title = "owner_has_all", "An owner has every permission"


class CannotGrant(Forbidden):
    """Nobody may grant a permission that they do not have. `errors` names each missing permission."""

    code, title = "cannot_grant", "You cannot grant permissions that you do not have"


class Outranked(Forbidden):
    """The member has permissions that the caller lacks, so the caller may not change or remove them."""

    code, title = "outranked", "This member has more permissions than you"


# Roles


class RoleNotFound(NotFound):
    """The organization has no such custom role."""

    code, title = "role_not_found", "Role not found"


class BuiltinRole(Conflict):
    """The four built-in roles cannot be changed or deleted. Create a custom role instead."""

    code, title = "builtin_role", "Built-in role"


class RoleInUse(Conflict):
    """Members or open invitations have this role. Give them another role first."""

    code, title = "role_in_use", "Role in use"


class RoleLimitReached(LimitReached):
    """The organization has the maximum number of custom roles."""

    code, title = "role_limit_reached", "Too many custom roles"


# Invitations


class InvitationNotFound(NotFound):
    """The invitation was used, revoked, replaced, has expired, or its sender may not give it any more."""

    code, title = "invitation_not_found", "Invitation not found"


class AlreadyInvited(Conflict):
    """This address has an open invitation to the organization. Resend or revoke that one."""

    code, title = "already_invited", "Already invited"


class AlreadyMember(Conflict):
    """The user is already a member of the organization."""

    code, title = "already_member", "Already a member"


class InvitedOtherAddress(Forbidden):
    """The invitation was sent to another e-mail address than the user's."""

    code, title = "invited_other_address", "This invitation was sent to another address"


class TooManyInvitations(LimitReached):
    """The organization sent the maximum number of invitations within an hour."""

    code, title = "too_many_invitations", "Too many invitations"


# Plans


class MemberLimitReached(LimitReached):
    """The plan's quota of members and open invitations is used up."""

    code, title = "member_limit_reached", "Quota of members used up"


class AgentLimitReached(LimitReached):
    """The plan's quota of agents is used up."""

    code, title = "agent_limit_reached", "Quota of agents used up"


class MailLimitReached(LimitReached):
    """The plan's quota of recipients of mails from workflows in a day is used up."""

    code, title = "mail_limit_reached", "Quota of mails used up"


class WorkflowLimitReached(LimitReached):
    """The plan's quota of workflows is used up."""

    code, title = "workflow_limit_reached", "Quota of workflows used up"


# Billing


class SubscriptionActive(Conflict):
    """The organization has a subscription. Change or cancel it in the billing portal first."""

    code, title = "subscription_active", "Subscription active"


class NoCustomer(Conflict):
    """The organization never started a checkout, so it has no billing portal."""

    code, title = "no_customer", "No billing customer"


class InvalidSignature(BadRequest):
    """The signature of the webhook's body is wrong or older than five minutes."""

    code, title = "invalid_signature", "Invalid signature"


class InvalidStripeEvent(BadRequest):
    """The webhook's body is not an event of Stripe."""

    code, title = "invalid_event", "Invalid event"


# Mail domains


class DomainNotFound(NotFound):
    """The organization does not claim this mail domain."""

    code, title = "domain_not_found", "Mail domain not found"


class PublicMailDomain(Invalid):
    """Anybody can have an address in the domain, so no organization can claim it."""

    code, title = "public_mail_domain", "Public mail domain"


class DomainNotVerified(Invalid):
    """The organization has not proved the mail domain: claim it, set its TXT record and verify it."""

    code, title = "domain_not_verified", "Mail domain not verified"


class DomainRecordMissing(Conflict):
    """DNS has no TXT record at the name that the claimed domain gives."""

    code, title = "domain_record_missing", "TXT record missing"


class DomainRecordMismatch(Conflict):
    """The TXT records of the claimed domain do not have the value that it gives."""

    code, title = "domain_record_mismatch", "TXT record has another value"


class DomainTaken(Conflict):
    """Another organization proved the domain, and its TXT record is still there. Remove that record first."""

    code, title = "domain_taken", "Mail domain belongs to another organization"


class DomainLimitReached(LimitReached):
    """The organization has as many mail domains as it may have."""

    code, title = "domain_limit_reached", "Too many mail domains"


class DnsFailed(UpstreamFailed):
    """The DNS servers of the domain did not answer, or answered with a failure."""

    code, title = "dns_failed", "DNS look-up failed"
