"""PUT /v1/organizations/{organizationId}/plan"""

from weconnect.api.caller import SignedIn
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.organizations.parameters import DryRun, OrganizationId
from weconnect.organizations.plans import plans
from weconnect.organizations.schemas import NewPlan, PlanChange

__all__ = ["handler"]


@app.put("/v1/organizations/<organizationId>/plan", tags=["Billing"])
def put_plan(
    organization_id: OrganizationId,
    body: NewPlan,
    caller: SignedIn,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> PlanChange:
    """Set the organization's plan.

    Only for operators. With `dryRun`, which `organization:billing` permits too, it lists what would exceed the new
    limits.
    """
    return plans.set_plan(caller, organization_id, body, if_match, dry_run=dry_run)
