"""Tools of agents."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from weconnect.base_entity import ApiModel, JsonObject, Name, NewName, StoredJson, TenantEntity, trimmed_text
from weconnect.texts import require_visible

ToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$", max_length=100)]


class AgentToolType(StrEnum):
    """The type of a tool: an HTTP API, a builtin, an MCP server, another agent, or a workflow."""

    HTTP = "http"
    BUILTIN = "builtin"
    MCP = "mcp"
    AGENT = "agent"
    WORKFLOW = "workflow"


class AgentToolConfiguration(ApiModel):
    """The target of a tool and how to call it; `apiKey` is never returned, and other secrets are shown as `••••`.

    Those are the values with a secret's name or form in the endpoint and the parameters; sending `••••` keeps them.

    `{name}` in the endpoint, the headers and the query of an HTTP tool is replaced by the argument of that name.
    """

    api_endpoint: Annotated[str, trimmed_text(2_000)] | None = None
    api_key: Annotated[str, trimmed_text(4_000)] | None = Field(
        default=None, description="Stored encrypted, never returned"
    )
    parameters: StoredJson | None = Field(
        default=None,
        description="`headers`, `apiKeyHeader`, `apiKeyPrefix`; http: also `method`, `query`, `body` (both fixed), "
        "`bodyFormat` json or form; mcp: also `tools`, the names of the tools to use",
    )
    timeout: int | None = Field(
        default=None, ge=1, le=120, description="Seconds for each attempt; mcp and workflow: in total"
    )
    retry_count: int | None = Field(default=None, ge=0, le=5)
    agent_id: UUID | None = Field(default=None, description="The agent that an `agent` tool asks")
    workflow_id: UUID | None = Field(default=None, description="The workflow that a `workflow` tool runs")


class AgentToolApproval(ApiModel):
    """The approvers of a tool's calls, by user or role, among those who may execute agents, and the time they have."""

    users: list[UUID] = Field(default=[], max_length=50)
    roles: list[Literal["owner", "admin", "member"]] = Field(default=[], max_length=3)
    expires_in_seconds: int = Field(default=86_400, ge=1, le=604_800)


class _ToolFields(ApiModel):
    tool_name: ToolName
    display_name: Annotated[str, StringConstraints(max_length=255)] = ""  # empty: the tool's own
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    tool_type: AgentToolType = AgentToolType.BUILTIN
    configuration: AgentToolConfiguration = AgentToolConfiguration()
    input_schema: StoredJson | None = Field(
        default=None,
        description="JSON Schema of the arguments; default: that of the builtin or of the workflow",
    )
    output_schema: StoredJson | None = Field(
        default=None,
        description="JSON Schema of the result (http: of the body); a result that does not match is an error",
    )
    requires_approval: bool = Field(default=False, description="Each call waits until it is approved")
    approval: AgentToolApproval = AgentToolApproval()
    is_active: bool = True


class NewAIAgentTool(_ToolFields):
    """The body of a request that creates a tool. A builtin tool is selected by `toolName`."""

    display_name: Annotated[str, StringConstraints(max_length=255), AfterValidator(require_visible)] = ""

    @model_validator(mode="after")
    def _require_target(self) -> Self:
        """Raise ValueError for a tool without the address or the id that its type calls."""
        if self.tool_type in (AgentToolType.HTTP, AgentToolType.MCP) and not self.configuration.api_endpoint:
            raise ValueError(f"an {self.tool_type} tool needs configuration.apiEndpoint")
        if self.tool_type == AgentToolType.AGENT and not self.configuration.agent_id:
            raise ValueError("an agent tool needs configuration.agentId")
        if self.tool_type == AgentToolType.WORKFLOW and not self.configuration.workflow_id:
            raise ValueError("a workflow tool needs configuration.workflowId")
        return self


class AIAgentToolChanges(ApiModel):
    """The fields to change; others keep their values, as `configuration.apiKey` does when it is missing."""

    display_name: NewName | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    configuration: AgentToolConfiguration | None = None
    input_schema: StoredJson | None = None
    output_schema: StoredJson | None = None
    requires_approval: bool | None = None
    approval: AgentToolApproval | None = None
    is_active: bool | None = None


class McpServerTool(ApiModel):
    """A tool of an MCP server. Its name for the agent is `<toolName>__<name>`."""

    name: str
    description: str = ""
    input_schema: JsonObject
    output_schema: JsonObject | None = None


class McpServer(ApiModel):
    """The tools of an MCP server, as fetched when the tool was created or changed last."""

    protocol_version: str
    tools: list[McpServerTool]


class AIAgentTool(TenantEntity, _ToolFields):
    """A tool of an agent, with its usage; `remote` has the tools of an MCP server."""

    agent_id: UUID
    display_name: Name
    usage_count: int = 0
    last_used_at: AwareDatetime | None = None
    has_api_key: bool = False
    remote: McpServer | None = None


class AgentVersionTool(ApiModel):
    """A tool as part of a version of its agent; its API key is never returned."""

    id: UUID
    name: str
    description: str
    type: AgentToolType
    input_schema: JsonObject
    output_schema: JsonObject | None = None
    configuration: AgentToolConfiguration
    remote_name: str | None = Field(default=None, description="Its name at the MCP server")
    protocol_version: str | None = None
    requires_approval: bool
    approval: AgentToolApproval
    is_active: bool
    has_api_key: bool


class AgentToolTest(ApiModel):
    """The body of a request that tests a tool."""

    arguments: JsonObject = {}
    tool: Annotated[str, trimmed_text(128)] | None = Field(
        default=None, description="The tool of an MCP server; may be left out when it has only one"
    )


class AgentToolTestResult(ApiModel):
    """The `result` or the `error` of one call of a tool."""

    result: Any = None
    error: str | None = None
    duration_ms: int
