"""Parameter types of the organizations' routes."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from weconnect.caller import requires
from weconnect.http import path_id
from weconnect.organizations.entities import OrganizationRole

OrganizationManage = requires("organization:manage")
OrganizationInvite = requires("organization:invite")
OrganizationBilling = requires("organization:billing")
OrganizationId = path_id("organizationId")
UserId = path_id("userId")
Role = Annotated[OrganizationRole | None, Query(description="Only members with this role")]
IsActive = Annotated[bool | None, Query(alias="isActive", description="Only active ones, or only others")]
