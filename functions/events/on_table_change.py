"""DynamoDB stream: dispatch changes of the table to the queues of their consumers."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from weconnect.events import stream

processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Dispatch a batch; from the first failure on it is delivered again."""
    return process_partial_response(event, stream.make_dispatcher(), processor, context)
