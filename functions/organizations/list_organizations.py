"""GET /v1/organizations"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.organizations import service
from weconnect.organizations.entities import OrganizationSummary
from weconnect.organizations.parameters import Deleted

__all__ = ["handler"]


@app.get("/v1/organizations", self_service=True, tags=["Organizations"])
def list_organizations(
    caller: SignedIn, limit: Limit = 25, cursor: Cursor = None, deleted: Deleted = False
) -> Page[OrganizationSummary]:
    """List the caller's organizations with the caller's role."""
    return service.find(caller, limit=limit, cursor=cursor, deleted=deleted)
