"""AI agents, their runs, tools and memories, as they are on the wire."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from weconnect.entities import TenantEntity, Wire, up_to

Name = Annotated[str, up_to(255)]
ToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$", max_length=100)]
SessionId = Annotated[str, up_to(100)]
Json = dict[str, Any]

PROMPT_BYTES = 300_000
JSON_BYTES = 60_000


def _fits(limit: int) -> AfterValidator:
    """A bound of what a value takes in its row, which has 400 KB for everything."""

    def check(value: Any) -> Any:
        if len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) > limit:
            raise ValueError(f"takes more than {limit} bytes as JSON")
        return value

    return AfterValidator(check)


Prompt = Annotated[str, StringConstraints(max_length=100_000), _fits(PROMPT_BYTES)]
StoredJson = Annotated[Json, _fits(JSON_BYTES)]


class MemoryType(StrEnum):
    CONVERSATION = "conversation"
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    PROCEDURAL = "procedural"


class ExecutionStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


OPEN = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING})


# Agents


class MemoryConfig(Wire):
    """How much of a conversation a run sees: its last turns, as far as their tokens fit."""

    window_size: int = Field(default=10, ge=0, le=100, description="Turns")
    max_tokens: int = Field(default=2_000, ge=0, le=100_000)


class AgentConfiguration(Wire):
    system_prompt: Prompt | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    stop_sequences: list[Annotated[str, up_to(100)]] | None = Field(default=None, max_length=8)
    memory_type: MemoryType | None = None
    memory_config: MemoryConfig | None = None


class AgentLimits(Wire):
    """A run ends with `budget_exceeded` before the model request that would pass one of these."""

    max_steps: int = Field(default=10, ge=1, le=100, description="Model requests")
    timeout_seconds: int = Field(default=120, ge=1, le=3_600)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost_usd: float | None = Field(default=None, gt=0)


class AgentDefinition(Wire):
    """What a run needs of an agent. Every change of it makes a new, immutable version."""

    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    provider: Annotated[str, up_to(50)] = "embedded"
    model: Annotated[str, up_to(100)] = "embedded"
    base_url: Annotated[str, up_to(500)] | None = Field(default=None, description="For openai_compatible")
    configuration: AgentConfiguration = AgentConfiguration()
    limits: AgentLimits = AgentLimits()


class NewAIAgent(AgentDefinition):
    """What a caller gives to create an agent."""

    name: Name
    is_active: bool = True


class AIAgentChanges(Wire):
    """Fields to change; a missing one stays, and `configuration` and `limits` are replaced whole."""

    name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    provider: Annotated[str, up_to(50)] | None = None
    model: Annotated[str, up_to(100)] | None = None
    base_url: Annotated[str, up_to(500)] | None = None
    configuration: AgentConfiguration | None = None
    limits: AgentLimits | None = None
    is_active: bool | None = None


class AgentSummary(TenantEntity):
    """An agent in a list: its description cut to 500 characters, without its configuration."""

    name: Name
    description: str
    provider: Annotated[str, up_to(50)]
    model: Annotated[str, up_to(100)]
    is_active: bool = True
    agent_version: int = Field(default=1, description="Of the definition; `version` is the row's")
    total_executions: int = 0
    average_response_time: float = Field(default=0, description="Milliseconds, over finished runs")
    success_rate: float = Field(default=0, description="Percent of the finished runs")
    last_executed_at: AwareDatetime | None = None


class AIAgent(AgentSummary):
    base_url: str | None = None
    configuration: AgentConfiguration = AgentConfiguration()
    limits: AgentLimits = AgentLimits()


class AgentStats(Wire):
    """Over all finished runs. `cost_usd` leaves out `runs_without_price`, whose model has no known price."""

    agent_id: UUID
    runs: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    runs_without_price: int
    average_response_time: float = Field(description="Milliseconds")
    success_rate: float = Field(description="Percent")
    last_executed_at: AwareDatetime | None = None


# Runs


class NewExecution(Wire):
    """A request to an agent; with a `sessionId` the conversation so far is part of it."""

    input: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
    session_id: SessionId | None = None


class ExecutionMetadata(Wire):
    provider: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    user_id: UUID | None = None
    session_id: str | None = None
    tools_used: list[str] = []
    warnings: list[str] = []
    is_language_model: bool = Field(default=True, description="False for the rule-based `embedded` provider")


class AIAgentExecution(TenantEntity):
    """One run of an agent."""

    agent_id: UUID
    agent_version: int = 1
    status: ExecutionStatus = ExecutionStatus.PENDING
    input: str
    output: str | None = None
    input_tokens: int
    output_tokens: int | None = None
    execution_time: int = Field(description="Milliseconds")
    cost: float | None = Field(default=None, description="USD; null when the model's price is not known")
    error: str | None = None
    error_code: str | None = None
    metadata: ExecutionMetadata = ExecutionMetadata()
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    cancel_requested_at: AwareDatetime | None = None


class ExecutionStep(Wire):
    """A model request or a tool call of a run, in order; times in milliseconds."""

    number: int
    type: Literal["model", "tool"]
    name: str
    started_at: AwareDatetime
    duration_ms: int
    arguments: Json | None = None
    result: Any = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    finish_reason: str | None = None


class ExecutionWithSteps(AIAgentExecution):
    steps: list[ExecutionStep] = []


# Tools


class ToolType(StrEnum):
    HTTP = "http"
    BUILTIN = "builtin"


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


class _ToolFields(Wire):
    tool_name: ToolName
    display_name: Annotated[str, StringConstraints(max_length=255)] = ""  # empty: the tool's own
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    tool_type: ToolType = ToolType.BUILTIN
    configuration: ToolConfiguration = ToolConfiguration()
    input_schema: StoredJson | None = Field(
        default=None, description="JSON Schema of the arguments; a builtin has its own"
    )
    is_active: bool = True


class NewAIAgentTool(_ToolFields):
    """What a caller gives to equip an agent. A builtin tool is named by `toolName`."""

    @model_validator(mode="after")
    def _http_has_endpoint(self) -> Self:
        if self.tool_type == ToolType.HTTP and not self.configuration.api_endpoint:
            raise ValueError("an http tool needs configuration.apiEndpoint")
        return self


class AIAgentToolChanges(Wire):
    """Fields to change; a missing one stays, and so does `configuration.apiKey` when it is not given."""

    display_name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    configuration: ToolConfiguration | None = None
    input_schema: StoredJson | None = None
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


# Memories


class MemoryMetadata(Wire):
    importance: float | None = Field(default=None, ge=0, le=1)
    tags: list[Annotated[str, up_to(100)]] = Field(default=[], max_length=50)
    expires: AwareDatetime | None = None
    source: Annotated[str, up_to(255)] | None = None


class NewAIAgentMemory(Wire):
    """Something to remember. `key` names the fact: writing a key again supersedes what was there."""

    key: Name | None = Field(default=None, description="Made from the content when missing")
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    memory_type: MemoryType = MemoryType.SEMANTIC
    session_id: SessionId | None = None
    metadata: MemoryMetadata = MemoryMetadata()


class AIAgentMemoryChanges(Wire):
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)] | None = None
    metadata: MemoryMetadata | None = None


class AIAgentMemory(TenantEntity):
    agent_id: UUID
    session_id: SessionId | None = None
    memory_type: MemoryType = MemoryType.CONVERSATION
    key: Name
    content: str
    metadata: MemoryMetadata = MemoryMetadata()
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    superseded_by: UUID | None = None


class MemoryWritten(Wire):
    """What became of a write: `added`, `duplicate_of` an equal one, or `supersedes` an older value of its key."""

    decision: Literal["added", "duplicate_of", "supersedes"]
    other_id: UUID | None = None
    memory: AIAgentMemory


class MemorySearch(Wire):
    query: Annotated[str, up_to(2_000)]
    memory_type: MemoryType | None = None
    session_id: SessionId | None = None
    limit: int = Field(default=10, ge=1, le=100)


class MemoryHit(Wire):
    """A memory that fits; `reasons` say why it stands where it stands."""

    memory: AIAgentMemory
    score: float
    reasons: list[str]


class MemoryHits(Wire):
    items: list[MemoryHit]


class SessionErased(Wire):
    deleted: int


class AgentSession(Wire):
    """A conversation with an agent."""

    session_id: str
    turns: int
    created_at: AwareDatetime
    last_used_at: AwareDatetime
