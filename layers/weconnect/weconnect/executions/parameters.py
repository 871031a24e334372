"""Path and query parameters of the routes that runs of agents and workflows share."""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from weconnect.api.caller import requires
from weconnect.api.resolver import path_id
from weconnect.executions.entities import ApprovalStatus, Execution, ExecutionMode, ExecutionStatus, Timeline
from weconnect.executions.views import timeline_chart

ApprovalId = path_id("approvalId")
ApprovalStatusFilter = Annotated[ApprovalStatus, Query(alias="status")]

MayRead = requires("agents:read")  # its arguments are those of a step of its run
MayDecide = requires("agents:execute")

ExecutionId = path_id("executionId")
FileId = path_id("fileId")
NodeExecutionId = Annotated[str, Path(alias="nodeExecutionId", max_length=20)]
CallbackToken = Annotated[str, Path(alias="token", max_length=200)]

WorkflowFilter = Annotated[UUID | None, Query(alias="workflowId")]
StatusFilter = Annotated[ExecutionStatus | None, Query(alias="status")]
ModeFilter = Annotated[ExecutionMode | None, Query(alias="mode")]
AfterFilter = Annotated[AwareDatetime | None, Query(alias="from", description="Started at or after")]
BeforeFilter = Annotated[AwareDatetime | None, Query(alias="to", description="Started before")]
LevelFilter = Annotated[Literal["debug", "info", "warning", "error"] | None, Query(alias="level")]
NodeFilter = Annotated[str | None, Query(alias="nodeId", max_length=64)]


def accepted(execution: Execution, waited: int) -> Response[Execution]:
    """202 while a run is open, 200 when it ended within the caller's request."""
    headers = {"Preference-Applied": f"wait={waited}"} if waited else {}
    status = 202 if execution.is_running() else 200
    location = f"/v1/executions/{execution.id}"
    return Response(
        status_code=status,
        content_type="application/json",
        body=execution,
        headers=headers | {"Location": location},
    )


def charted(timeline: Timeline, accept: str) -> Response[Timeline | str]:
    """JSON, or SVG for who accepts that."""
    if "image/svg+xml" in accept:
        return Response(200, "image/svg+xml", timeline_chart.svg(timeline))
    return Response(200, "application/json", timeline)
