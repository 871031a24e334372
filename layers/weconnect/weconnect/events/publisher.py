"""Publication of events: what happened in an organization, to its workflows that subscribe to the type.

The product's own events are derived from the table's stream, so one is published for every change that was committed,
whoever wrote it, at least once and with the same id each time. `Module.events` names the functions that derive them.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from weconnect import clock, ids, queues, registry, registry_index
from weconnect.base_entity import JsonObject
from weconnect.events import subscriptions
from weconnect.events.messages import Change, Event, EventMessage
from weconnect.settings import settings


def publish(organization_id: UUID, type: str, data: JsonObject, depth: int = 0) -> Event:
    """Publish a new event to the workflows that subscribe to its type, and return it.

    `depth` is the nesting level of the execution that caused it; at the deepest one an event is dropped.
    """
    event = Event(type=type, id=ids.new_id(), time=clock.now(), organization_id=organization_id, data=data)
    _send(EventMessage(event=event, depth=depth), subscriptions.has_subscriber)
    return event


def publish_change(record: dict[str, Any], has_subscriber: Callable[[UUID, str], bool]) -> None:
    """Publish the event that a record of the table's stream (new and old image) amounts to, if it amounts to one."""
    images = record["dynamodb"]
    after = _read_image(images.get("NewImage", {}))
    builder = registry_index.EVENT_BUILDERS.get(str(after.get("kind")))
    if builder is None:
        return
    before = _read_image(images["OldImage"]) if images.get("OldImage") else None
    build: Callable[[Change], EventMessage | None] = registry.resolve(builder)
    message = build(Change(before, after))
    if message:
        _send(message, has_subscriber)


def _send(message: EventMessage, has_subscriber: Callable[[UUID, str], bool]) -> None:
    """Send an event to its queue unless no workflow subscribes to it.

    A workflow starts one execution for each event id, however often the message is sent.
    """
    event = message.event
    if message.depth < subscriptions.MAX_DEPTH and has_subscriber(event.organization_id, event.type):
        queues.send_message(settings.event_queue_url, message.model_dump(mode="json", by_alias=True))


def _read_image(image: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a row's image with plain values."""
    return {name: _plain_value(value) for name, value in image.items()}


def _plain_value(value: dict[str, Any]) -> Any:
    """Return a text, number or boolean of an image; None for other types, which no event needs."""
    kind, content = next(iter(value.items()))
    if kind == "N":
        return int(content) if content.lstrip("-").isdecimal() else float(content)
    return content if kind in ("S", "BOOL") else None
