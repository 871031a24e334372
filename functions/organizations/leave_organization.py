"""POST /v1/organizations/{organizationId}/leave"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.parameters import AnyPerson
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/leave",
    status_code=204,
    self_service=True,
    replays=True,
    tags=["Members"],
)
def leave_organization(organization_id: OrganizationId, caller: AnyPerson) -> Response[None]:
    """Leave the organization.

    Refused for its last owner.
    """
    members.leave(caller, organization_id)
    return no_content()
