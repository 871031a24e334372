"""The events of agents' executions."""

import json

from weconnect.events import messages
from weconnect.events.messages import Change, EventMessage

_FIELDS = ("agentId", "agentVersion", "status", "userId", "error", "errorCode", "executionTime")


def build_message(change: Change) -> EventMessage | None:
    """Return the event of an execution's end; None for another change, and for an execution within another one."""
    row, outcome = change.after, change.outcome
    if outcome is None or row.get("parentExecutionId"):
        return None
    data = messages.pick(row, *_FIELDS) | {"executionId": row["id"]}
    output = json.loads(row["output"]) if outcome == "completed" and "output" in row else None
    return messages.build_message(change, f"agent.run.{outcome}", row["finishedAt"], data, output=output)
