"""Entities of shares, as the API sends and receives them."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from weconnect.base_entity import ApiModel, TenantEntity, trimmed_text


class ShareLevel(StrEnum):
    """Levels of a share, in ascending order; each includes those before it."""

    VIEW = "view"
    EXECUTE = "execute"
    EDIT = "edit"
    MANAGE = "manage"

    @property
    def rank(self) -> int:
        """Return the position of the level, from 0, for comparisons."""
        return list(ShareLevel).index(self)


RoleName = Annotated[str, trimmed_text(64)]


class NewWorkflowShare(ApiModel):
    """The recipient of a new share: one member, all members with a role, or anybody who has the link."""

    shared_with_user_id: UUID | None = None
    shared_with_role: RoleName | None = Field(
        default=None, description="`admin`, `member`, `viewer`, or the ID of a custom role"
    )
    link: bool = False
    level: ShareLevel = Field(default=ShareLevel.VIEW, description="A link has the level `view`")
    expires_at: AwareDatetime | None = Field(
        default=None, description="End of the share. A link ends within 90 days; without an end, after 7"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """Raise ValueError unless there is one recipient, and a link has the level view."""
        if (self.shared_with_user_id is not None) + (self.shared_with_role is not None) + self.link != 1:
            raise ValueError("give exactly one of sharedWithUserId, sharedWithRole and link")
        if self.link and self.level != ShareLevel.VIEW:
            raise ValueError("a link has the level view")
        return self


class WorkflowShareChanges(ApiModel):
    """Fields to change; a missing one stays. `expiresAt: null` removes the end, but not that of a link."""

    level: ShareLevel | None = None
    expires_at: AwareDatetime | None = None


class WorkflowShare(TenantEntity):
    """Access to a workflow beyond the recipient's role; `userId` is who shared it."""

    workflow_id: UUID
    shared_with_user_id: UUID | None = None
    shared_with_role: str | None = None
    link: bool = False
    level: ShareLevel = ShareLevel.VIEW
    expires_at: AwareDatetime | None = None


class CreatedWorkflowShare(WorkflowShare):
    """A new share. The token of a link is shown only here; it opens `GET /v1/shared/{token}`."""

    token: str | None = None
