"""Results of node runs and executions as JSON, as steps, journal and nodes pass them on."""

from typing import Any, Literal, NotRequired, TypedDict


class ErrorValues(TypedDict):
    """An error of a node or an execution, as JSON."""

    code: str
    message: str
    retryable: NotRequired[bool]
    nodeId: NotRequired[str | None]


class LogLine(TypedDict):
    """A line that a node logged."""

    level: Literal["debug", "info", "warning", "error"]
    message: str


class JournalEntry(TypedDict):
    """One attempt of a node, with the keys of a `NodeExecution` as JSON, and the lines that it logged."""

    id: NotRequired[str]
    nodeId: str
    nodeName: str
    nodeType: str
    path: str
    attempt: int
    status: Literal["completed", "failed", "skipped"]
    startedAt: str
    durationMs: int
    itemsIn: int
    itemsOut: int
    input: dict[str, list[dict[str, Any]]]
    output: dict[str, list[dict[str, Any]]]
    error: NotRequired[ErrorValues]
    logs: NotRequired[list[LogLine]]
    retriedFrom: NotRequired[str]
    executionIds: NotRequired[list[str]]


class ChildResult(TypedDict):
    """The result of a child execution, as JSON."""

    executionId: str
    status: str
    output: Any
    error: ErrorValues | None
