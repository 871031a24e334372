"""POST /v1/executions/bulk"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsUpdateMany
from weconnect.jobs.entities import Job
from weconnect.jobs.parameters import job_response
from weconnect.workflows.executions import bulk_actions
from weconnect.workflows.executions.entities import Bulk, BulkPreview

__all__ = ["handler"]


@app.post("/v1/executions/bulk", status_code=202, replays=True, tags=["Executions"])
def bulk_executions(body: Bulk, caller: ExecutionsUpdateMany) -> Response[Job | BulkPreview]:
    """Cancel, retry or delete many executions.

    Returns 202 with a job, or 200 with a count for a dry run.
    """
    return job_response(bulk_actions.request(caller, body))
