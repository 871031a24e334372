"""The table's stream: what committed, sorted into the queues of those who want to know.

A stream shard takes two readers at the most, so there is one dispatcher, and each consumer has a queue of its own.
"""

import functools
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import boto3

from weconnect.settings import settings


@functools.cache
def sqs() -> Any:
    """The queue client, made at its first use."""
    return boto3.client("sqs", region_name=settings.region)


def dispatcher() -> Callable[[dict[str, Any]], None]:
    """What sends the stream records of one batch to their queues, and reads but once for it who listens to what.

    A record is delivered at least once, and so are its messages.
    """
    from weconnect.workflows.definition import trigger_index  # which needs us

    listens = functools.cache(trigger_index.has_any)
    return lambda record: _dispatch(record, listens)


def _dispatch(record: dict[str, Any], listens: Callable[[UUID, str], bool]) -> None:
    from weconnect.events import publisher

    keys = {name: value["S"] for name, value in record["dynamodb"]["Keys"].items()}
    if record["eventName"] == "REMOVE" and keys["sk"].startswith("TRASH#"):
        ask_for_purge({"trash": keys, "eventId": record["eventID"]})
    elif record["eventName"] != "REMOVE":
        publisher.raise_from(record, listens)


def tell_of_event(message: dict[str, Any]) -> None:
    """Put an event into the queue of those that begin runs for it."""
    sqs().send_message(QueueUrl=settings.event_queue_url, MessageBody=json.dumps(message))


def ask_for_purge(message: dict[str, Any]) -> None:
    """Put a message into the purge queue: from the stream, or from a purge that has more to do."""
    sqs().send_message(QueueUrl=settings.purge_queue_url, MessageBody=json.dumps(message))
