"""PUT /v1/organizations/{organizationId}/plan"""

from weconnect.caller import SignedIn
from weconnect.http import IfMatch, app, handler
from weconnect.organizations import plans
from weconnect.organizations.forms import NewPlan, PlanChange
from weconnect.organizations.parameters import DryRun, OrganizationId

__all__ = ["handler"]


@app.put("/v1/organizations/<organizationId>/plan", tags=["Billing"])
def put_plan(
    organization_id: OrganizationId,
    body: NewPlan,
    caller: SignedIn,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> PlanChange:
    """Set the plan, for operators; `dryRun`, also for organization:billing, lists what would be over."""
    return plans.put(caller, organization_id, body, if_match, dry_run=dry_run)
