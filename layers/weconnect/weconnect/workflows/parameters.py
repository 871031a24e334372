"""Path, query and header parameters of the workflows' routes."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from weconnect.api.parameters import path_id
from weconnect.workflows.entities import WorkflowStatus
from weconnect.workflows.variables.entities import VariableScope

WorkflowId = path_id("workflowId")
VariableId = path_id("variableId")
ShareId = path_id("shareId")
LinkToken = Annotated[str, Path(alias="token", max_length=200)]
VersionNumber = Annotated[int, Path(alias="version", ge=1)]
NodeTypeName = Annotated[str, Path(alias="type", max_length=64)]

StatusFilter = Annotated[WorkflowStatus | None, Query(description="Only workflows with this status")]
TagFilter = Annotated[str | None, Query(max_length=100, description="Only workflows with this tag")]
ScopeFilter = Annotated[VariableScope | None, Query(description="Only variables of this scope")]
OfWorkflow = Annotated[
    UUID | None,
    Query(
        alias="workflowId", description="List the variables of this workflow instead of the organization's"
    ),
]
SearchFilter = Annotated[str | None, Query(max_length=255, description="Text in the name or the description")]
DeletedFilter = Annotated[bool, Query(description="List the trash instead")]
PurgeFlag = Annotated[
    bool, Query(description="Delete a workflow in the trash for good, with everything that belongs to it")
]
OtherVersion = Annotated[int, Query(alias="to", ge=1, description="Number of the version to compare with")]

NodeIdInPath = Annotated[str, Path(alias="nodeId", max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
ExecutionFilter = Annotated[
    UUID | None, Query(alias="executionId", description="Color the nodes by their status in this execution")
]
