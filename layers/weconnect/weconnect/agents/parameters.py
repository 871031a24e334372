"""Path and query parameters of the agents' routes, and their responses with two statuses."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from weconnect.agents.entities import AgentExecutionStatus, AIAgentExecution
from weconnect.agents.memory.entities import MemoryType, MemoryWriteResult
from weconnect.agents.rows import LAST_VERSION
from weconnect.api.parameters import path_id
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.identity import waiting

AgentId = path_id("agentId")
ExecutionId = path_id("executionId")
ToolId = path_id("toolId")
MemoryId = path_id("memoryId")
VersionNumber = Annotated[int, Path(alias="version", ge=1, le=LAST_VERSION)]

ProviderFilter = Annotated[str | None, Query(max_length=50, description="Only agents of this provider")]
ModelFilter = Annotated[str | None, Query(max_length=100, description="Only agents with this model")]
IsActiveFilter = Annotated[
    bool | None, Query(alias="isActive", description="Only active ones, or only inactive ones")
]
SearchFilter = Annotated[str | None, Query(max_length=255, description="In name and description")]
DeletedFilter = Annotated[bool, Query(description="List the trash instead")]
PurgeFlag = Annotated[
    bool, Query(description="Delete an agent in the trash for good, with all that belongs to it")
]
StatusFilter = Annotated[AgentExecutionStatus | None, Query(description="Only executions with this status")]
SessionFilter = Annotated[
    str | None, Query(alias="sessionId", max_length=100, description="Only those of this session")
]
SessionToErase = Annotated[
    str, Query(alias="sessionId", min_length=1, max_length=100, description="The session to erase")
]
AfterFilter = Annotated[AwareDatetime | None, Query(alias="from", description="Started at or after")]
BeforeFilter = Annotated[AwareDatetime | None, Query(alias="to", description="Started before")]
SortOrder = Annotated[Literal["newest", "slowest"], Query(description="Newest first, or slowest first")]
MemoryTypeFilter = Annotated[
    MemoryType | None, Query(alias="memoryType", description="Only memories of this type")
]
AsOf = Annotated[AwareDatetime | None, Query(alias="asOf", description="Return what was valid at this time")]
TagFilter = Annotated[str | None, Query(max_length=100, description="Only memories with this tag")]


def execution_response(execution: AIAgentExecution, waited_seconds: int) -> Response[AIAgentExecution]:
    """Return 202 while the execution is open, 200 when it finished within the caller's wait."""
    headers = waiting.build_headers(waited_seconds)
    status = 200 if waited_seconds and execution.status not in OPEN_STATUSES else 202
    return Response(status_code=status, content_type="application/json", body=execution, headers=headers)


def memory_response(result: MemoryWriteResult) -> Response[MemoryWriteResult]:
    """Return 201 for a new memory, 200 for a duplicate or a rejected one."""
    status = 201 if result.decision in ("added", "supersedes") else 200
    return Response(status_code=status, content_type="application/json", body=result)
