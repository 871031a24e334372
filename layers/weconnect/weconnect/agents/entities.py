"""AI agents, and their runs, as they are on the wire."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from weconnect.agents.memory.entities import MemoryConfig, MemoryType, SessionId
from weconnect.agents.tools.entities import VersionTool
from weconnect.base_entity import Json, Name, StoredJson, TenantEntity, Wire, fits, up_to

PROMPT_BYTES = 300_000


Prompt = Annotated[str, StringConstraints(max_length=100_000), fits(PROMPT_BYTES)]


class ExecutionStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


OPEN = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.WAITING})


# Agents


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
    """A run makes no more model requests once it has reached one of these, and ends with `budget_exceeded`.

    The first four are a run's own, the monthly ones are shared by all runs of the agent. Where money is limited, a
    model whose price is not known is never asked.
    """

    max_steps: int = Field(default=10, ge=1, le=100, description="Model requests")
    timeout_seconds: int = Field(
        default=120, ge=1, le=3_600, description="Waiting for an approval not counted"
    )
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost_usd: float | None = Field(default=None, ge=0.000_001, le=1_000_000_000)
    max_tokens_per_month: int | None = Field(default=None, ge=1, le=10**15)
    max_cost_usd_per_month: float | None = Field(default=None, ge=0.000_001, le=1_000_000_000)


class AgentDefinition(Wire):
    """What a run needs of an agent. Every change of it makes a new, immutable version."""

    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    provider: Annotated[str, up_to(50)] = "embedded"
    model: Annotated[str, up_to(100)] = "embedded"
    base_url: Annotated[str, up_to(500)] | None = Field(default=None, description="For openai_compatible")
    configuration: AgentConfiguration = AgentConfiguration()
    limits: AgentLimits = AgentLimits()
    output_schema: StoredJson | None = Field(default=None, description="JSON Schema of a structured answer")


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
    output_schema: StoredJson | None = None
    is_active: bool | None = None
    published_version: None = Field(default=None, description="null: the newest version runs again")


class AgentSummary(TenantEntity):
    """An agent in a list: its description cut to 500 characters, without its configuration."""

    name: Name
    description: str
    provider: Annotated[str, up_to(50)]
    model: Annotated[str, up_to(100)]
    is_active: bool = True
    agent_version: int = Field(
        default=1, description="The newest of the definition and its tools; `version` is the row's"
    )
    published_version: int | None = Field(default=None, description="The one that runs; null: the newest")
    total_executions: int = 0
    average_response_time: float = Field(default=0, description="Milliseconds, over finished runs")
    success_rate: float = Field(default=0, description="Percent of the finished runs")
    last_executed_at: AwareDatetime | None = None


class AIAgent(AgentSummary):
    base_url: str | None = None
    configuration: AgentConfiguration = AgentConfiguration()
    limits: AgentLimits = AgentLimits()
    output_schema: StoredJson | None = None


class AgentVersionSummary(Wire):
    """A version in a list; `changes` names what is not as in the version before."""

    version: int
    created_at: AwareDatetime
    created_by: UUID
    is_current: bool = Field(description="Whether it is the newest")
    is_published: bool
    changes: list[str]


class AgentVersion(AgentVersionSummary, AgentDefinition):
    """One immutable version: what a run of it works with."""

    tools: list[VersionTool]


class ModelStats(Wire):
    """The finished runs that an agent made with one model."""

    provider: str
    model: str
    runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    runs_without_price: int


class ExecutionTimes(Wire):
    """Milliseconds, within 5 %; null without a finished run."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


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
    execution_time: ExecutionTimes = ExecutionTimes()
    models: list[ModelStats] = []
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
    structured_output: Any = Field(
        default=None, description="The answer of an agent that has an `outputSchema`"
    )
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
    waiting_for: list[UUID] = Field(default=[], description="Approvals that have to be decided first")
    parent_execution_id: UUID | None = Field(default=None, description="The run whose tool call this is")
    api_key_id: UUID | None = Field(default=None, description="The API key that started it")


class StepApproval(Wire):
    """Who allowed or denied a tool call; `edited` when they changed its arguments."""

    approval_id: UUID
    decision: Literal["approved", "denied", "expired"]
    edited: bool = False
    decided_by: UUID | None = None
    decided_at: AwareDatetime | None = None
    note: str | None = None


class ExecutionStep(Wire):
    """A model request, a tool call or a use of memory in a run, in order; times in milliseconds."""

    number: int
    type: Literal["model", "tool", "memory"]
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
    approval: StepApproval | None = None
    execution_id: UUID | None = Field(
        default=None, description="The run of another agent, or of a workflow, that this call was"
    )


class ExecutionWithSteps(AIAgentExecution):
    steps: list[ExecutionStep] = []
