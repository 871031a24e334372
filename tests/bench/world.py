"""AWS in moto, for what is counted, and an agent's rows as DynamoDB returns them, for what is timed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests import conftest  # the environment, before anything reads it

import boto3  # isort: skip
from moto import mock_aws  # isort: skip

from infra import cloudformation
from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from weconnect import aws
from weconnect.durable import client as durable_client
from weconnect.security import signing

KEY = signing.SigningKey(id="bench", secret=b"s" * 64)


@contextmanager
def world() -> Iterator[Starter]:
    """Provide everything that routes need in this process; yield the stand-in for Lambda's client."""
    starter = Starter()
    original = aws.call, durable_client.lambda_client
    with mock_aws():
        boto3.client("dynamodb").create_table(**cloudformation.read_table_definition("weconnect"))
        boto3.client("s3").create_bucket(Bucket="weconnect")
        boto3.client("sesv2").create_email_identity(EmailIdentity="weconnect@localhost")
        aws.call = conftest._call_through_boto3
        durable_client.lambda_client = lambda: starter  # type: ignore[assignment]
        signing._current, signing._keys_by_id = KEY, {KEY.id: KEY}
        try:
            yield starter
        finally:
            aws.call, durable_client.lambda_client = original


@dataclass(frozen=True)
class Sample:
    """Requests of a caller as the gateway sends them, and the items of the table that they need."""

    items: list[dict[str, Any]]
    get_agent: dict[str, Any]
    get_me: dict[str, Any]
    authorize: dict[str, Any]


def sample() -> Sample:
    """Return requests of a user with an agent of ordinary size."""
    with world():
        me: RegisteredUser = register()
        body = {
            "name": "Helper",
            "description": "Answers questions about orders. " * 5,
            "configuration": {"systemPrompt": "You answer briefly and politely. " * 30, "temperature": 0.2},
        }
        path = me.client.post("/v1/agents", body).headers["Location"]
        agent, user = me.client.get(path), me.client.get("/v1/users/me")
        assert (agent.status, user.status) == (200, 200), agent.text
        items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
        request = json.loads(json.dumps(user.event))
        del request["requestContext"]["authorizer"]
        return Sample(items, agent.event, user.event, {"type": "REQUEST", **request})
