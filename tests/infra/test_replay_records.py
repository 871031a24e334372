"""Discarded stream records: found in their bucket and processed by the function that could not process them."""

import io
import json
from typing import Any

import boto3
import pytest

from infra.replay_records import replay
from tests.infra.test_sample_events import invoke, load_event

BUCKET = "failed-records"
KEY = "aws/lambda/4f1c0a8e-5d52-4a3c-8a77-3a5a4cf3a111/shardId-000000016/2026/12/01/2026-12-01T02.00.00-{}"


class Functions:
    """A Lambda client that executes on_table_change in this process; `error` is a function error for each call."""

    def __init__(self, error: str = "") -> None:
        self.error = error

    def invoke(self, **request: Any) -> dict[str, Any]:
        if self.error:
            text = json.dumps({"errorMessage": self.error})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(text.encode())}
        result = invoke(request["FunctionName"], json.loads(request["Payload"]))
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


@pytest.fixture
def s3(aws: None) -> Any:
    """Return a client of a bucket with one discarded batch, as Lambda writes it."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    invocation = {"version": "1.0", "payload": json.dumps(load_event("on_table_change"))}
    client.put_object(Bucket=BUCKET, Key=KEY.format("a"), Body=json.dumps(invocation))
    return client


def list_keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_a_discarded_batch_is_processed_and_deleted(s3: Any, queue: str) -> None:
    assert replay(BUCKET, "on_table_change", s3, Functions()) == []
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert "TRASH#" in message["Body"]
    assert list_keys(s3) == []


def test_a_batch_that_fails_again_remains(s3: Any) -> None:
    remaining = [KEY.format("a")]
    assert replay(BUCKET, "on_table_change", s3, Functions("no memory")) == remaining
    assert replay(BUCKET, "on_table_change", s3, Functions()) == remaining, "its queue does not exist"
    assert list_keys(s3) == remaining
