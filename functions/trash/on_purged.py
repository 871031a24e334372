"""Purge queue → everything that belonged to what left the trash"""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from weconnect.events import stream
from weconnect.trash import purge

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def purge_one(record: dict[str, Any]) -> None:
    """Purge what one message names; when there is more than it may do, another message asks for the rest."""
    message = json.loads(record["body"])
    if not purge.purge(message["trash"]):
        stream.ask_for_purge(message)


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Purge a batch; what failed stays in the queue."""
    return process_partial_response(event, purge_one, processor, context)
