"""Messages to the deployment's queues."""

import functools
import json
from typing import Any

from weconnect.settings import settings


@functools.cache
def sqs_client() -> Any:
    """Return the SQS client, created at its first use."""
    import boto3  # cold start

    return boto3.client("sqs", region_name=settings.region)


def send_message(queue_url: str, message: dict[str, Any]) -> None:
    """Send a JSON object to a queue; it is delivered at least once."""
    sqs_client().send_message(QueueUrl=queue_url, MessageBody=json.dumps(message))
