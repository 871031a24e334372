"""Organizations and members in the table."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from weconnect.auth import keys
from weconnect.organizations.entities import Organization, OrganizationMember
from weconnect.table import Row, key


class OrganizationRow(Row, discriminator="ORGANIZATION"):
    """An organization; operators list them by plan, Stripe's events find them by customer."""

    entity = Organization
    apart = frozenset({"current_month_executions", "execution_reset_date", "is_trial_expired"})

    at = staticmethod(keys.organization)

    @staticmethod
    def by_plan(plan: str) -> str:
        """gsi2, all tenants."""
        return key("ORGS", plan)

    @staticmethod
    def by_plan_order(is_active: bool, organization_id: object) -> str:
        return key("active" if is_active else "inactive", organization_id)

    @staticmethod
    def by_stripe_customer(customer_id: str) -> str:
        """gsi1."""
        return key("STRIPE", customer_id)


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

    at = staticmethod(keys.member)
    PREFIX = "MEMBER#"

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
