"""An organization's plan: what it would mean, and setting it."""

from uuid import UUID

from weconnect.api.caller import OPERATOR, Caller
from weconnect.db import table
from weconnect.errors import Forbidden
from weconnect.organizations.entities import Organization
from weconnect.organizations.members import membership
from weconnect.organizations.plans import usage
from weconnect.organizations.rows import OrganizationRow
from weconnect.organizations.schemas import NewPlan, PlanChange


def put(
    caller: Caller, organization_id: UUID, body: NewPlan, if_match: int | None, *, dry_run: bool
) -> PlanChange:
    """Set the plan, as the operator; a dry run, also for who holds organization:billing, only tells what is over.

    What there is more of than the plan allows stays: its conditions are asked when something is added.
    """
    membership.require_current(caller, organization_id)
    if not dry_run:
        caller.require(OPERATOR)
    elif not (caller.may(OPERATOR) or caller.may("organization:billing")):
        raise Forbidden("This needs the permission organization:billing", code="permission_missing")
    row = table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
    if not dry_run:
        override = body.plan_limits.model_dump(mode="json") if body.plan_limits else None
        values = {"plan": body.plan.value, "plan_limits": override, **row.index_keys(plan=body.plan.value)}
        row = table.change(row, values, caller.actor(), if_match=if_match)
    stored: Organization = row.to_entity()
    organization = stored.model_copy(update={"plan": body.plan, "plan_limits": body.plan_limits})
    over = [used for used in usage.of(organization) if 0 <= used.limit < used.used]
    return PlanChange(
        plan=body.plan,
        limits=organization.get_plan_limits(),
        over=over,
        applied=not dry_run,
        version=row.version,
    )
