"""What runs of agents and workflows have in common, as it is on the wire."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from weconnect.entities import Json, StoredJson, TenantEntity, Wire

Note = Annotated[str, StringConstraints(max_length=2_000)]


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Approvers(Wire):
    """Who may decide, by id or by role; nobody named: everybody who may run such a thing."""

    users: list[UUID] = []
    roles: list[str] = []


class Approval(TenantEntity):
    """A question that a run waits for. `userId` started the run; the key that started it may not answer."""

    run_type: Literal["agent"] = "agent"
    agent_id: UUID
    execution_id: UUID
    tool_name: str
    arguments: Json
    input_schema: Json = Field(description="What edited arguments have to fit")
    approvers: Approvers = Approvers()
    expires_at: AwareDatetime
    api_key_id: UUID | None = Field(default=None, description="The API key that started the run")
    status: ApprovalStatus = ApprovalStatus.PENDING
    edited_arguments: Json | None = Field(default=None, description="What runs in place of `arguments`")
    note: Note | None = None
    decided_at: AwareDatetime | None = None
    decided_by: UUID | None = None
    decided_by_api_key_id: UUID | None = None

    def settled(self) -> Json:
        """The arguments that an approved call runs with."""
        return self.arguments if self.edited_arguments is None else self.edited_arguments


class Decision(Wire):
    """Approve or deny; `arguments` replace those that were asked for."""

    decision: Literal["approve", "deny"]
    arguments: StoredJson | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _denied_runs_nothing(self) -> Any:
        if self.decision == "deny" and self.arguments is not None:
            raise ValueError("arguments go with approve")
        return self
