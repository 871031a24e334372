"""Tools of agents, as they are on the wire."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from weconnect.entities import Json, Name, StoredJson, TenantEntity, Wire, up_to

ToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$", max_length=100)]


class ToolType(StrEnum):
    HTTP = "http"
    BUILTIN = "builtin"
    AGENT = "agent"


class ToolConfiguration(Wire):
    """How to call an HTTP tool. `{name}` in the endpoint is filled from the arguments; `apiKey` is never shown."""

    api_endpoint: Annotated[str, up_to(2_000)] | None = None
    api_key: Annotated[str, up_to(4_000)] | None = Field(
        default=None, description="Stored encrypted, never returned"
    )
    parameters: StoredJson | None = Field(
        default=None, description="`method`, `headers`, `query`, `apiKeyHeader`, `apiKeyPrefix`"
    )
    timeout: int | None = Field(default=None, ge=1, le=120, description="Seconds, each attempt")
    retry_count: int | None = Field(default=None, ge=0, le=5)
    agent_id: UUID | None = Field(default=None, description="The agent that an `agent` tool asks")


class ToolApproval(Wire):
    """Who may decide on a call, by id or by role, and for how long it waits; nobody named: whoever may run agents."""

    users: list[UUID] = Field(default=[], max_length=50)
    roles: list[Literal["owner", "admin", "member", "viewer"]] = []
    expires_in_seconds: int = Field(default=86_400, ge=1, le=604_800)


class _ToolFields(Wire):
    tool_name: ToolName
    display_name: Annotated[str, StringConstraints(max_length=255)] = ""  # empty: the tool's own
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    tool_type: ToolType = ToolType.BUILTIN
    configuration: ToolConfiguration = ToolConfiguration()
    input_schema: StoredJson | None = Field(
        default=None, description="JSON Schema of the arguments; a builtin has its own"
    )
    requires_approval: bool = Field(default=False, description="A call waits until somebody allows it")
    approval: ToolApproval = ToolApproval()
    is_active: bool = True


class NewAIAgentTool(_ToolFields):
    """What a caller gives to equip an agent. A builtin tool is named by `toolName`."""

    @model_validator(mode="after")
    def _says_what_it_calls(self) -> Self:
        if self.tool_type == ToolType.HTTP and not self.configuration.api_endpoint:
            raise ValueError("an http tool needs configuration.apiEndpoint")
        if self.tool_type == ToolType.AGENT and not self.configuration.agent_id:
            raise ValueError("an agent tool needs configuration.agentId")
        return self


class AIAgentToolChanges(Wire):
    """Fields to change; a missing one stays, and so does `configuration.apiKey` when it is not given."""

    display_name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    configuration: ToolConfiguration | None = None
    input_schema: StoredJson | None = None
    requires_approval: bool | None = None
    approval: ToolApproval | None = None
    is_active: bool | None = None


class AIAgentTool(TenantEntity, _ToolFields):
    agent_id: UUID
    display_name: Name
    usage_count: int = 0
    last_used_at: AwareDatetime | None = None
    has_api_key: bool = False


class ToolTest(Wire):
    arguments: Json = {}


class ToolTestResult(Wire):
    """What one call of a tool gave: `result` or `error`."""

    result: Any = None
    error: str | None = None
    duration_ms: int
