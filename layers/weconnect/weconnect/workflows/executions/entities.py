"""Executions of workflows as the API shows them, and the bodies of their routes."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, field_validator, model_validator

from weconnect.base_entity import ApiModel, JsonObject, TenantEntity
from weconnect.executions.entities import OPEN_STATUSES, ExecutionError, ExecutionMode, ExecutionStatus


class NewWorkflowExecution(ApiModel):
    """A request to execute a workflow.

    Mode `test` executes the newest version, whether the workflow is active or not, any other mode the active version.
    """

    input: Any = Field(default=None, description="An object is one item, a list of objects several")
    mode: Literal["api", "manual", "test"] = "api"
    trigger_node_id: str | None = Field(
        default=None, max_length=64, description="The trigger node to begin with"
    )


class Execution(TenantEntity):
    """An execution of one version of a workflow."""

    workflow_id: UUID
    workflow_name: str
    workflow_version: int
    status: ExecutionStatus = ExecutionStatus.PENDING
    mode: ExecutionMode = "api"
    is_express: bool = Field(default=False, description="Executed within its caller's request")
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    duration_ms: int | None = Field(default=None, description="Includes the time that it waited")
    input: Any = None
    output: Any = None
    error: ExecutionError | None = None
    progress: int = Field(default=0, ge=0, le=100, description="In percent")
    current_node_ids: list[str] = []
    parent_execution_id: UUID | None = None
    retry_of: UUID | None = None
    retry_count: int = 0
    nodes_run: int = 0
    nodes_failed: int = 0
    nodes_skipped: int = 0
    waits_for: Literal["workflow", "organization"] | None = Field(
        default=None, description="The concurrency limit that a queued execution waits for"
    )
    cancel_requested_at: AwareDatetime | None = None
    pause_requested_at: AwareDatetime | None = None
    api_key_id: UUID | None = Field(default=None, description="The API key that started the execution")

    def is_completed(self) -> bool:
        """Return whether it has ended without an error."""
        return self.status == ExecutionStatus.COMPLETED

    def is_running(self) -> bool:
        """Return whether it has not ended."""
        return self.status in OPEN_STATUSES


NodeStatus = Literal["completed", "failed", "skipped"]


class NodeExecutionSummary(ApiModel):
    """One attempt of a node, without its items. `path` is the node's ID with the iterations of the loops around it."""

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
    retried_from: UUID | None = Field(
        default=None, description="The earlier execution whose outputs were reused"
    )
    execution_ids: list[UUID] = Field(
        default=[], description="For a long loop, the executions that processed its batches"
    )


class NodeExecution(NodeExecutionSummary):
    """One attempt of a node with its items, by input and by output; items of more than 4 MB are behind `url`."""

    input: dict[str, Any] = {}
    output: dict[str, Any] = {}
    url: str | None = Field(default=None, description='Returns `{"input", "output"}`, until `expiresAt`')
    expires_at: AwareDatetime | None = None


class FileReference(ApiModel):
    """A file as it appears in an item; only its two IDs are read."""

    model_config = ConfigDict(extra="ignore")

    file_id: UUID
    execution_id: UUID


class ExecutionFile(ApiModel):
    """A file that a node has received; anyone with `url` can download it until `expiresAt`."""

    file_id: UUID
    execution_id: UUID
    name: str
    content_type: str
    size: int = Field(description="In bytes")
    url: str
    expires_at: AwareDatetime


class ExecutionWithNodes(Execution):
    """An execution with a summary of its node runs."""

    queue_position: int | None = Field(
        default=None, description="The position of a queued execution in its queue; 1 is next"
    )
    nodes: list[NodeExecutionSummary] = Field(default=[], description="The last 10,000 at most")


class ExecutionLog(ApiModel):
    """A line of an execution's log."""

    id: str
    level: Literal["debug", "info", "warning", "error"]
    message: str
    at: AwareDatetime
    node_id: str | None = None
    data: JsonObject = {}


class ExecutionEvent(ApiModel):
    """A node run that has ended (`node.completed`), or a new status of the execution (`execution.waiting`).

    Of the execution's statuses only the latest is reported. Node runs are reported when the journal contains them.
    """

    type: str = Field(examples=["node.completed", "node.failed", "node.skipped", "execution.completed"])
    node: NodeExecutionSummary | None = None
    execution: Execution | None = Field(default=None, description="Without its input and output")


class ExecutionEvents(ApiModel):
    """The events after a cursor, oldest first. `isFinal`: there will be no further ones."""

    items: list[ExecutionEvent]
    next_cursor: str
    is_final: bool


class RetryRequest(ApiModel):
    """The start of a retry: from the first node, or from the failed one, reusing the outputs of completed nodes."""

    from_: Literal["start", "failed_node"] = Field(default="failed_node", alias="from")


class BulkFilter(ApiModel):
    """The executions that match all given fields. To match every execution, give `all` and nothing else."""

    workflow_id: UUID | None = None
    status: ExecutionStatus | None = None
    mode: ExecutionMode | None = None
    from_: AwareDatetime | None = Field(default=None, alias="from", description="Started at or after")
    to: AwareDatetime | None = Field(default=None, description="Started before")
    execution_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=1_000)
    all: bool = Field(default=False, description="Every execution of the organization; excludes other fields")

    @field_validator("from_", "to", mode="before")
    @classmethod
    def _refuse_numbers(cls, value: Any) -> Any:
        """Raise ValueError for a number as a time."""
        if isinstance(value, int | float):  # pydantic would accept seconds and milliseconds
            raise ValueError("must be a time in RFC 3339 format")
        return value

    @field_validator("execution_ids")
    @classmethod
    def _deduplicate(cls, value: list[UUID] | None) -> list[UUID] | None:
        """Return the IDs without repetitions, in their order."""
        return value and list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _require_a_field(self) -> Self:
        """Raise ValueError unless either a field is set, or `all` and nothing else."""
        has_fields = any(value is not None for name, value in self if name != "all")
        if has_fields == self.all:
            raise ValueError("give at least one field, or all: true and nothing else")
        return self


class Bulk(ApiModel):
    """An action on many executions. `retry` skips completed executions, unless the filter has that status."""

    action: Literal["cancel", "retry", "delete"]
    filter: BulkFilter
    dry_run: bool = Field(default=False, description="Only count; nothing is changed")


class BulkPreview(ApiModel):
    """The number of executions that match, whether or not their status allows the action; `sample` has the newest."""

    action: Literal["cancel", "retry", "delete"]
    dry_run: Literal[True] = True
    count: int
    is_lower_bound: bool = Field(description="Only the newest 5,000 executions were counted; there are more")
    by_status: dict[ExecutionStatus, int]
    sample: list[UUID]


class TimelineBar(ApiModel):
    """A node run on the time axis of its execution; `startMs` is relative to the execution's start."""

    node_execution_id: str
    node_id: str
    node_name: str
    attempt: int
    status: NodeStatus
    start_ms: int
    duration_ms: int


class Timeline(ApiModel):
    """The node runs of an execution on a time axis."""

    execution_id: UUID
    status: ExecutionStatus
    duration_ms: int
    bars: list[TimelineBar]


class CallbackValue(ApiModel):
    """The value that the waiting node continues with; an object becomes its item."""

    value: Any = None


class CallbackAnswer(ApiModel):
    """The response to a completed callback; it contains nothing about the execution."""

    completed: Literal[True] = True
