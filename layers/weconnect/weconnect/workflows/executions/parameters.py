"""Path and query parameters of the routes of executions, and their responses."""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from weconnect.api.parameters import path_id
from weconnect.executions.entities import ExecutionMode, ExecutionStatus
from weconnect.identity import waiting
from weconnect.workflows.executions import timeline_chart
from weconnect.workflows.executions.entities import Execution, ExecutionEvents, Timeline

ExecutionId = path_id("executionId")
FileId = path_id("fileId")
NodeExecutionId = Annotated[str, Path(alias="nodeExecutionId", max_length=20)]
CallbackToken = Annotated[str, Path(alias="token", max_length=200)]

WorkflowFilter = Annotated[
    UUID | None, Query(alias="workflowId", description="Only executions of this workflow")
]
StatusFilter = Annotated[
    ExecutionStatus | None, Query(alias="status", description="Only executions with this status")
]
ModeFilter = Annotated[ExecutionMode | None, Query(alias="mode", description="Only executions in this mode")]
AfterFilter = Annotated[AwareDatetime | None, Query(alias="from", description="Started at or after")]
BeforeFilter = Annotated[AwareDatetime | None, Query(alias="to", description="Started before")]
LevelFilter = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    Query(alias="level", description="Only entries of this level"),
]
NodeFilter = Annotated[
    str | None, Query(alias="nodeId", max_length=64, description="Only entries of this node")
]


def build_started_response(execution: Execution, waited_seconds: int) -> Response[Execution]:
    """Return the response to a start: 202 while the execution is open, 200 when it has ended (`Prefer: wait=N`)."""
    return Response(
        status_code=202 if execution.is_running() else 200,
        content_type="application/json",
        body=execution,
        headers=waiting.build_headers(waited_seconds) | {"Location": f"/v1/executions/{execution.id}"},
    )


def build_events_response(events: ExecutionEvents, waited_seconds: int) -> Response[ExecutionEvents]:
    """Return the response to a long poll, which says whether it waited."""
    headers = waiting.build_headers(waited_seconds)
    return Response(status_code=200, content_type="application/json", body=events, headers=headers)


def build_timeline_response(timeline: Timeline, accept: str) -> Response[Timeline | str]:
    """Return the timeline as JSON, or as SVG when the `Accept` header names that."""
    if "image/svg+xml" in accept:
        return Response(200, "image/svg+xml", timeline_chart.draw(timeline))
    return Response(200, "application/json", timeline)
