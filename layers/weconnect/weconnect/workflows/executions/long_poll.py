"""Long polling of an execution: its events after a cursor, or the next ones when there are none yet."""

import time
from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import open_cursor, seal_cursor
from weconnect.identity import waiting
from weconnect.workflows.executions import journal, service
from weconnect.workflows.executions.entities import ExecutionEvent, ExecutionEvents


def wait(caller: Caller, execution_id: UUID, cursor: str | None, seconds: int) -> ExecutionEvents:
    """Return the events after `cursor` once there are any, the execution has ended, or `seconds` are over.

    What there is is returned at once when the organization has its share of waiting callers. Raises ExecutionNotFound,
    Forbidden, InvalidCursor.
    """
    scope = f"events {execution_id}"
    position = open_cursor(cursor, scope) if cursor else {"batch": 0, "status": None}
    events = _load_events(caller, execution_id, position, scope)
    is_waiting = not (events.items or events.is_final)
    with waiting.hold_lease(caller.organization_id, seconds if is_waiting else 0) as granted_seconds:
        until, pause = time.monotonic() + granted_seconds, 0.1
        while not (events.items or events.is_final) and (left := until - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(1.0, pause * 1.5)
            events = _load_events(caller, execution_id, position, scope)
    return events


def _load_events(caller: Caller, execution_id: UUID, position: dict[str, Any], scope: str) -> ExecutionEvents:
    """Return the node runs after `position` (`{"batch", "status"}`), then the execution when its status has changed."""
    row = service.require(caller, execution_id, "view")
    # The execution was read first: a batch that is written meanwhile comes before the status that follows it.
    execution = service.show(caller, row, with_values=False)
    entries = service.load_entries(caller, row, position["batch"])
    items = [
        ExecutionEvent(type=f"node.{entry['status']}", node=journal.to_summary(entry)) for entry in entries
    ]
    if execution.status != position["status"]:
        items.append(ExecutionEvent(type=f"execution.{execution.status}", execution=execution))
    last_batch = int(entries[-1]["id"].partition("-")[0]) if entries else position["batch"]
    return ExecutionEvents(
        items=items,
        next_cursor=seal_cursor({"batch": last_batch, "status": execution.status}, scope),
        is_final=not execution.is_running(),
    )
