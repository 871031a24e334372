"""POST /v1/jobs/{jobId}/cancel"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.jobs import service
from weconnect.jobs.entities import Job
from weconnect.jobs.parameters import JobId

__all__ = ["handler"]


@app.post("/v1/jobs/<jobId>/cancel", replays=True, tags=["Jobs"])
def cancel_job(job_id: JobId, caller: SignedIn) -> Job:
    """Cancel a job before its next batch.

    Finished batches are not undone.
    """
    return service.cancel(caller, job_id)
