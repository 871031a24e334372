"""GET /v1/jobs"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.jobs import service
from weconnect.jobs.entities import Job

__all__ = ["handler"]


@app.get("/v1/jobs", tags=["Jobs"])
def list_jobs(caller: SignedIn, limit: Limit = 25, cursor: Cursor = None) -> Page[Job]:
    """List long jobs of the organization that the caller might have asked for, newest first."""
    return service.find(caller, limit=limit, cursor=cursor)
