"""POST /v1/jobs/{jobId}/cancel"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.jobs import service
from weconnect.jobs.entities import Job
from weconnect.jobs.parameters import JobId

__all__ = ["handler"]


@app.post("/v1/jobs/<jobId>/cancel", tags=["Jobs"])
def cancel_job(job_id: JobId, caller: SignedIn) -> Job:
    """Stop a job before its next batch; what it has done stays done."""
    return service.cancel(caller, job_id)
