"""Event queue → a run of each workflow that begins one for such an event."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from weconnect.events.publisher import Raised
from weconnect.executions import event_starts

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def begin(record: dict[str, Any]) -> None:
    """Begin the runs of one event."""
    event_starts.begin_all(Raised.model_validate_json(record["body"]))


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Take a batch; what failed stays in the queue."""
    return process_partial_response(event, begin, processor, context)
