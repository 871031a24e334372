"""The dispatcher of the table's stream: it sorts committed changes into the consumers' queues.

A stream shard takes two readers at the most, so there is one dispatcher, and each consumer has a queue of its own.
"""

import functools
from collections.abc import Callable
from typing import Any
from uuid import UUID

from weconnect.events import publisher, subscriptions
from weconnect.trash import purge


def make_dispatcher() -> Callable[[dict[str, Any]], None]:
    """Return a function that dispatches one stream record; it looks up each subscription once per batch.

    A record is delivered at least once, and so are its messages.
    """
    has_subscriber = functools.cache(subscriptions.has_subscriber)
    return lambda record: _dispatch(record, has_subscriber)


def _dispatch(record: dict[str, Any], has_subscriber: Callable[[UUID, str], bool]) -> None:
    """Request the purge of a row that is gone, from the trash or an execution; publish the event of another change."""
    key = {name: value["S"] for name, value in record["dynamodb"]["Keys"].items()}
    if record["eventName"] == "REMOVE" and purge.is_purged(key["sk"]):
        trash = purge.TrashKey(pk=key["pk"], sk=key["sk"])
        purge.request_purge({"trash": trash, "eventId": record["eventID"]})
    elif record["eventName"] != "REMOVE":
        publisher.publish_change(record, has_subscriber)
