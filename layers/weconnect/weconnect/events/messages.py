"""Events, and the messages that carry them to the workflows that subscribe to their types."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from weconnect import ids
from weconnect.base_entity import ApiModel, JsonObject

_OUTCOMES_BY_STATUS = {"completed": "completed", "failed": "failed", "timeout": "failed"}


class Event(ApiModel):
    """An event as the executions that it starts receive it for their input."""

    type: str
    id: UUID
    time: AwareDatetime
    organization_id: UUID
    data: JsonObject


class EventMessage(ApiModel):
    """An event on its way through the queue.

    `depth` is the nesting level of the execution that caused it; `output` is the result of that execution, or the
    pointer to a longer text, to be put into the data; `workflow_id` is its workflow.
    """

    event: Event
    depth: int = 0
    output: Any = None
    workflow_id: UUID | None = None


@dataclass(frozen=True)
class Change:
    """A committed change of a row: its fields as they are stored, before (None for a new row) and after.

    Only texts, numbers and booleans have their values; other fields are None.
    """

    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    @property
    def outcome(self) -> str | None:
        """Return `completed` or `failed` when the change ended an execution, else None."""
        status, status_before = self.after.get("status"), (self.before or {}).get("status")
        if status_before is None or status == status_before:
            return None
        return _OUTCOMES_BY_STATUS.get(str(status))


def build_message(
    change: Change, type: str, time: str, data: JsonObject, *, output: Any = None
) -> EventMessage:
    """Return the message of the event that a change amounts to.

    `time` is in ISO 8601. The id of the event is derived from the row's, so it is the same at each delivery.
    """
    row, moment = change.after, datetime.fromisoformat(time)
    event = Event(
        type=type,
        id=ids.derived_at(moment, f"{UUID(row['id'])} {type}"),
        time=moment,
        organization_id=UUID(row["organizationId"]),
        data=data,
    )
    depth = int(row.get("depth") or 0)
    return EventMessage(event=event, depth=depth, output=output, workflow_id=row.get("workflowId"))


def pick(row: Mapping[str, Any], *names: str) -> JsonObject:
    """Return those of the named fields that a row has."""
    return {name: row[name] for name in names if name in row}
