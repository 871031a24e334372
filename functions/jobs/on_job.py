"""Jobs queue: execute one batch of a job. Every minute: requeue the jobs whose next batch is overdue."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from weconnect.jobs import worker
from weconnect.log import logger

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def execute_batch(record: dict[str, Any]) -> None:
    """Execute the batch that a message names."""
    worker.process_message(json.loads(record["body"]))


def handler(event: dict[str, Any], context: Any) -> Any:
    """Process messages, which stay in the queue when they fail; or sweep, for the schedule's event."""
    if "Records" in event:
        return process_partial_response(event, execute_batch, processor, context)
    swept = worker.sweep()
    if swept:
        logger.warning("jobs swept", count=swept)
    return {"swept": swept}
