"""Errors about jobs."""

from weconnect.errors import Conflict, LimitReached, NotFound


class JobNotFound(NotFound):
    """The job does not exist, or the caller may not see it."""

    code, title = "job_not_found", "Job not found"


class BatchFailed(Conflict):
    """A batch of the job was started several times and never finished, so the job ended."""

    code, title = "batch_failed", "Batch failed"


class TooManyOpenJobs(LimitReached):
    """The organization has as many open jobs as its plan allows. Wait until one ends, or cancel one."""

    code, title = "too_many_open_jobs", "Too many open jobs"
