"""The events of workflows' executions."""

import json

from weconnect.events import messages
from weconnect.events.messages import Change, EventMessage

_FIELDS = ("workflowId", "workflowName", "workflowVersion", "status", "mode", "userId", "durationMs")


def build_message(change: Change) -> EventMessage | None:
    """Return the event of an execution's end; None for another change, a test, and one that another waited for."""
    row, outcome = change.after, change.outcome
    if outcome is None or row.get("mode") in ("test", "subworkflow"):
        return None
    data = messages.pick(row, *_FIELDS) | {"executionId": row["id"]}
    if row.get("error") is not None:
        data["error"] = json.loads(row["error"])
    output = json.loads(row["output"]) if outcome == "completed" and "output" in row else None
    return messages.build_message(change, f"workflow.run.{outcome}", row["finishedAt"], data, output=output)
