"""Purge queue: delete everything that belonged to an entity that left the trash."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from weconnect.trash import purge

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def purge_one(record: dict[str, Any]) -> None:
    """Purge the entity that a message names; send the message again when one invocation cannot delete everything."""
    message = json.loads(record["body"])
    if not purge.purge(message["trash"]):
        purge.request_purge(message)


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Process a batch; messages that failed stay in the queue."""
    return process_partial_response(event, purge_one, processor, context)
