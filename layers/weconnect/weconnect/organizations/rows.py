"""Organizations and members in the table."""

from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from weconnect.db.table import Row, key
from weconnect.identity import keys
from weconnect.organizations.entities import Organization, OrganizationMember
from weconnect.organizations.schemas import CustomRole, Invitation, LimitEvent


class OrganizationRow(Row, discriminator="ORGANIZATION"):
    """An organization; operators list them by plan, Stripe's events find them by customer."""

    entity = Organization
    apart = frozenset({"current_month_executions", "execution_reset_date", "is_trial_expired"})

    is_active = BooleanAttribute(default=True, attr_name="isActive")
    stripe_event_at = NumberAttribute(null=True, attr_name="stripeEventAt")
    stripe_ended = UnicodeAttribute(null=True, attr_name="stripeEnded")
    stripe_suspended = BooleanAttribute(null=True, attr_name="stripeSuspended")

    at = staticmethod(keys.organization)

    @staticmethod
    def in_trash(organization_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), key("TRASH", "ORG")

    @staticmethod
    def by_plan(plan: str) -> str:
        """gsi2, all tenants."""
        return key("ORGS", plan)

    @staticmethod
    def by_plan_order(is_active: bool, organization_id: object) -> str:
        return key("active" if is_active else "inactive", organization_id)

    @staticmethod
    def by_stripe_customer(customer_id: str) -> str:
        """gsi1; the sort key is the organization's id."""
        return key("STRIPE", customer_id)

    def index_keys(self, **changed: Any) -> dict[str, str]:
        """The row's keys in the indexes, after `changed` (plan, is_active, stripe_customer_id)."""
        plan, active = changed.get("plan", self.plan), changed.get("is_active", self.is_active)
        keys = {"gsi2pk": self.by_plan(plan), "gsi2sk": self.by_plan_order(active, self.id)}
        if customer := changed.get("stripe_customer_id", self.stripe_customer_id):
            keys |= {"gsi1pk": self.by_stripe_customer(customer), "gsi1sk": str(self.id)}
        return keys


class SlugRow(Row, discriminator="SLUG"):
    """Holds a slug for one organization."""

    organization_id = UnicodeAttribute(attr_name="organizationId")

    @staticmethod
    def at(slug: str) -> tuple[str, str]:
        return key("SLUG", slug), "SLUG"


class MemberRow(Row, discriminator="MEMBER"):
    """A membership, found from both sides."""

    entity = OrganizationMember
    apart = frozenset({"is_pending"})

    role = UnicodeAttribute()
    is_active = BooleanAttribute(default=True, attr_name="isActive")
    joined_at = UnicodeAttribute(null=True, attr_name="joinedAt")

    at = staticmethod(keys.member)
    PREFIX = "MEMBER#"

    @staticmethod
    def in_trash(organization_id: object, user_id: object) -> tuple[str, str]:
        """Where it says for 30 days who removed whom; nobody comes back from there."""
        return key("ORG", organization_id), key("TRASH", "MEMBER", user_id)

    @staticmethod
    def of_user(user_id: object) -> str:
        """gsi1: the organizations of a user."""
        return key("USER", user_id)

    @staticmethod
    def of_user_order(organization_id: object) -> str:
        return key("ORG", organization_id)


class UsageRow(Row, discriminator="USAGE"):
    """One month's executions of an organization; a new month is a new row."""

    executions = NumberAttribute(default=0)

    @staticmethod
    def at(organization_id: object, month: str) -> tuple[str, str]:
        """`month` is like 2026-11."""
        return key("ORG", organization_id), key("USAGE", month)


class MemberCountRow(Row, discriminator="MEMBERCOUNT"):
    """How many members an organization has, with open invitations: held against `maxTeamMembers`."""

    total = NumberAttribute(default=0)

    @staticmethod
    def at(organization_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), key("COUNT", "MEMBER")


class CountRow(Row, discriminator="COUNT"):
    """How many of a thing an organization has; the condition of the write that makes one more."""

    count = NumberAttribute(default=0)  # type: ignore[assignment]  # not PynamoDB's count()

    @staticmethod
    def at(organization_id: object, what: str) -> tuple[str, str]:
        return key("ORG", organization_id), key("COUNT", what)


class NameRow(Row, discriminator="NAME"):
    """Marks a name as taken within its organization."""

    @staticmethod
    def at(organization_id: object, what: str, name: str) -> tuple[str, str]:
        return key("ORG", organization_id), key("NAME", what, name.casefold())


class RoleRow(Row, discriminator="ROLE"):
    """A custom role. `member_count` moves with each member and invitation that gets or loses it."""

    entity = CustomRole
    PREFIX = "ROLE#"

    member_count = NumberAttribute(default=0, attr_name="memberCount")

    at = staticmethod(keys.role)

    @staticmethod
    def in_trash(organization_id: object, role_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), key("TRASH", "ROLE", role_id)


class InvitationRow(Row, discriminator="INVITATION"):
    """An open invitation; it goes when it is answered. No `ttl`: its place in the plan must be given back."""

    entity = Invitation
    apart = frozenset({"is_expired"})
    PREFIX = "INVITE#"

    token_hash = UnicodeAttribute(attr_name="tokenHash")
    user_id = UnicodeAttribute(null=True, attr_name="userId")

    @staticmethod
    def at(organization_id: object, invitation_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), key("INVITE", invitation_id)


class InvitedAddressRow(Row, discriminator="INVITEMAIL"):
    """Holds an address for one open invitation of an organization."""

    @staticmethod
    def at(organization_id: object, email: str) -> tuple[str, str]:
        return key("ORG", organization_id), key("INVITEMAIL", email)


class EventRow(Row, discriminator="EVENT"):
    """A threshold of a limit that was reached: one row for each month, resource and percentage."""

    entity = LimitEvent
    PREFIX = "EVENT#"

    @staticmethod
    def at(organization_id: object, month: str, resource: str, percent: int) -> tuple[str, str]:
        return key("ORG", organization_id), key("EVENT", month, resource, f"{percent:03d}")

    @staticmethod
    def of_month(organization_id: object, month: str) -> tuple[str, str]:
        """The partition and the prefix of a month's events."""
        return key("ORG", organization_id), key("EVENT", month, "")


class StripeEventRow(Row, discriminator="STRIPEEVENT"):
    """An event of Stripe's that was taken: they come more than once."""

    @staticmethod
    def at(event_id: str) -> tuple[str, str]:
        return key("STRIPEEVENT", event_id), "STRIPEEVENT"
