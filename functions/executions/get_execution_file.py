"""GET /v1/executions/{executionId}/files/{fileId}"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import files
from weconnect.workflows.executions.entities import ExecutionFile
from weconnect.workflows.executions.parameters import ExecutionId, FileId

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/files/<fileId>", tags=["Executions"])
def get_execution_file(execution_id: ExecutionId, file_id: FileId, caller: ExecutionsRead) -> ExecutionFile:
    """Get a file of an execution.

    The response has a URL to download it, valid for five minutes.
    """
    return files.create_download(caller, execution_id, file_id)
