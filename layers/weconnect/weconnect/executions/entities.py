"""Parts of executions that workflows and agents have in common."""

from enum import StrEnum
from typing import Literal

from weconnect.base_entity import ApiModel


class ExecutionStatus(StrEnum):
    """The status of an execution: it is open until it is completed, failed, cancelled or timed out."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


OPEN_STATUSES = frozenset(
    {ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.WAITING, ExecutionStatus.PAUSED}
)
ACTIVE_STATUSES = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING})
"""Those in which an execution works, or is about to: it waits for nothing."""

KindName = Literal["workflow", "agent"]
"""The kinds of executions: of a workflow or of an agent."""

ExecutionMode = Literal["manual", "webhook", "schedule", "event", "test", "api", "subworkflow"]


class ExecutionError(ApiModel):
    """The error of an execution or a node. `retryable`: the same may succeed later."""

    code: str
    message: str
    node_id: str | None = None
    retryable: bool = False
