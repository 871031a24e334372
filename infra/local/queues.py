"""Delivery of SQS messages to the functions that the template connects with the queues."""

import asyncio
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.event_patterns import matches_pattern
from infra.local.gateway import report_failure
from infra.local.provisioning import AwsClients
from infra.local.settings import REGION
from infra.local.worker_pool import Pool

POLL_SECONDS = 10
MAX_MESSAGES = 10  # the most that SQS returns at once


async def poll_queue(
    pool: Pool, clients: AwsClients, function: str, url: str, properties: dict[str, Any]
) -> None:
    """Receive messages, call the function and delete the processed ones, until cancelled.

    Failed messages return after the queue's visibility timeout. One batch at a time keeps the order of a FIFO queue.
    """
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, f"queue-{function}")
    size = min(int(properties.get("BatchSize", 10)), MAX_MESSAGES)

    def receive() -> list[dict[str, Any]]:
        """Return up to `size` messages; blocks until there are any, for at most 10 s."""
        received: list[dict[str, Any]] = clients("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=size, WaitTimeSeconds=POLL_SECONDS,
            MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"],
        ).get("Messages", [])  # fmt: skip
        return received

    def delete(messages: list[dict[str, Any]]) -> None:
        """Delete messages from the queue; blocks."""
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        if entries:
            clients("sqs").delete_message_batch(QueueUrl=url, Entries=entries)

    while True:
        try:
            messages = await loop.run_in_executor(thread, receive)
            if messages:
                done = await handle_batch(pool, function, messages, properties)
                await loop.run_in_executor(thread, delete, done)
        except (BotoCoreError, ClientError) as error:
            print(f"queue {url.rpartition('/')[2]}: {error}", flush=True)
            await asyncio.sleep(1)


async def handle_batch(
    pool: Pool, function: str, messages: list[dict[str, Any]], properties: dict[str, Any]
) -> list[dict[str, Any]]:
    """Call the function with a batch and return the messages to delete."""
    arn = properties["Queue"]
    records = {message["MessageId"]: _build_record(message, arn) for message in messages}
    patterns = [
        json.loads(entry["Pattern"]) for entry in properties.get("FilterCriteria", {}).get("Filters", [])
    ]
    matching = [
        record
        for record in records.values()
        if not patterns
        or any(matches_pattern(pattern, {**record, "body": _parse_body(record)}) for pattern in patterns)
    ]
    if not matching:
        return messages
    result = await pool.call(
        function, json.dumps({"Records": matching}).encode(), lane="background", tenant=function
    )
    if result.failed:
        report_failure(function, result, pool)
        return [message for message in messages if records[message["MessageId"]] not in matching]
    if "ReportBatchItemFailures" not in properties.get("FunctionResponseTypes", []):
        return messages
    response = result.parse_value() or {}
    failed = {failure.get("itemIdentifier") for failure in response.get("batchItemFailures") or []}
    if not failed <= records.keys():  # as in Lambda, an unknown identifier fails the whole batch
        return []
    return [message for message in messages if message["MessageId"] not in failed]


def _parse_body(record: dict[str, Any]) -> Any:
    """Return a record's body as JSON or, when it is none, as text."""
    try:
        return json.loads(record["body"])
    except ValueError:
        return record["body"]


def _build_record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return the Lambda record of an SQS message."""
    attributes = {"SentTimestamp": str(int(time.time() * 1000)), **message.get("Attributes", {})}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": attributes,
        "messageAttributes": {
            key: {
                "stringValue": value.get("StringValue"),
                "dataType": value["DataType"],
                "stringListValues": [],
                "binaryListValues": [],
            }
            for key, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message.get("MD5OfBody") or hashlib.md5(message["Body"].encode()).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
