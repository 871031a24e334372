"""What runs of agents and workflows have in common, as it is on the wire."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, field_validator, model_validator

from weconnect.base_entity import Json, StoredJson, TenantEntity, Wire

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

    run_type: Literal["agent", "workflow"] = "agent"
    agent_id: UUID | None = None
    workflow_id: UUID | None = None
    execution_id: UUID
    tool_name: str = Field(description="The agent's tool, or the workflow's node, that asks")
    message: str | None = Field(default=None, description="What a workflow's node asks")
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


# Runs of workflows


class ExecutionStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


OPEN = frozenset(
    {ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.WAITING, ExecutionStatus.PAUSED}
)

MAX_DEPTH = 5
"""How deep runs of agents and workflows start each other, by calls or by events: one count for all of them."""

ExecutionMode = Literal["manual", "webhook", "schedule", "event", "test", "api", "subworkflow"]


class NewWorkflowExecution(Wire):
    """A request to run a workflow. `test` runs the newest version, active or not; anything else the active one."""

    input: Any = Field(default=None, description="An object is one item, a list of objects several")
    mode: Literal["api", "manual", "test"] = "api"
    trigger_node_id: str | None = Field(default=None, max_length=64, description="Where to begin")


class ExecutionError(Wire):
    """Why a run or a node failed. `retryable`: the same may succeed later."""

    code: str
    message: str
    node_id: str | None = None
    retryable: bool = False


class Execution(TenantEntity):
    """One run of a workflow's version."""

    workflow_id: UUID
    workflow_name: str
    workflow_version: int
    status: ExecutionStatus = ExecutionStatus.PENDING
    mode: ExecutionMode = "api"
    is_express: bool = Field(default=False, description="Carried out while its caller waited")
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    duration_ms: int | None = Field(default=None, description="Waiting included")
    input: Any = None
    output: Any = None
    error: ExecutionError | None = None
    progress: int = Field(default=0, ge=0, le=100)
    current_node_ids: list[str] = []
    parent_execution_id: UUID | None = None
    retry_of: UUID | None = None
    retry_count: int = 0
    nodes_run: int = 0
    nodes_failed: int = 0
    nodes_skipped: int = 0
    waits_for: Literal["workflow", "organization"] | None = Field(
        default=None, description="Whose place a pending run waits for, when as many are open as may be"
    )
    cancel_requested_at: AwareDatetime | None = None
    pause_requested_at: AwareDatetime | None = None
    api_key_id: UUID | None = Field(default=None, description="The API key that started it")

    def is_completed(self) -> bool:
        """Whether it ended as it should."""
        return self.status == ExecutionStatus.COMPLETED

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN


NodeStatus = Literal["completed", "failed", "skipped"]


class NodeExecutionSummary(Wire):
    """One run of a node, or one attempt of it. `path` is its id, with the iterations of the loops around it."""

    id: str
    node_id: str
    node_name: str
    node_type: str
    path: str
    attempt: int = 1
    status: NodeStatus
    started_at: AwareDatetime
    duration_ms: int = 0
    items_in: int = 0
    items_out: int = 0
    error: ExecutionError | None = None
    retried_from: UUID | None = Field(default=None, description="The run whose outputs were kept")
    execution_ids: list[UUID] = Field(default=[], description="Of a long loop: the runs that did its batches")


class NodeExecution(NodeExecutionSummary):
    """With the items that came, by input, and those that it answered, by output; of over 4 MB the address of both."""

    input: dict[str, Any] = {}
    output: dict[str, Any] = {}
    url: str | None = Field(default=None, description='Gives `{"input", "output"}`, until `expiresAt`')
    expires_at: AwareDatetime | None = None


class FileReference(Wire):
    """A file as the item of a node holds it; of what is said of it, its two ids count."""

    model_config = ConfigDict(extra="ignore")

    file_id: UUID
    execution_id: UUID


class ExecutionFile(Wire):
    """A file that a node has got, with an address that gives it until `expiresAt` to whoever has it."""

    file_id: UUID
    execution_id: UUID
    name: str
    content_type: str
    size: int = Field(description="In bytes")
    url: str
    expires_at: AwareDatetime


class ExecutionWithNodes(Execution):
    queue_position: int | None = Field(default=None, description="Of a run that waits for a place; 1 is next")
    nodes: list[NodeExecutionSummary] = Field(default=[], description="Of more than 10,000 the last")


class ExecutionLog(Wire):
    """A line of a run's log."""

    id: str
    level: Literal["debug", "info", "warning", "error"]
    message: str
    at: AwareDatetime
    node_id: str | None = None
    data: Json = {}


class ExecutionEvent(Wire):
    """Something that has happened in a run: to a node (`node.completed`), or to the run itself (`execution.waiting`).

    Of the run's own states only the last is told; nodes are told when the journal has them.
    """

    type: str = Field(examples=["node.completed", "node.failed", "node.skipped", "execution.completed"])
    node: NodeExecutionSummary | None = None
    execution: Execution | None = Field(default=None, description="Without its input and output")


class ExecutionEvents(Wire):
    """What has happened after a cursor, oldest first. `isFinal`: nothing more will."""

    items: list[ExecutionEvent]
    next_cursor: str
    is_final: bool


class Retry(Wire):
    """From the start, or with the outputs of nodes that had ended well kept."""

    from_: Literal["start", "failed_node"] = Field(default="failed_node", alias="from")


class BulkFilter(Wire):
    """Runs for which all of it holds. Nothing at all would mean every run there is, so that has a word of its own."""

    workflow_id: UUID | None = None
    status: ExecutionStatus | None = None
    mode: ExecutionMode | None = None
    from_: AwareDatetime | None = Field(default=None, alias="from", description="Started at or after")
    to: AwareDatetime | None = Field(default=None, description="Started before")
    execution_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=1_000)
    all: bool = Field(default=False, description="Every run of the organization; goes with nothing else")

    @field_validator("from_", "to", mode="before")
    @classmethod
    def _no_number(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            raise ValueError("must be a time as RFC 3339 has it")  # pydantic takes seconds and milliseconds
        return value

    @field_validator("execution_ids")
    @classmethod
    def _each_once(cls, value: list[UUID] | None) -> list[UUID] | None:
        return value and list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _says_something(self) -> Any:
        given = any(value is not None for name, value in self if name != "all")
        if given == self.all:
            raise ValueError("name at least one thing, or say all: true and nothing else")
        return self


class Bulk(Wire):
    """What to do with many runs. A retry leaves completed runs alone, unless the filter asks for that status."""

    action: Literal["cancel", "retry", "delete"]
    filter: BulkFilter
    dry_run: bool = Field(default=False, description="Only count: nothing is changed")


class BulkPreview(Wire):
    """How many runs are meant, whether or not their state lets them be treated; `sample` are the first ones."""

    action: Literal["cancel", "retry", "delete"]
    dry_run: Literal[True] = True
    count: int
    is_lower_bound: bool = Field(description="More runs were not looked at: the newest 5,000 are")
    by_status: dict[ExecutionStatus, int]
    sample: list[UUID]


class TimelineBar(Wire):
    """One node run on a run's time axis, in milliseconds after its start."""

    node_execution_id: str
    node_id: str
    node_name: str
    attempt: int
    status: NodeStatus
    start_ms: int
    duration_ms: int


class Timeline(Wire):
    execution_id: UUID
    status: ExecutionStatus
    duration_ms: int
    bars: list[TimelineBar]


class CallbackValue(Wire):
    """What the node goes on with: an object becomes its item."""

    value: Any = None


class CallbackAnswer(Wire):
    """What a completed callback answers: nothing of the run."""

    completed: Literal[True] = True
