"""Purges: a row that leaves the trash for good, or an execution that expires, takes its belongings along."""

from collections.abc import Callable
from typing import TypedDict

from weconnect import queues, registry, registry_index
from weconnect.settings import settings


class TrashKey(TypedDict):
    """The key that the row had: `sk` is `TRASH#<kind>#<id>` in the trash, and begins with the kind elsewhere."""

    pk: str
    sk: str


class PurgeMessage(TypedDict):
    """A message of the purge queue; `eventId` names the stream record that caused it."""

    trash: TrashKey
    eventId: str


def is_purged(sk: str) -> bool:
    """Return whether the removal of a row with this sort key is the beginning of a purge."""
    return sk.startswith("TRASH#") or sk.partition("#")[0] == "EXECUTION"


def request_purge(message: PurgeMessage) -> None:
    """Send a message to the purge queue: from the stream, or from a purge that has more to delete."""
    queues.send_message(settings.purge_queue_url, {**message})


def purge(trash: TrashKey) -> bool:
    """Delete the belongings of the row that had this key; return False when there is more, so purge again.

    Kinds without belongings, such as API keys and members, need nothing.
    """
    kind = trash["sk"].removeprefix("TRASH#").split("#")[0]
    if kind not in registry_index.PURGES_BY_KIND:
        return True
    purge_kind: Callable[[tuple[str, str]], bool] = registry.resolve(registry_index.PURGES_BY_KIND[kind])
    return purge_kind((trash["pk"], trash["sk"]))
