"""The current plan of an organization."""

from uuid import UUID

from weconnect.db import table
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.rows import OrganizationRow


def load_plan(organization_id: UUID) -> str:
    """Return the name of an organization's plan. Raises OrganizationNotFound."""
    return table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound).plan
