"""Path and query parameters of the routes that runs of agents and workflows share."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from weconnect.caller import requires
from weconnect.executions.entities import ApprovalStatus
from weconnect.http import path_id

ApprovalId = path_id("approvalId")
ApprovalStatusFilter = Annotated[ApprovalStatus, Query(alias="status")]

MayRead = requires("agents:read")  # its arguments are those of a step of its run
MayDecide = requires("agents:execute")
