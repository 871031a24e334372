"""Path and query parameters that the workflows' routes share."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from weconnect.api.caller import Caller
from weconnect.api.resolver import path_id
from weconnect.workflows import diagram
from weconnect.workflows.entities import WorkflowStatus
from weconnect.workflows.variables.entities import VariableScope

WorkflowId = path_id("workflowId")
VariableId = path_id("variableId")
ShareId = path_id("shareId")
LinkToken = Annotated[str, Path(alias="token", max_length=200)]
VersionNumber = Annotated[int, Path(alias="version", ge=1)]
NodeTypeName = Annotated[str, Path(alias="type", max_length=64)]

StatusFilter = Annotated[WorkflowStatus | None, Query()]
TagFilter = Annotated[str | None, Query(max_length=100)]
ScopeFilter = Annotated[VariableScope | None, Query()]
OfWorkflow = Annotated[
    UUID | None, Query(alias="workflowId", description="Those of a workflow, not of the organization")
]
SearchFilter = Annotated[str | None, Query(max_length=255, description="In name and description")]
DeletedFilter = Annotated[bool, Query(description="List the trash instead")]
PurgeFlag = Annotated[bool, Query(description="End one that is in the trash, and all that is its own")]
OtherVersion = Annotated[int, Query(alias="to", ge=1, description="The version to compare with")]

NodeIdInPath = Annotated[str, Path(alias="nodeId", max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
ExecutionFilter = Annotated[UUID | None, Query(alias="executionId", description="In the colours of a run")]
Accept = Annotated[str, Header(alias="Accept", max_length=1_000, description="`image/svg+xml` for a picture")]


def drawn(caller: Caller, workflow_id: UUID, execution_id: UUID | None, accept: str) -> Response[str]:
    """Mermaid text, or SVG for who accepts that."""
    as_svg = "image/svg+xml" in accept
    kind = "image/svg+xml" if as_svg else "text/vnd.mermaid; charset=utf-8"
    return Response(200, kind, diagram.draw(caller, workflow_id, execution_id, as_svg))
