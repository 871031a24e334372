"""DELETE /v1/organizations/{organizationId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.account import ownership
from weconnect.auth.parameters import AnyPerson
from weconnect.auth.schemas import Confirmation
from weconnect.organizations.parameters import OrganizationId, Purge

__all__ = ["handler"]


@app.delete(
    "/v1/organizations/<organizationId>", status_code=204, beyond_organization=True, tags=["Organizations"]
)
def delete_organization(
    organization_id: OrganizationId,
    caller: AnyPerson,
    body: Confirmation | None = None,
    if_match: IfMatch = None,
    purge: Purge = False,
) -> Response[None]:
    """Delete an organization.

    Moves it to the trash for 30 days. With `purge` an organization in the trash is deleted for good, which needs
    the password or a second factor's code; who has neither signs in again first. Only for its owner.
    """
    ownership.delete_organization(caller, organization_id, body, if_match, purge=purge)
    return no_content()
