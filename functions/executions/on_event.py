"""Event queue: start the workflows that an event triggers."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from weconnect.events.messages import EventMessage
from weconnect.workflows.executions import event_starts

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def start_triggered(record: dict[str, Any]) -> None:
    """Start the executions that one event triggers."""
    event_starts.start_all(EventMessage.model_validate_json(record["body"]))


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Process a batch; messages that failed stay in the queue."""
    return process_partial_response(event, start_triggered, processor, context)
