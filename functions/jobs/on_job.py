"""Jobs queue → one batch of a job; every minute → jobs that nobody goes on with"""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from weconnect.jobs import worker
from weconnect.log import logger

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def work_one(record: dict[str, Any]) -> None:
    """Do the batch that one message names."""
    worker.work(json.loads(record["body"]))


def handler(event: dict[str, Any], context: Any) -> Any:
    """Do a batch, which stays in the queue when it failed; or ask again for the jobs that are due."""
    if "Records" in event:
        return process_partial_response(event, work_one, processor, context)
    swept = worker.sweep()
    if swept:
        logger.warning("swept jobs", count=swept)
    return {"swept": swept}
