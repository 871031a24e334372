"""The history of an execution: its node runs, its log lines, and its timeline."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.base_entity import ApiModel, JsonObject
from weconnect.db import payloads
from weconnect.workflows.executions import files, journal, service
from weconnect.workflows.executions.conversion import to_execution
from weconnect.workflows.executions.entities import (
    ExecutionLog,
    NodeExecution,
    NodeExecutionSummary,
    NodeStatus,
    Timeline,
    TimelineBar,
)
from weconnect.workflows.executions.errors import NodeExecutionNotFound
from weconnect.workflows.executions.journal import JournalEntry

MAX_RESPONSE_BYTES = 4 * 2**20  # Lambda returns at most 6 MB
LEVEL_BY_STATUS: dict[NodeStatus, Literal["debug", "info", "error"]] = {
    "completed": "info",
    "failed": "error",
    "skipped": "debug",
}


class NodeExecutions(ApiModel):
    """The node runs of an execution."""

    items: list[NodeExecutionSummary]


class ExecutionLogs(ApiModel):
    """The log lines of an execution."""

    items: list[ExecutionLog]


def list_nodes(caller: Caller, execution_id: UUID) -> NodeExecutions:
    """Return the node runs of an execution in order. Raises ExecutionNotFound, Forbidden."""
    row = service.require(caller, execution_id, "view")
    return NodeExecutions(items=service.load_summaries(caller, row))


def get_node(caller: Caller, execution_id: UUID, node_execution_id: str) -> NodeExecution:
    """Return one node run with its input and output, or with a URL of both when they are long.

    Raises ExecutionNotFound, Forbidden, NodeExecutionNotFound.
    """
    row = service.require(caller, execution_id, "view")
    for entry in service.load_entries(caller, row):
        if entry["id"] == node_execution_id:
            return _fit_response(caller, execution_id, service.show_node(caller, row, entry))
    raise NodeExecutionNotFound()


def _fit_response(caller: Caller, execution_id: UUID, node: NodeExecution) -> NodeExecution:
    """Return the node run, with a URL instead of its items when they are too long for a response."""
    text = json.dumps({"input": node.input, "output": node.output})
    if len(text) <= MAX_RESPONSE_BYTES:
        return node
    # Callers may see different things of a node run, so each has an object of its own.
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    organization_id, storage_name = caller.organization_id, f"runs/{execution_id}/shown/{node.id}-{digest}"
    pointer = payloads.store(organization_id, storage_name, text, payloads.RETENTIONS[0], inline_bytes=0)
    assert isinstance(pointer, dict)
    url = payloads.presigned_url(
        organization_id,
        pointer,
        files.DOWNLOAD_SECONDS,
        ResponseContentType="application/json",
        ResponseCacheControl="private, no-store",
    )
    expires_at = clock.now() + timedelta(seconds=files.DOWNLOAD_SECONDS)
    return node.model_copy(update={"input": {}, "output": {}, "url": url, "expires_at": expires_at})


def list_logs(
    caller: Caller, execution_id: UUID, level: str | None = None, node_id: str | None = None
) -> ExecutionLogs:
    """Return the log lines of an execution, oldest first: all, or those of a `level` and a node.

    Raises ExecutionNotFound, Forbidden.
    """
    entries = service.load_entries(caller, service.require(caller, execution_id, "view"))
    lines = [line for entry in entries for line in _build_log_lines(entry)]
    return ExecutionLogs(
        items=[line for line in lines if level in (None, line.level) and node_id in (None, line.node_id)]
    )


def get_timeline(caller: Caller, execution_id: UUID) -> Timeline:
    """Return a bar for each node run that was not skipped. Raises ExecutionNotFound, Forbidden."""
    row = service.require(caller, execution_id, "view")
    execution = to_execution(row, with_values=False)
    summaries = journal.load_summaries(caller.organization_id, execution_id)
    node_runs = [each for each in summaries if each.status != "skipped"]
    start = execution.started_at or execution.created_at
    end_ms = max(
        (_count_ms_since(start, each.started_at) + each.duration_ms for each in node_runs), default=0
    )
    return Timeline(
        execution_id=execution_id,
        status=execution.status,
        duration_ms=execution.duration_ms or end_ms,
        bars=[
            TimelineBar(
                node_execution_id=each.id,
                node_id=each.node_id,
                node_name=each.node_name,
                attempt=each.attempt,
                status=each.status,
                start_ms=_count_ms_since(start, each.started_at),
                duration_ms=each.duration_ms,
            )
            for each in node_runs
        ],
    )


def _build_log_lines(entry: JournalEntry) -> Iterator[ExecutionLog]:
    """Yield the lines that a node logged, then one about the node run itself."""
    summary = journal.to_summary(entry)
    data: JsonObject = {"attempt": summary.attempt, "path": summary.path}
    for number, line in enumerate(entry.get("logs", []), start=1):
        yield ExecutionLog(
            id=f"{summary.id}-{number:03d}",
            level=line["level"],
            message=line["message"],
            at=summary.started_at,
            node_id=summary.node_id,
            data=data,
        )
    data = data | {"durationMs": summary.duration_ms}
    if summary.error:
        data["code"] = summary.error.code
    yield ExecutionLog(
        id=summary.id,
        level=LEVEL_BY_STATUS[summary.status],
        message=f"{summary.node_name}: {_describe(summary)}",
        at=summary.started_at,
        node_id=summary.node_id,
        data=data,
    )


def _describe(summary: NodeExecutionSummary) -> str:
    """Return the text of a node run's own log line: the numbers of its items, or its error."""
    if summary.status == "completed":
        return f"{summary.items_in} items in, {summary.items_out} out"
    if summary.status == "skipped":
        return "skipped, no items"
    return summary.error.message if summary.error else "failed"


def _count_ms_since(start: datetime, moment: datetime) -> int:
    """Return the milliseconds from `start` to `moment`, at least 0."""
    return max(0, int((moment - start).total_seconds() * 1000))
