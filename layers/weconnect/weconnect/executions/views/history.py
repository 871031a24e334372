"""What a run has done, as lists: node runs, log lines, and bars on a time axis."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.base_entity import Json, Wire
from weconnect.db import payloads
from weconnect.errors import NotFound
from weconnect.executions import files, journal, service
from weconnect.executions.entities import (
    ExecutionLog,
    NodeExecution,
    NodeExecutionSummary,
    Timeline,
    TimelineBar,
)
from weconnect.executions.journal import Record
from weconnect.workflows.sharing import access

MAX_ANSWER_BYTES = 4 * 2**20
LEVELS = {"completed": "info", "failed": "error", "skipped": "debug"}


class NodeExecutions(Wire):
    items: list[NodeExecutionSummary]


class ExecutionLogs(Wire):
    items: list[ExecutionLog]


def nodes(caller: Caller, execution_id: UUID) -> NodeExecutions:
    """The node runs of a run, in order."""
    service.need(caller, execution_id, access.SEE_RUN)
    return NodeExecutions(items=journal.summaries(caller.organization_id, execution_id))


def node(caller: Caller, execution_id: UUID, node_execution_id: str) -> NodeExecution:
    """One node run with all of its input and output, or with their address when they are long; raises NotFound."""
    for record in _records(caller, execution_id):
        if record["id"] == node_execution_id:
            return _within_answer(caller, execution_id, journal.node_execution(record))
    raise NotFound("No such node run", code="node_execution_not_found")


def _within_answer(caller: Caller, execution_id: UUID, found: NodeExecution) -> NodeExecution:
    """Lambda answers at most 6 MB."""
    text = json.dumps({"input": found.input, "output": found.output})
    if len(text) <= MAX_ANSWER_BYTES:
        return found
    place = f"runs/{execution_id}/shown/{found.id}"
    pointer = payloads.store(caller.organization_id, place, text, payloads.RETENTIONS[0], inline_bytes=0)
    assert isinstance(pointer, dict)
    until = clock.now() + timedelta(seconds=files.ADDRESS_SECONDS)
    url = payloads.address(
        caller.organization_id,
        pointer,
        files.ADDRESS_SECONDS,
        ResponseContentType="application/json",
        ResponseCacheControl="private, no-store",
    )
    return found.model_copy(update={"input": {}, "output": {}, "url": url, "expires_at": until})


def logs(
    caller: Caller, execution_id: UUID, level: str | None = None, node_id: str | None = None
) -> ExecutionLogs:
    """What happened, line by line, oldest first; with a level only that one."""
    lines = [line for record in _records(caller, execution_id) for line in _lines(record)]
    return ExecutionLogs(
        items=[
            line
            for line in lines
            if (level is None or line.level == level) and (node_id is None or line.node_id == node_id)
        ]
    )


def timeline(caller: Caller, execution_id: UUID) -> Timeline:
    """One bar for each node run that was not skipped."""
    execution = service.entity(service.need(caller, execution_id, access.SEE_RUN), whole=False)
    summaries = journal.summaries(caller.organization_id, execution_id)
    bars = [each for each in summaries if each.status != "skipped"]
    start = execution.started_at or execution.created_at
    return Timeline(
        execution_id=execution_id,
        status=execution.status,
        duration_ms=execution.duration_ms or max((_end(start, bar) for bar in bars), default=0),
        bars=[
            TimelineBar(
                node_execution_id=bar.id,
                node_id=bar.node_id,
                node_name=bar.node_name,
                attempt=bar.attempt,
                status=bar.status,
                start_ms=_after(start, bar.started_at),
                duration_ms=bar.duration_ms,
            )
            for bar in bars
        ],
    )


def _records(caller: Caller, execution_id: UUID) -> list[Record]:
    service.need(caller, execution_id, access.SEE_RUN)
    return journal.records_of(caller.organization_id, execution_id)


def _lines(record: Record) -> Iterator[ExecutionLog]:
    summary = journal.summary(record)
    told = {
        "completed": f"{summary.node_name}: {summary.items_in} items in, {summary.items_out} out",
        "skipped": f"{summary.node_name}: nothing came",
        "failed": f"{summary.node_name}: {summary.error.message if summary.error else 'failed'}",
    }[summary.status]
    data: Json = {"attempt": summary.attempt, "path": summary.path}
    for number, line in enumerate(record.get("logs", []), start=1):
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
        level=LEVELS[summary.status],  # type: ignore[arg-type]
        message=told,
        at=summary.started_at,
        node_id=summary.node_id,
        data=data,
    )


def _after(start: datetime, moment: datetime) -> int:
    return max(0, int((moment - start).total_seconds() * 1000))


def _end(start: datetime, bar: NodeExecutionSummary) -> int:
    return _after(start, bar.started_at) + bar.duration_ms
