"""POST /v1/organizations"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.organizations import service
from weconnect.organizations.entities import Organization
from weconnect.organizations.schemas import NewOrganization

__all__ = ["handler"]


@app.post("/v1/organizations", status_code=201, tags=["Organizations"])
def create_organization(body: NewOrganization, caller: Person) -> Organization:
    """Make an organization; the caller becomes its owner, and switches to it when they like."""
    return service.create(caller, body)
