"""Approval requests and the decisions about them."""

from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from weconnect.base_entity import ApiModel, JsonObject, StoredJson, TenantEntity

Note = Annotated[str, StringConstraints(max_length=2_000)]


class ApprovalStatus(StrEnum):
    """The status of an approval request."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Approvers(ApiModel):
    """The users and roles who may decide. If both lists are empty, everyone with the execute permission may."""

    users: list[UUID] = []
    roles: list[str] = []


class Approval(TenantEntity):
    """A request for approval that an execution waits for.

    `userId` is the user who started the execution. The API key that started it may not decide.
    """

    run_type: Literal["agent", "workflow"] = "agent"
    agent_id: UUID | None = None
    workflow_id: UUID | None = None
    execution_id: UUID
    tool_name: str = Field(description="The agent's tool, or the workflow's node, that needs approval")
    message: str | None = Field(default=None, description="The message of the workflow's node")
    arguments: JsonObject
    input_schema: JsonObject = Field(description="The JSON Schema that edited arguments must match")
    approvers: Approvers = Approvers()
    expires_at: AwareDatetime
    api_key_id: UUID | None = Field(default=None, description="The API key that started the execution")
    status: ApprovalStatus = ApprovalStatus.PENDING
    edited_arguments: JsonObject | None = Field(
        default=None, description="The arguments used instead of `arguments`"
    )
    note: Note | None = None
    decided_at: AwareDatetime | None = None
    decided_by: UUID | None = None
    decided_by_api_key_id: UUID | None = None

    def final_arguments(self) -> JsonObject:
        """Return the arguments to execute an approved call with: the edited ones, or else the requested ones."""
        return self.arguments if self.edited_arguments is None else self.edited_arguments


class Decision(ApiModel):
    """A decision about an approval request. `arguments` replace the requested ones."""

    decision: Literal["approve", "deny"]
    arguments: StoredJson | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _reject_arguments_of_a_denial(self) -> Self:
        """Return the decision. Raises ValueError for a denial with arguments."""
        if self.decision == "deny" and self.arguments is not None:
            raise ValueError("arguments are allowed only with decision: approve")
        return self
