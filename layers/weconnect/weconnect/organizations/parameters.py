"""Parameter types of the organizations' routes."""

import base64
from typing import Annotated

from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from weconnect.api.caller import requires
from weconnect.api.resolver import app, path_id
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.schemas import SignedBody

OrganizationManage = requires("organization:manage")
OrganizationInvite = requires("organization:invite")
OrganizationBilling = requires("organization:billing")
OrganizationId = path_id("organizationId")
UserId = path_id("userId")
InvitationId = path_id("invitationId")
RoleId = Annotated[
    str,
    Path(
        alias="roleId",
        max_length=36,
        pattern="^(owner|admin|member|viewer|[0-9a-fA-F-]{36})$",
        description="A custom role's id, or the name of one of the four",
    ),
]
Role = Annotated[OrganizationRole | None, Query(description="Only members with this role")]
IsActive = Annotated[bool | None, Query(alias="isActive", description="Only active ones, or only others")]
Deleted = Annotated[bool, Query(description="List those in the trash that the caller owns instead")]
Purge = Annotated[
    bool, Query(description="End one that is in the trash for good, with everything that is its own")
]
DryRun = Annotated[bool, Query(alias="dryRun", description="Only tell what would be over its limit")]


def _signed_body() -> SignedBody:
    event = app.current_event.raw_event
    text = event.get("body") or ""
    if event.get("isBase64Encoded"):
        text = base64.b64decode(text).decode(errors="replace")
    return SignedBody(text, event["headers"].get("stripe-signature", ""))


Signed = Annotated[SignedBody, Depends(_signed_body)]
