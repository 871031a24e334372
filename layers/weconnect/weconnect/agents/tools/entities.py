"""Tools of agents, as they are on the wire."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from weconnect.base_entity import Json, Name, StoredJson, TenantEntity, Wire, up_to

ToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$", max_length=100)]


class ToolType(StrEnum):
    HTTP = "http"
    BUILTIN = "builtin"
    MCP = "mcp"
    AGENT = "agent"
    WORKFLOW = "workflow"


class ToolConfiguration(Wire):
    """How to call an HTTP tool or an MCP server; `apiKey` is never shown.

    `{name}` in the endpoint, the headers and the query of an HTTP tool is filled from the arguments.
    """

    api_endpoint: Annotated[str, up_to(2_000)] | None = None
    api_key: Annotated[str, up_to(4_000)] | None = Field(
        default=None, description="Stored encrypted, never returned"
    )
    parameters: StoredJson | None = Field(
        default=None,
        description="`headers`, `apiKeyHeader`, `apiKeyPrefix`; http: also `method`, `query`, `body` (both fixed), "
        "`bodyFormat` json or form; mcp: also `tools`, the names of those to offer",
    )
    timeout: int | None = Field(
        default=None, ge=1, le=120, description="Seconds, each attempt; mcp and workflow: in all"
    )
    retry_count: int | None = Field(default=None, ge=0, le=5)
    agent_id: UUID | None = Field(default=None, description="The agent that an `agent` tool asks")
    workflow_id: UUID | None = Field(default=None, description="The workflow that a `workflow` tool runs")


class ToolApproval(Wire):
    """Who of those that may run agents decides on a call, by id or by role, and for how long it waits."""

    users: list[UUID] = Field(default=[], max_length=50)
    roles: list[Literal["owner", "admin", "member"]] = []
    expires_in_seconds: int = Field(default=86_400, ge=1, le=604_800)


class _ToolFields(Wire):
    tool_name: ToolName
    display_name: Annotated[str, StringConstraints(max_length=255)] = ""  # empty: the tool's own
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    tool_type: ToolType = ToolType.BUILTIN
    configuration: ToolConfiguration = ToolConfiguration()
    input_schema: StoredJson | None = Field(
        default=None,
        description="JSON Schema of the arguments; a builtin has its own, a workflow tool its workflow's",
    )
    output_schema: StoredJson | None = Field(
        default=None,
        description="JSON Schema of the result (of an http tool's body); what does not fit is an error",
    )
    requires_approval: bool = Field(default=False, description="A call waits until somebody allows it")
    approval: ToolApproval = ToolApproval()
    is_active: bool = True


class NewAIAgentTool(_ToolFields):
    """What a caller gives to equip an agent. A builtin tool is named by `toolName`."""

    @model_validator(mode="after")
    def _says_what_it_calls(self) -> Self:
        if self.tool_type in (ToolType.HTTP, ToolType.MCP) and not self.configuration.api_endpoint:
            raise ValueError(f"an {self.tool_type} tool needs configuration.apiEndpoint")
        if self.tool_type == ToolType.AGENT and not self.configuration.agent_id:
            raise ValueError("an agent tool needs configuration.agentId")
        if self.tool_type == ToolType.WORKFLOW and not self.configuration.workflow_id:
            raise ValueError("a workflow tool needs configuration.workflowId")
        return self


class AIAgentToolChanges(Wire):
    """Fields to change; a missing one stays, and so does `configuration.apiKey` when it is not given."""

    display_name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    configuration: ToolConfiguration | None = None
    input_schema: StoredJson | None = None
    output_schema: StoredJson | None = None
    requires_approval: bool | None = None
    approval: ToolApproval | None = None
    is_active: bool | None = None


class RemoteTool(Wire):
    """A tool of an MCP server. An agent knows it as `<toolName>__<name>`."""

    name: str
    description: str = ""
    input_schema: Json
    output_schema: Json | None = None


class RemoteServer(Wire):
    """What an MCP server offered when it was last asked: at the creation of the tool, and at each change of it."""

    protocol_version: str
    tools: list[RemoteTool]


class AIAgentTool(TenantEntity, _ToolFields):
    agent_id: UUID
    display_name: Name
    usage_count: int = 0
    last_used_at: AwareDatetime | None = None
    has_api_key: bool = False
    remote: RemoteServer | None = None


class VersionTool(Wire):
    """A tool as a version of its agent holds it; its key is never shown."""

    id: UUID
    name: str
    description: str
    type: ToolType
    input_schema: Json
    output_schema: Json | None = None
    configuration: ToolConfiguration
    remote_name: str | None = Field(default=None, description="What its MCP server calls it")
    protocol_version: str | None = None
    requires_approval: bool
    approval: ToolApproval
    is_active: bool
    has_api_key: bool


class ToolTest(Wire):
    arguments: Json = {}
    tool: Annotated[str, up_to(128)] | None = Field(
        default=None, description="Which tool of an MCP server; may be left out when it has one"
    )


class ToolTestResult(Wire):
    """What one call of a tool gave: `result` or `error`."""

    result: Any = None
    error: str | None = None
    duration_ms: int
