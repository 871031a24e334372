"""The table in moto for what is counted, and the rows of an agent as DynamoDB answers them for what is timed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests import conftest  # the environment, before anything reads it

import boto3  # isort: skip
from moto import mock_aws  # isort: skip

from infra import cloudformation
from tests.agents.runs import Starter
from tests.factories import Registered, registered
from weconnect import aws, durable
from weconnect.security import signing

KEY = signing.SigningKey(id="bench", secret=b"s" * 64)


@contextmanager
def world() -> Iterator[Starter]:
    """Everything that routes need, in process; yields what stands where Lambda stands."""
    starter = Starter()
    kept = aws.call, durable.lambda_client
    with mock_aws():
        boto3.client("dynamodb").create_table(**cloudformation.table_definition("weconnect"))
        boto3.client("s3").create_bucket(Bucket="weconnect")
        boto3.client("sesv2").create_email_identity(EmailIdentity="weconnect@localhost")
        aws.call = conftest._call_through_boto3
        durable.lambda_client = lambda: starter  # type: ignore[assignment]
        signing._current, signing._known = KEY, {KEY.id: KEY}
        try:
            yield starter
        finally:
            aws.call, durable.lambda_client = kept


@dataclass(frozen=True)
class Sample:
    """Requests of a caller as the gateway sends them, and the table's items that they need."""

    items: list[dict[str, Any]]
    get_agent: dict[str, Any]
    get_me: dict[str, Any]
    authorize: dict[str, Any]


def sample() -> Sample:
    """A user with an agent of ordinary size."""
    with world():
        me: Registered = registered()
        body = {
            "name": "Helper",
            "description": "Answers questions about orders. " * 5,
            "configuration": {"systemPrompt": "You answer briefly and politely. " * 30, "temperature": 0.2},
        }
        path = me.client.post("/v1/agents", body).headers["Location"]
        got, mine = me.client.get(path), me.client.get("/v1/users/me")
        assert (got.status, mine.status) == (200, 200), got.text
        items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
        asked = json.loads(json.dumps(mine.event))
        del asked["requestContext"]["authorizer"]
        return Sample(items, got.event, mine.event, {"type": "REQUEST", **asked})
