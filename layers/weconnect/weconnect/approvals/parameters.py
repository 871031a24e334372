"""Path and query parameters of the approvals' routes."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from weconnect.api.parameters import path_id
from weconnect.approvals.entities import ApprovalStatus

ApprovalId = path_id("approvalId")
ApprovalStatusFilter = Annotated[
    ApprovalStatus, Query(alias="status", description="Only approval requests with this status")
]
