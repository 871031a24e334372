"""Rows of organizations, with their members, roles, invitations, counters and reserved names."""

import hashlib
from typing import Any

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeSetAttribute

from weconnect.db.table import EntityRow, Row, key, stored
from weconnect.identity import keys
from weconnect.organizations.entities import (
    CustomRole,
    Invitation,
    LimitEvent,
    MailDomain,
    Organization,
    OrganizationMember,
)


class OrganizationRow(EntityRow[Organization], discriminator="ORGANIZATION"):
    """An organization; operators list them by plan, and Stripe's events find them by customer.

    `stripe_event_at` is the time (epoch seconds) of the newest applied event, `stripe_ended` the ID of the subscription
    that ended last, `stripe_suspended` whether the organization is inactive because it did not pay.
    """

    apart = frozenset({"current_month_executions", "execution_reset_date", "is_trial_expired"})

    id: Attribute[str]
    slug: Attribute[str]
    name: Attribute[str]
    logo: Attribute[str | None]
    plan: Attribute[str]
    deleted_at: Attribute[str | None]
    stripe_customer_id: Attribute[str | None]
    stripe_subscription_id: Attribute[str | None]
    billing_info: Attribute[dict[str, Any] | None]
    is_active: Attribute[bool] = stored(default=True)
    stripe_event_at: Attribute[int | None] = stored()
    stripe_ended: Attribute[str | None] = stored()
    stripe_suspended: Attribute[bool | None] = stored()

    at = staticmethod(keys.organization)

    @staticmethod
    def in_trash(organization_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) that an organization has in the trash."""
        return key("ORG", organization_id), key("TRASH", "ORG")

    @staticmethod
    def by_plan(plan: str) -> str:
        """Return the partition of gsi2 with the organizations of a plan, of all tenants."""
        return key("ORGS", plan)

    @staticmethod
    def by_plan_order(is_active: bool, organization_id: object) -> str:
        """Return the sort key of gsi2, which lists active organizations first."""
        return key("active" if is_active else "inactive", organization_id)

    @staticmethod
    def by_stripe_customer(customer_id: str) -> str:
        """Return the partition of gsi1 of a Stripe customer; its sort key is the organization's ID."""
        return key("STRIPE", customer_id)

    def index_keys(
        self,
        *,
        plan: str | None = None,
        is_active: bool | None = None,
        stripe_customer_id: str | None = None,
    ) -> dict[str, str]:
        """Return the attributes of both indexes (`{"gsi2pk": …}`) as they are after a change to these values."""
        active = self.is_active if is_active is None else is_active
        index = {"gsi2pk": self.by_plan(plan or self.plan), "gsi2sk": self.by_plan_order(active, self.id)}
        if customer := stripe_customer_id or self.stripe_customer_id:
            index |= {"gsi1pk": self.by_stripe_customer(customer), "gsi1sk": str(self.id)}
        return index


class SlugRow(Row, discriminator="SLUG"):
    """The marker that reserves a slug for one organization; with a `ttl` it gave the slug up, which is held back."""

    organization_id: Attribute[str] = stored()

    @staticmethod
    def at(slug: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the marker of a slug."""
        return key("SLUG", slug), "SLUG"


class OwnedOrganizationsRow(Row, discriminator="OWNEDORGANIZATIONS"):
    """The IDs of the organizations that count for a user who owns or owned them."""

    organization_ids = UnicodeSetAttribute(null=True, attr_name="organizationIds")

    @staticmethod
    def at(user_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of a user's organizations."""
        return key("USER", user_id), "ORGANIZATIONS"


class MemberRow(EntityRow[OrganizationMember], discriminator="MEMBER"):
    """A membership, found by organization and by user."""

    apart = frozenset({"is_pending"})

    organization_id: Attribute[str]
    user_id: Attribute[str]
    custom_role_id: Attribute[str | None]
    role: Attribute[str] = stored()
    is_active: Attribute[bool] = stored(default=True)
    joined_at: Attribute[str | None] = stored()

    at = staticmethod(keys.member)
    PREFIX = "MEMBER#"

    @staticmethod
    def in_trash(organization_id: object, user_id: object) -> tuple[str, str]:
        """Return the key of the row that records for 30 days who removed the member; it is never restored."""
        return key("ORG", organization_id), key("TRASH", "MEMBER", user_id)

    @staticmethod
    def of_user(user_id: object) -> str:
        """Return the partition of gsi1 with the memberships of a user."""
        return key("USER", user_id)

    @staticmethod
    def of_user_order(organization_id: object) -> str:
        """Return the sort key of gsi1."""
        return key("ORG", organization_id)


class UsageRow(Row, discriminator="USAGE"):
    """The number of an organization's executions in one month; a new month is a new row."""

    executions: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: object, month: str) -> tuple[str, str]:
        """Return the key of a month such as 2026-11."""
        return key("ORG", organization_id), key("USAGE", month)


class MemberCountRow(Row, discriminator="MEMBERCOUNT"):
    """The number of active members and open invitations, which `maxTeamMembers` limits."""

    total: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of an organization's count of members."""
        return key("ORG", organization_id), key("COUNT", "MEMBER")


class CountRow(Row, discriminator="COUNT"):
    """The number of an organization's resources of one type; the write that adds one is conditioned on it."""

    count = NumberAttribute(default=0)  # type: ignore[assignment]  # not PynamoDB's count()

    @staticmethod
    def at(organization_id: object, resource: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the count of one type of resource (`Quota.key_part`)."""
        return key("ORG", organization_id), key("COUNT", resource)


class TenantMailRow(Row, discriminator="TENANTMAIL"):
    """A mail of a tenant that was counted; it has a `message_id` once SES has accepted it."""

    message_id: Attribute[str | None] = stored()

    @staticmethod
    def at(organization_id: object, mail_key: str) -> tuple[str, str]:
        """Return the key (pk, sk) of a mail by its idempotency key."""
        return key("ORG", organization_id), key("MAIL", mail_key)


class NameRow(Row, discriminator="NAME"):
    """The marker that reserves a name, in any case, among an organization's resources of one type."""

    @staticmethod
    def at(organization_id: object, resource: str, name: str) -> tuple[str, str]:
        """Return the key (pk, sk) of a name's marker among resources of one type (`Quota.key_part`), in any case."""
        return key("ORG", organization_id), key("NAME", resource, name.casefold())


class RoleRow(EntityRow[CustomRole], discriminator="ROLE"):
    """A custom role. `member_count` changes with each member and invitation that gets or loses the role."""

    id: Attribute[str]
    name: Attribute[str]
    permissions: Attribute[list[str]]
    member_count: Attribute[int] = stored(default=0)

    at = staticmethod(keys.role)
    PREFIX = "ROLE#"

    @staticmethod
    def in_trash(organization_id: object, role_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) that a custom role has in the trash."""
        return key("ORG", organization_id), key("TRASH", "ROLE", role_id)


class InvitationRow(EntityRow[Invitation], discriminator="INVITATION"):
    """An open invitation; it is deleted when it is accepted or declined.

    It has no `ttl`, because its share of the quota must be released.
    """

    apart = frozenset({"is_expired"})

    id: Attribute[str]
    organization_id: Attribute[str]
    email: Attribute[str]
    role: Attribute[str]
    custom_role_id: Attribute[str | None]
    token_hash: Attribute[str] = stored()

    PREFIX = "INVITE#"

    @staticmethod
    def at(organization_id: object, invitation_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of an invitation."""
        return key("ORG", organization_id), key("INVITE", invitation_id)


class InvitedAddressRow(Row, discriminator="INVITEMAIL"):
    """The marker that reserves an address for one open invitation of an organization."""

    @staticmethod
    def at(organization_id: object, email: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the marker of an invited address."""
        return key("ORG", organization_id), key("INVITEMAIL", email)


class FormerMemberRow(Row, discriminator="FORMERMEMBER"):
    """The marker of an address whose user left, was removed or suspended: an identity provider adds nobody with it.

    It has the hash alone, because it stays when the user deletes their account. An accepted invitation removes it.
    """

    @staticmethod
    def at(organization_id: object, email: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the marker of a normalized e-mail address."""
        return key("ORG", organization_id), key("FORMER", hashlib.sha256(email.encode()).hexdigest())


class DomainRow(EntityRow[MailDomain], discriminator="DOMAIN"):
    """A mail domain that an organization claims, proved or not."""

    id: Attribute[str]
    organization_id: Attribute[str]
    domain: Attribute[str]
    record_name: Attribute[str]
    record_value: Attribute[str]

    PREFIX = "DOMAIN#"

    @staticmethod
    def at(organization_id: object, domain: str) -> tuple[str, str]:
        """Return the key (pk, sk) of an organization's domain, in IDNA."""
        return key("ORG", organization_id), key("DOMAIN", domain)


class DomainOwnerRow(Row, discriminator="DOMAINOWNER"):
    """The marker of the one organization that proved a mail domain."""

    organization_id: Attribute[str] = stored()

    @staticmethod
    def at(domain: str) -> tuple[str, str]:
        """Return the key (pk, sk) of a domain's marker."""
        return key("DOMAIN", domain), "DOMAIN"


class LimitEventRow(EntityRow[LimitEvent], discriminator="EVENT"):
    """A threshold of a limit that was reached: one row for each month, resource and percentage."""

    PREFIX = "EVENT#"

    @staticmethod
    def at(organization_id: object, month: str, resource: str, percent: int) -> tuple[str, str]:
        """Return the key (pk, sk) of a threshold's event; `month` is like 2026-11, `percent` at most 999."""
        return key("ORG", organization_id), key("EVENT", month, resource, f"{percent:03d}")

    @staticmethod
    def of_month(organization_id: object, month: str) -> tuple[str, str]:
        """Return the partition and the sort key prefix of a month's events."""
        return key("ORG", organization_id), key("EVENT", month, "")


class StripeEventRow(Row, discriminator="STRIPEEVENT"):
    """The marker of an event of Stripe that was applied, because Stripe delivers events more than once."""

    @staticmethod
    def at(event_id: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the marker of one of Stripe's events."""
        return key("STRIPEEVENT", event_id), "STRIPEEVENT"
