"""Errors about jobs."""

from weconnect.errors import Conflict, NotFound


class JobNotFound(NotFound):
    """The job does not exist, or the caller may not see it."""

    code, title = "job_not_found", "Job not found"


class BatchFailed(Conflict):
    """A batch of the job was started several times and never finished, so the job ended."""

    code, title = "batch_failed", "Batch failed"
