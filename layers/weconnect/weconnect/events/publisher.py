"""Events: what happened in an organization, told to its workflows that begin a run for it.

`TYPES` are the product's own. They come from the table's stream, so an event is raised for whatever committed, whoever
wrote it, at least once and under the same id each time.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from weconnect import clock, ids
from weconnect.base_entity import Json, Wire
from weconnect.executions.entities import MAX_DEPTH
from weconnect.workflows.definition import trigger_index

TYPES = {
    "agent.run.completed": "A run of an agent ended well; not one that another run asked for",
    "agent.run.failed": "A run of an agent failed or took too long",
    "workflow.run.completed": "A run of a workflow ended well; not a test, and not one that another run waited for",
    "workflow.run.failed": "A run of a workflow failed or took too long",
    "approval.requested": "A run waits for somebody's decision",
}

_ENDS = {"completed": "completed", "failed": "failed", "timeout": "failed"}
_TOLD = {
    "AGENTEXECUTION": ("agentId", "agentVersion", "status", "userId", "error", "errorCode", "executionTime"),
    "EXECUTION": ("workflowId", "workflowName", "workflowVersion", "status", "mode", "userId", "durationMs"),
    "APPROVAL": (
        "runType",
        "agentId",
        "workflowId",
        "executionId",
        "toolName",
        "message",
        "userId",
        "expiresAt",
    ),
}


class Event(Wire):
    """What happened, as a run that it begins gets it for its input."""

    type: str
    id: UUID
    time: AwareDatetime
    organization_id: UUID
    data: Json


class Raised(Wire):
    """An event on its way. `depth` is how deep the run stands that raised it; `output` is what that run answered, or
    the pointer to a longer text, to be put into the data; `workflow_id` is the workflow of that run.
    """

    event: Event
    depth: int = 0
    output: Any = None
    workflow_id: UUID | None = None


def raise_event(
    organization_id: UUID,
    type: str,
    data: Json,
    depth: int = 0,
    *,
    id: UUID | None = None,
    time: datetime | None = None,
    listens: Callable[[UUID, str], bool] = trigger_index.has_any,
    **more: Any,
) -> Event:
    """Tell the workflows of an organization that wait for such an event; nothing is sent where none does.

    With the same `id` a workflow begins one run, however often it is raised. `more` are further fields of `Raised`.
    """
    from weconnect.events import stream  # which needs us

    event = Event(
        type=type,
        id=id or ids.new_id(),
        time=time or clock.now(),
        organization_id=organization_id,
        data=data,
    )
    if depth < MAX_DEPTH and listens(organization_id, type):
        raised = Raised(event=event, depth=depth, **more)
        stream.tell_of_event(raised.model_dump(mode="json", by_alias=True))
    return event


def raise_from(record: dict[str, Any], listens: Callable[[UUID, str], bool]) -> None:
    """Raise the event that a stream record stands for, if it stands for one; `listens` as `triggers.has_any`."""
    image = {name: _plain(value) for name, value in record["dynamodb"].get("NewImage", {}).items()}
    before = record["dynamodb"].get("OldImage", {})
    type = _type(image, None if not before else before.get("status", {}).get("S"))
    if type is None:
        return
    kind, origin = image["kind"], UUID(image["id"])
    time = datetime.fromisoformat(image["createdAt" if kind == "APPROVAL" else "finishedAt"])
    data = {name: image[name] for name in _TOLD[kind] if name in image}
    if kind != "APPROVAL":
        data["executionId"] = image["id"]
    else:
        data["approvalId"] = image["id"]
    if kind == "EXECUTION" and image.get("error") is not None:
        data["error"] = json.loads(image["error"])
    raise_event(
        UUID(image["organizationId"]),
        type,
        data,
        int(image.get("depth") or 0),
        id=ids.derived_at(time, f"{origin} {type}"),
        time=time,
        listens=listens,
        output=json.loads(image["output"]) if type.endswith(".completed") and "output" in image else None,
        workflow_id=image.get("workflowId"),
    )


def _type(image: dict[str, Any], before: str | None) -> str | None:
    """The type of what a row's change means; None when it means nothing to anybody."""
    kind, status = image.get("kind"), image.get("status")
    if kind == "APPROVAL":
        return "approval.requested" if before is None and status == "pending" else None
    if kind not in _TOLD or status not in _ENDS or before is None or before == status:
        return None
    if kind == "AGENTEXECUTION":
        return None if image.get("parentExecutionId") else f"agent.run.{_ENDS[status]}"
    return None if image.get("mode") in ("test", "subworkflow") else f"workflow.run.{_ENDS[status]}"


def _plain(value: dict[str, Any]) -> Any:
    """A text, a number or a truth value of an image; whatever else is of no use here."""
    kind, found = next(iter(value.items()))
    if kind == "N":
        return int(found) if found.lstrip("-").isdecimal() else float(found)
    return found if kind in ("S", "BOOL") else None
