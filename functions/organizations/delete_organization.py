"""DELETE /v1/organizations/{organizationId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.parameters import AnyPerson
from weconnect.organizations import deletion
from weconnect.organizations.parameters import OrganizationId, Purge

__all__ = ["handler"]


@app.delete("/v1/organizations/<organizationId>", status_code=204, tags=["Organizations"])
def delete_organization(
    organization_id: OrganizationId, caller: AnyPerson, if_match: IfMatch = None, purge: Purge = False
) -> Response[None]:
    """Delete an organization.

    Moves it to the trash for 30 days. With `purge` an organization in the trash is deleted for good. Only for its
    owner.
    """
    deletion.delete(caller, organization_id, if_match, purge=purge)
    return no_content()
