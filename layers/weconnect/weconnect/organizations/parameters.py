"""Parameter types of the organizations' routes."""

import base64
from typing import Annotated

from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AfterValidator

from weconnect.api.parameters import path_id
from weconnect.api.resolver import app
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.schemas import SignedBody, normalize_own_domain

OrganizationId = path_id("organizationId")
UserId = path_id("userId")
InvitationId = path_id("invitationId")
RoleId = Annotated[
    str,
    Path(
        alias="roleId",
        max_length=36,
        pattern="^(owner|admin|member|viewer|[0-9a-fA-F-]{36})$",
        description="The ID of a custom role, or the name of a built-in one",
    ),
]
DomainName = Annotated[
    str,
    Path(alias="domain", max_length=255, description="A mail domain, such as example.com"),
    AfterValidator(normalize_own_domain),
]
RoleFilter = Annotated[OrganizationRole | None, Query(description="Only members with this role")]
IsActiveFilter = Annotated[
    bool | None, Query(alias="isActive", description="Only active members, or only inactive ones")
]
Deleted = Annotated[
    bool, Query(description="List the organizations in the trash that the caller owns instead")
]
Purge = Annotated[bool, Query(description="Delete an organization in the trash for good, with all its data")]
DryRun = Annotated[bool, Query(alias="dryRun", description="Only list what would exceed its limit")]


def _read_signed_body() -> SignedBody:
    """Return the unchanged body of the current request and its `Stripe-Signature` header, else empty."""
    event = app.current_event.raw_event
    text = event.get("body") or ""
    if event.get("isBase64Encoded"):
        text = base64.b64decode(text).decode(errors="replace")
    return SignedBody(text, event["headers"].get("stripe-signature", ""))


SignedStripeBody = Annotated[SignedBody, Depends(_read_signed_body)]
