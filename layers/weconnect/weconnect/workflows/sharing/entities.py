"""Shares of workflows, as they are on the wire."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from weconnect.base_entity import TenantEntity, Wire, up_to


class ShareLevel(StrEnum):
    """Each has what those before it have."""

    VIEW = "view"
    EXECUTE = "execute"
    EDIT = "edit"
    MANAGE = "manage"

    @property
    def rank(self) -> int:
        """From 0, to be compared."""
        return list(ShareLevel).index(self)


RoleName = Annotated[str, up_to(64)]


class NewWorkflowShare(Wire):
    """With one member, with all who have a role, or by a link that anybody may open who has it."""

    shared_with_user_id: UUID | None = None
    shared_with_role: RoleName | None = Field(
        default=None, description="`admin`, `member`, `viewer`, or the id of a custom role"
    )
    link: bool = False
    level: ShareLevel = Field(default=ShareLevel.VIEW, description="A link is to view only")
    expires_at: AwareDatetime | None = Field(
        default=None, description="A link's is within 90 days, 7 when none is given"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.shared_with_user_id is not None) + (self.shared_with_role is not None) + self.link != 1:
            raise ValueError("takes one of sharedWithUserId, sharedWithRole and link")
        if self.link and self.level != ShareLevel.VIEW:
            raise ValueError("a link is to view only")
        return self


class WorkflowShareChanges(Wire):
    """Fields to change; a missing one stays. Null takes the end away, which a link always has."""

    level: ShareLevel | None = None
    expires_at: AwareDatetime | None = None


class WorkflowShare(TenantEntity):
    """What somebody may do with a workflow beyond their role; `userId` gave it."""

    workflow_id: UUID
    shared_with_user_id: UUID | None = None
    shared_with_role: str | None = None
    link: bool = False
    level: ShareLevel = ShareLevel.VIEW
    expires_at: AwareDatetime | None = None


class CreatedWorkflowShare(WorkflowShare):
    """A new share; the token of a link is shown this once, for `GET /v1/shared/{token}`."""

    token: str | None = None
