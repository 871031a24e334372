"""Purges: a row that leaves the trash for good takes its belongings along, kind by kind."""

from collections.abc import Callable
from typing import TypedDict

from weconnect import queues, registry, registry_index
from weconnect.settings import settings


class TrashKey(TypedDict):
    """The key under which the row was in the trash: `sk` is `TRASH#<kind>#<id>`."""

    pk: str
    sk: str


class PurgeMessage(TypedDict):
    """A message of the purge queue; `eventId` names the stream record that caused it."""

    trash: TrashKey
    eventId: str


def request_purge(message: PurgeMessage) -> None:
    """Send a message to the purge queue: from the stream, or from a purge that has more to delete."""
    queues.send_message(settings.purge_queue_url, {**message})


def purge(trash: TrashKey) -> bool:
    """Delete the belongings of the row that was in the trash; return False when there is more, so purge again.

    Kinds without belongings, such as API keys and members, need nothing.
    """
    kind = trash["sk"].split("#")[1]
    if kind not in registry_index.PURGES_BY_KIND:
        return True
    purge_kind: Callable[[tuple[str, str]], bool] = registry.resolve(registry_index.PURGES_BY_KIND[kind])
    return purge_kind((trash["pk"], trash["sk"]))
