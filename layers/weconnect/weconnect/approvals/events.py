"""The event of an approval request."""

from weconnect.events import messages
from weconnect.events.messages import Change, EventMessage

_FIELDS = (
    *("runType", "agentId", "workflowId", "executionId", "toolName", "message", "userId", "expiresAt"),
)


def build_message(change: Change) -> EventMessage | None:
    """Return the event of a new request; None for another change."""
    row = change.after
    if change.before is not None or row.get("status") != "pending":
        return None
    data = messages.pick(row, *_FIELDS) | {"approvalId": row["id"]}
    return messages.build_message(change, "approval.requested", row["createdAt"], data)
