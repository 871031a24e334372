"""The plan of an organization: previewing and setting it."""

from uuid import UUID

from weconnect.api.caller import OPERATOR, Caller
from weconnect.api.errors import PermissionMissing
from weconnect.db import table
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.members import membership
from weconnect.organizations.plans import usage
from weconnect.organizations.rows import OrganizationRow
from weconnect.organizations.schemas import NewPlan, PlanChange


def set_plan(
    caller: Caller, organization_id: UUID, body: NewPlan, if_match: int | None, *, dry_run: bool
) -> PlanChange:
    """Set the plan, as an operator of the deployment; a dry run only lists what exceeds its limits.

    Callers with organization:billing may do the dry run too. Resources above the new plan's limits stay: the limits are
    checked when something is added. Raises PermissionMissing.
    """
    membership.require_current_organization(caller, organization_id)
    if not dry_run:
        caller.require_permission(OPERATOR)
    elif not (caller.has_permission(OPERATOR) or caller.has_permission("organization:billing")):
        raise PermissionMissing("This requires the permission organization:billing.")
    row = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    if not dry_run:
        override = body.plan_limits.model_dump(mode="json") if body.plan_limits else None
        values = {"plan": body.plan.value, "plan_limits": override, **row.index_keys(plan=body.plan.value)}
        row = table.change(row, values, caller.actor(), if_match=if_match)
    organization = row.to_entity().model_copy(update={"plan": body.plan, "plan_limits": body.plan_limits})
    over = [resource for resource in usage.measure(organization) if 0 <= resource.limit < resource.used]
    return PlanChange(
        plan=body.plan,
        limits=organization.get_plan_limits(),
        over=over,
        applied=not dry_run,
        version=row.version,
    )
