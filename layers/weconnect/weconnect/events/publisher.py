"""Events: what happened in an organization, published to its workflows that subscribe to the type.

`EVENT_TYPES` are the product's own. They are derived from the table's stream, so an event is published for every
change that was committed, whoever wrote it, at least once and with the same id each time.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from weconnect import clock, ids, queues
from weconnect.base_entity import ApiModel, JsonObject
from weconnect.events import subscriptions
from weconnect.settings import settings

EVENT_TYPES = {
    "agent.run.completed": "An execution of an agent completed; not one that another execution started",
    "agent.run.failed": "An execution of an agent failed or timed out",
    "workflow.run.completed": "An execution of a workflow completed; no test, and not one that another waited for",
    "workflow.run.failed": "An execution of a workflow failed or timed out",
    "approval.requested": "An execution waits for a decision",
}

_EVENTS_BY_STATUS = {"completed": "completed", "failed": "failed", "timeout": "failed"}
_DATA_BY_KIND = {
    "AGENTEXECUTION": ("agentId", "agentVersion", "status", "userId", "error", "errorCode", "executionTime"),
    "EXECUTION": ("workflowId", "workflowName", "workflowVersion", "status", "mode", "userId", "durationMs"),
    "APPROVAL": (
        *("runType", "agentId", "workflowId", "executionId", "toolName", "message", "userId", "expiresAt"),
    ),
}
"""The fields of a row that become the data of its event."""


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


def publish(organization_id: UUID, type: str, data: JsonObject, depth: int = 0) -> Event:
    """Publish a new event to the workflows that subscribe to its type, and return it.

    `depth` is the nesting level of the execution that caused it; at the deepest one an event is dropped.
    """
    event = Event(type=type, id=ids.new_id(), time=clock.now(), organization_id=organization_id, data=data)
    _send(EventMessage(event=event, depth=depth), subscriptions.has_subscriber)
    return event


def publish_change(record: dict[str, Any], has_subscriber: Callable[[UUID, str], bool]) -> None:
    """Publish the event that a record of the table's stream (new and old image) amounts to, if it amounts to one."""
    image = {name: _plain_value(value) for name, value in record["dynamodb"].get("NewImage", {}).items()}
    old_image = record["dynamodb"].get("OldImage", {})
    type = _event_type(image, old_image.get("status", {}).get("S") if old_image else None)
    if type is None:
        return
    kind = image["kind"]
    time = datetime.fromisoformat(image["createdAt" if kind == "APPROVAL" else "finishedAt"])
    data = {name: image[name] for name in _DATA_BY_KIND[kind] if name in image}
    data["approvalId" if kind == "APPROVAL" else "executionId"] = image["id"]
    if kind == "EXECUTION" and image.get("error") is not None:
        data["error"] = json.loads(image["error"])
    event = Event(
        type=type,
        id=ids.derived_at(time, f"{UUID(image['id'])} {type}"),
        time=time,
        organization_id=UUID(image["organizationId"]),
        data=data,
    )
    message = EventMessage(
        event=event,
        depth=int(image.get("depth") or 0),
        output=json.loads(image["output"]) if type.endswith(".completed") and "output" in image else None,
        workflow_id=image.get("workflowId"),
    )
    _send(message, has_subscriber)


def _send(message: EventMessage, has_subscriber: Callable[[UUID, str], bool]) -> None:
    """Send an event to its queue unless no workflow subscribes to it.

    A workflow starts one execution for each event id, however often the message is sent.
    """
    event = message.event
    if message.depth < subscriptions.MAX_DEPTH and has_subscriber(event.organization_id, event.type):
        queues.send_message(settings.event_queue_url, message.model_dump(mode="json", by_alias=True))


def _event_type(image: dict[str, Any], old_status: str | None) -> str | None:
    """Return the event type that a change of a row amounts to, or None."""
    kind, status = image.get("kind"), image.get("status")
    if kind == "APPROVAL":
        return "approval.requested" if old_status is None and status == "pending" else None
    if kind not in _DATA_BY_KIND or status not in _EVENTS_BY_STATUS or old_status in (None, status):
        return None
    if kind == "AGENTEXECUTION":
        return None if image.get("parentExecutionId") else f"agent.run.{_EVENTS_BY_STATUS[status]}"
    return (
        None if image.get("mode") in ("test", "subworkflow") else f"workflow.run.{_EVENTS_BY_STATUS[status]}"
    )


def _plain_value(value: dict[str, Any]) -> Any:
    """Return a text, number or boolean of an image; None for other types, which no event needs."""
    kind, content = next(iter(value.items()))
    if kind == "N":
        return int(content) if content.lstrip("-").isdecimal() else float(content)
    return content if kind in ("S", "BOOL") else None
