"""The manifest of the jobs."""

from weconnect.manifest import Module

MODULE = Module(
    rows=("weconnect.jobs.rows",),
    close_access="weconnect.jobs.service:close_access",
    tags={"Jobs": "Long-running jobs, such as bulk operations."},
    tags_rank=50,
    role="JobRoutesRole",
    reading_role="ReadingRole",
)
