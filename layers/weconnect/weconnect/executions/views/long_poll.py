"""Watching a run: what has happened after a cursor, waiting for it when nothing has."""

import time
from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import open_cursor, seal_cursor
from weconnect.executions import journal, service
from weconnect.executions.entities import Execution, ExecutionEvent, ExecutionEvents
from weconnect.workflows.sharing import access


def wait(caller: Caller, execution_id: UUID, cursor: str | None, seconds: int) -> ExecutionEvents:
    """What has happened after `cursor`, waiting for up to `seconds` until something has, or until the run has ended."""
    scope = f"events {execution_id}"
    at = open_cursor(cursor, scope) if cursor else {"batch": 0, "status": None}
    until, pause = time.monotonic() + seconds, 0.1
    while True:
        execution = service.entity(service.need(caller, execution_id, access.SEE_RUN), whole=False)
        found = _after(caller, execution, at, scope)
        left = until - time.monotonic()
        if found.items or found.is_final or left <= 0:
            return found
        time.sleep(min(pause, left))
        pause = min(1.0, pause * 1.5)


def _after(caller: Caller, execution: Execution, at: dict[str, Any], scope: str) -> ExecutionEvents:
    # The run was read first: a batch that is written meanwhile comes before the state that follows it.
    records = journal.records_of(caller.organization_id, execution.id, at["batch"])
    items = [
        ExecutionEvent(type=f"node.{record['status']}", node=journal.summary(record)) for record in records
    ]
    if execution.status != at["status"]:
        items.append(ExecutionEvent(type=f"execution.{execution.status}", execution=execution))
    last = int(records[-1]["id"].partition("-")[0]) if records else at["batch"]
    return ExecutionEvents(
        items=items,
        next_cursor=seal_cursor({"batch": last, "status": execution.status}, scope),
        is_final=not execution.is_running(),
    )
