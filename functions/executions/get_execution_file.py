"""GET /v1/executions/{executionId}/files/{fileId}"""

from weconnect.api.resolver import app, handler
from weconnect.executions import files
from weconnect.executions.entities import ExecutionFile
from weconnect.executions.parameters import ExecutionId, FileId
from weconnect.executions.permissions import ExecutionsRead

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/files/<fileId>", tags=["Executions"])
def get_execution_file(execution_id: ExecutionId, file_id: FileId, caller: ExecutionsRead) -> ExecutionFile:
    """A file that one of its nodes has got, with an address that gives it for five minutes."""
    return files.address(caller, execution_id, file_id)
