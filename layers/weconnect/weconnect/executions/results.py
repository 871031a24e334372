"""The end of an execution: its completion, and its result as JSON."""

from typing import Any, NotRequired, Self, TypedDict

from pydantic import BaseModel

from weconnect.executions.entities import ExecutionError, ExecutionStatus
from weconnect.hiding import hide_and_cut

MAX_MESSAGE_LENGTH = 2_000


class Completion(BaseModel):
    """The end of an execution: its final status, with its output or its error."""

    status: ExecutionStatus
    output: Any = None
    error: ExecutionError | None = None

    @classmethod
    def failed(cls, code: str, message: str, *, retryable: bool = False) -> Self:
        """Return the end of an execution that has failed."""
        return cls.with_error(ExecutionStatus.FAILED, code, message, retryable=retryable)

    @classmethod
    def cancelled(cls) -> Self:
        """Return the end of an execution that was cancelled."""
        return cls.with_error(ExecutionStatus.CANCELLED, "cancelled", "The execution was cancelled")

    @classmethod
    def with_error(cls, status: ExecutionStatus, code: str, message: str, *, retryable: bool = False) -> Self:
        """Return the end of an execution with an error, whose message is cut to 2,000 characters."""
        error = ExecutionError(
            code=code, message=hide_and_cut(message, MAX_MESSAGE_LENGTH), retryable=retryable
        )
        return cls(status=status, error=error)


class ErrorValues(TypedDict):
    """An error of a node or an execution, as JSON."""

    code: str
    message: str
    retryable: NotRequired[bool]
    nodeId: NotRequired[str | None]


class ExecutionResult(TypedDict):
    """The result of an execution, as JSON: its status may still be an open one."""

    executionId: str
    status: str
    output: Any
    error: ErrorValues | None
