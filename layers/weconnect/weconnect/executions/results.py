"""Results of node runs and executions as JSON, as steps, journal and nodes pass them on."""

from typing import Any, NotRequired, TypedDict


class ErrorValues(TypedDict):
    """An error of a node or an execution, as JSON."""

    code: str
    message: str
    retryable: NotRequired[bool]
    nodeId: NotRequired[str | None]


class ChildResult(TypedDict):
    """The result of a child execution, as JSON."""

    executionId: str
    status: str
    output: Any
    error: ErrorValues | None
