"""GET /v1/jobs"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.jobs import service
from weconnect.jobs.entities import Job

__all__ = ["handler"]


@app.get("/v1/jobs", tags=["Jobs"])
def list_jobs(caller: SignedIn, limit: Limit = 25, cursor: Cursor = None) -> Page[Job]:
    """List the organization's jobs, newest first.

    Only those that the caller could have started.
    """
    return service.find(caller, limit=limit, cursor=cursor)
