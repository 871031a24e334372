"""GET /v1/jobs"""

from weconnect.caller import SignedIn
from weconnect.http import app, handler
from weconnect.jobs import service
from weconnect.jobs.entities import Job
from weconnect.pages import Cursor, Limit, Page

__all__ = ["handler"]


@app.get("/v1/jobs", tags=["Jobs"])
def list_jobs(caller: SignedIn, limit: Limit = 25, cursor: Cursor = None) -> Page[Job]:
    """List long jobs of the organization that the caller might have asked for, newest first."""
    return service.find(caller, limit=limit, cursor=cursor)
