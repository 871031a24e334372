"""DELETE /v1/organizations/{organizationId}/roles/{roleId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId, RoleId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.delete("/v1/organizations/<organizationId>/roles/<roleId>", status_code=204, tags=["Roles"])
def delete_role(
    organization_id: OrganizationId, role_id: RoleId, caller: OrganizationManage, if_match: IfMatch = None
) -> Response[None]:
    """Delete a custom role that no member has."""
    roles.delete(caller, organization_id, role_id, if_match)
    return no_content()
