"""POST /v1/organizations"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.organizations import service
from weconnect.organizations.entities import Organization
from weconnect.organizations.schemas import NewOrganization

__all__ = ["handler"]


@app.post(
    "/v1/organizations",
    status_code=201,
    beyond_organization=True,
    replays=True,
    location="/v1/organizations/{id}",
    tags=["Organizations"],
)
def create_organization(body: NewOrganization, caller: Person) -> Organization:
    """Create an organization.

    The caller becomes its owner. Switch to it to act in it.
    """
    return service.create(caller, body)
