"""GET /v1/jobs/{jobId}"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.jobs import service
from weconnect.jobs.entities import Job
from weconnect.jobs.parameters import JobId

__all__ = ["handler"]


@app.get("/v1/jobs/<jobId>", tags=["Jobs"])
def get_job(job_id: JobId, caller: SignedIn) -> Job:
    """Get the progress, counts and result of a job."""
    return service.get(caller, job_id)
