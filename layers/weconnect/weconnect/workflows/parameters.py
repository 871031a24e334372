"""Path and query parameters that the workflows' routes share."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from weconnect.http import path_id
from weconnect.workflows.entities import WorkflowStatus

WorkflowId = path_id("workflowId")
VersionNumber = Annotated[int, Path(alias="version", ge=1)]
NodeTypeName = Annotated[str, Path(alias="type", max_length=64)]

StatusFilter = Annotated[WorkflowStatus | None, Query()]
TagFilter = Annotated[str | None, Query(max_length=100)]
SearchFilter = Annotated[str | None, Query(max_length=255, description="In name and description")]
DeletedFilter = Annotated[bool, Query(description="List the trash instead")]
PurgeFlag = Annotated[bool, Query(description="End one that is in the trash, and all that is its own")]
OtherVersion = Annotated[int, Query(alias="to", ge=1, description="The version to compare with")]
