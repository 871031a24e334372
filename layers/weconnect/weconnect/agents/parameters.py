"""Path and query parameters that the agents' routes share."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from weconnect.agents.entities import OPEN, AIAgentExecution, ExecutionStatus
from weconnect.agents.memory.entities import MemoryType, MemoryWritten
from weconnect.agents.rows import LAST_VERSION
from weconnect.api.resolver import path_id

AgentId = path_id("agentId")
ExecutionId = path_id("executionId")
ToolId = path_id("toolId")
MemoryId = path_id("memoryId")
VersionNumber = Annotated[int, Path(alias="version", ge=1, le=LAST_VERSION)]

ProviderFilter = Annotated[str | None, Query(max_length=50)]
ModelFilter = Annotated[str | None, Query(max_length=100)]
IsActiveFilter = Annotated[bool | None, Query(alias="isActive")]
SearchFilter = Annotated[str | None, Query(max_length=255, description="In name and description")]
DeletedFilter = Annotated[bool, Query(description="List the trash instead")]
PurgeFlag = Annotated[bool, Query(description="End one that is in the trash, and all that is its own")]
StatusFilter = Annotated[ExecutionStatus | None, Query()]
SessionFilter = Annotated[str | None, Query(alias="sessionId", max_length=100)]
SessionToErase = Annotated[str, Query(alias="sessionId", min_length=1, max_length=100)]
AfterFilter = Annotated[AwareDatetime | None, Query(alias="from", description="Started at or after")]
BeforeFilter = Annotated[AwareDatetime | None, Query(alias="to", description="Started before")]
SortOrder = Annotated[Literal["newest", "slowest"], Query()]
MemoryTypeFilter = Annotated[MemoryType | None, Query(alias="memoryType")]
AsOf = Annotated[AwareDatetime | None, Query(alias="asOf", description="What was the case then")]
TagFilter = Annotated[str | None, Query(max_length=100)]


def accepted(execution: AIAgentExecution, waited: int) -> Response[AIAgentExecution]:
    """202 while a run is open, 200 when the caller's wait saw it end."""
    headers = {"Preference-Applied": f"wait={waited}"} if waited else {}
    status = 200 if waited and execution.status not in OPEN else 202
    return Response(status_code=status, content_type="application/json", body=execution, headers=headers)


def written(answer: MemoryWritten) -> Response[MemoryWritten]:
    """201 for what is new, 200 for a duplicate and for what was rejected."""
    status = 201 if answer.decision in ("added", "supersedes") else 200
    return Response(status_code=status, content_type="application/json", body=answer)
