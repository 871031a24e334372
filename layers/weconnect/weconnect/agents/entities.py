"""AI agents, their versions, statistics and executions."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints
from typing_extensions import TypeAliasType

from weconnect.agents.memory.entities import MemoryConfig, MemoryType, SessionId
from weconnect.agents.tools.entities import AgentVersionTool
from weconnect.base_entity import (
    ApiModel,
    JsonObject,
    Name,
    NewName,
    StoredJson,
    TenantEntity,
    max_json_bytes,
    trimmed_text,
)
from weconnect.executions.entities import ExecutionStatus
from weconnect.texts import require_visible

PROMPT_BYTES = 300_000


Prompt = Annotated[str, StringConstraints(max_length=100_000), max_json_bytes(PROMPT_BYTES)]


AgentExecutionStatus = TypeAliasType(
    "AgentExecutionStatus",
    Annotated[
        Literal[
            ExecutionStatus.PENDING,
            ExecutionStatus.RUNNING,
            ExecutionStatus.WAITING,
            ExecutionStatus.COMPLETED,
            ExecutionStatus.FAILED,
            ExecutionStatus.TIMEOUT,
            ExecutionStatus.CANCELLED,
        ],
        Field(
            title="AgentExecutionStatus",
            description="The status of an execution. It is final unless it is `pending`, `running` or `waiting` "
            "(for an approval).",
        ),
    ],
)
"""The status of an agent's execution, which is never paused."""


# Agents


class AgentConfiguration(ApiModel):
    """The system prompt, the settings of the model and the memory of an agent."""

    system_prompt: Prompt | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    stop_sequences: list[Annotated[str, trimmed_text(100)]] | None = Field(default=None, max_length=8)
    memory_type: MemoryType | None = None
    memory_config: MemoryConfig | None = None


class AgentLimits(ApiModel):
    """Limits of an agent's executions. An execution that reaches one fails with `budget_exceeded` or `timeout`.

    The first four apply to each execution, the monthly ones to all executions of the agent together. Where money is
    limited, a model without a known price is not asked.
    """

    max_steps: int = Field(default=10, ge=1, le=100, description="Model requests")
    timeout_seconds: int = Field(
        default=120, ge=1, le=3_600, description="Without the time spent waiting for approvals"
    )
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost_usd: float | None = Field(default=None, ge=0.000_001, le=1_000_000_000)
    max_tokens_per_month: int | None = Field(default=None, ge=1, le=10**15)
    max_cost_usd_per_month: float | None = Field(default=None, ge=0.000_001, le=1_000_000_000)


class AgentDefinition(ApiModel):
    """The part of an agent that an execution uses. Each change of it makes a new, immutable version."""

    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    provider: Annotated[str, trimmed_text(50)] = "embedded"
    model: Annotated[str, trimmed_text(100)] = "embedded"
    base_url: Annotated[str, trimmed_text(500)] | None = Field(
        default=None, description="For openai_compatible"
    )
    configuration: AgentConfiguration = AgentConfiguration()
    limits: AgentLimits = AgentLimits()
    output_schema: StoredJson | None = Field(default=None, description="JSON Schema of a structured output")


class NewAIAgent(AgentDefinition):
    """The body of a request that creates an agent."""

    name: NewName
    is_active: bool = True


class AIAgentChanges(ApiModel):
    """The fields to change; others keep their values. `configuration` and `limits` are replaced as a whole."""

    name: NewName | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    provider: Annotated[str, trimmed_text(50)] | None = None
    model: Annotated[str, trimmed_text(100)] | None = None
    base_url: Annotated[str, trimmed_text(500)] | None = None
    configuration: AgentConfiguration | None = None
    limits: AgentLimits | None = None
    output_schema: StoredJson | None = None
    is_active: bool | None = None
    published_version: None = Field(default=None, description="null: executions use the newest version again")


class AIAgentSummary(TenantEntity):
    """An agent in a list: without its configuration, its description cut to 500 characters."""

    name: Name
    description: str
    provider: Annotated[str, trimmed_text(50)]
    model: Annotated[str, trimmed_text(100)]
    is_active: bool = True
    agent_version: int = Field(
        default=1, description="Number of the newest version; `version` is that of the resource"
    )
    published_version: int | None = Field(
        default=None, description="Version that executions use; null: the newest"
    )
    total_executions: int = 0
    average_response_time: float = Field(default=0, description="Milliseconds, over finished executions")
    success_rate: float = Field(default=0, description="Percent of the finished executions")
    last_executed_at: AwareDatetime | None = None


class AIAgent(AIAgentSummary):
    """An AI agent with its newest definition."""

    base_url: str | None = None
    configuration: AgentConfiguration = AgentConfiguration()
    limits: AgentLimits = AgentLimits()
    output_schema: StoredJson | None = None


class AgentVersionSummary(ApiModel):
    """A version in a list; `changes` names the fields that differ from the version before."""

    version: int
    created_at: AwareDatetime
    created_by: UUID
    is_current: bool = Field(description="True for the newest version")
    is_published: bool
    changes: list[str]


class AgentVersion(AgentVersionSummary, AgentDefinition):
    """An immutable version of an agent: its definition and its tools."""

    tools: list[AgentVersionTool]


class AgentModelStats(ApiModel):
    """Statistics of an agent's finished executions with one model."""

    provider: str
    model: str
    runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    runs_without_price: int


class AgentExecutionTimes(ApiModel):
    """Percentiles of the execution time in milliseconds, within 5 %; null without a finished execution."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class AgentStats(ApiModel):
    """Statistics over all finished executions. `costUsd` excludes `runsWithoutPrice`, whose model has no price."""

    agent_id: UUID
    runs: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    runs_without_price: int
    average_response_time: float = Field(description="Milliseconds")
    success_rate: float = Field(description="Percent")
    execution_time: AgentExecutionTimes = AgentExecutionTimes()
    models: list[AgentModelStats] = []
    last_executed_at: AwareDatetime | None = None


# Executions


class NewAIAgentExecution(ApiModel):
    """The body of a request that starts an execution. With a `sessionId` it continues that conversation."""

    input: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
    session_id: Annotated[SessionId, AfterValidator(require_visible)] | None = None


class AgentExecutionMetadata(ApiModel):
    """The model, the session and the tools that an execution used, and the warnings of the provider."""

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
    """An execution of an agent."""

    agent_id: UUID
    agent_version: int = 1
    status: AgentExecutionStatus = ExecutionStatus.PENDING
    input: str
    output: str | None = None
    structured_output: Any = Field(
        default=None, description="The output of an agent that has an `outputSchema`"
    )
    input_tokens: int
    output_tokens: int | None = None
    execution_time: int = Field(description="Milliseconds")
    cost: float | None = Field(default=None, description="USD; null when the model's price is unknown")
    error: str | None = None
    error_code: str | None = None
    metadata: AgentExecutionMetadata = AgentExecutionMetadata()
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    cancel_requested_at: AwareDatetime | None = None
    waiting_for: list[UUID] = Field(default=[], description="Approvals that the execution waits for")
    waits_for: Literal["organization"] | None = Field(
        default=None,
        description="`organization` while it is queued, because as many executions are open as may be",
    )
    parent_execution_id: UUID | None = Field(
        default=None, description="The execution that this one is part of"
    )
    api_key_id: UUID | None = Field(default=None, description="The API key that started it")


class AgentStepApproval(ApiModel):
    """The decision about a tool call; `edited` is true when it changed the arguments."""

    approval_id: UUID
    decision: Literal["approved", "denied", "expired"]
    edited: bool = False
    decided_by: UUID | None = None
    decided_at: AwareDatetime | None = None
    note: str | None = None


class AgentExecutionStep(ApiModel):
    """A model request, a tool call or a use of memory within an execution; times in milliseconds."""

    number: int
    type: Literal["model", "tool", "memory"]
    name: str
    started_at: AwareDatetime
    duration_ms: int
    arguments: JsonObject | None = None
    result: Any = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    finish_reason: str | None = None
    approval: AgentStepApproval | None = None
    execution_id: UUID | None = Field(
        default=None, description="The execution of another agent or of a workflow that the call started"
    )


class AIAgentExecutionWithSteps(AIAgentExecution):
    """An execution of an agent with its steps, in order."""

    queue_position: int | None = Field(
        default=None, description="The position of a queued execution in its queue; 1 is next"
    )
    steps: list[AgentExecutionStep] = []
