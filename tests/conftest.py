"""The environment of all tests: settings first, because they are read at import."""

import os

os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    AWS_LAMBDA_FUNCTION_NAME="test",
    STAGE="test",
    TABLE_NAME="weconnect",
    BUCKET_NAME="weconnect",
    BCRYPT_COST="4",
    SIGNING_SECRET_ARN="signing",
    RUN_AGENT_FUNCTION="run-agent:live",
    RUN_WORKFLOW_FUNCTION="run-workflow:live",
    REGISTRATIONS_PER_MINUTE="1000000",
    DEFAULT_PLAN="enterprise",
    MAIL_FROM="weconnect@localhost",
    POWERTOOLS_SERVICE_NAME="weconnect",
    POWERTOOLS_METRICS_NAMESPACE="WeConnect",
    POWERTOOLS_DEV="false",
)

import io
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws

from infra import cloudformation
from tests import snapshots
from tests.agents.runs import Starter
from tests.factories import Registered, registered
from weconnect import aws as weconnect_aws
from weconnect import durable, ids
from weconnect.events import stream
from weconnect.log import logger
from weconnect.security import encryption, signing
from weconnect.settings import settings

snapshots.install()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table, bucket, key and mail sender in moto, which our own AWS client is led to as well."""
    with mock_aws():
        client("dynamodb").create_table(**cloudformation.table_definition("weconnect"))
        client("s3").create_bucket(Bucket="weconnect")
        client("sesv2").create_email_identity(EmailIdentity=os.environ["MAIL_FROM"])
        monkeypatch.setattr(weconnect_aws, "call", _call_through_boto3)
        monkeypatch.setattr(encryption, "_cache", {})  # the platform's data key is another in each test
        object.__setattr__(settings, "key_arn", client("kms").create_key()["KeyMetadata"]["Arn"])
        yield


@cache
def client(service: str) -> Any:
    """A client for all tests: making one costs more than most tests do."""
    return boto3.client(service)


def _call_through_boto3(
    service: str, operation: str, body: dict[str, Any], *, attempts: int = 2
) -> dict[str, Any]:
    """`aws.call` by way of botocore, because moto intercepts nothing else."""
    try:
        answer = getattr(client(service), xform_name(operation.rpartition(".")[2]))(**body)
    except ClientError as error:
        found = error.response
        status = found["ResponseMetadata"]["HTTPStatusCode"]
        raise weconnect_aws.AwsError(
            found["Error"]["Code"], found["Error"]["Message"], status, found
        ) from error
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    """What stands where Lambda's client stands, for the runs that a test starts."""
    found = Starter()
    monkeypatch.setattr(durable, "lambda_client", lambda: found)
    return found


@pytest.fixture
def queue(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the purge queue, in moto."""
    return queue_of("purge", monkeypatch)


def queue_of(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the queue that the setting `<name>_queue_url` tells, made in moto for this test."""
    url: str = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    monkeypatch.setitem(settings.__dict__, f"{name}_queue_url", url)
    monkeypatch.setattr(stream, "sqs", lambda: client("sqs"))
    return url


@pytest.fixture(autouse=True)
def signing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing secret that needs no Secrets Manager."""
    key = signing.SigningKey(id="test-version", secret=b"s" * 64)
    monkeypatch.setattr(signing, "_current", key)
    monkeypatch.setattr(signing, "_known", {key.id: key})


@pytest.fixture(autouse=True)
def ids_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids never go back in time, so a test that moves the clock would leave its future to all after it."""
    monkeypatch.setattr(ids, "_last", (0, 0))


@pytest.fixture
def me(aws: None) -> Registered:
    """A registered person with an organization."""
    return registered()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The lines that our logger writes, as it writes them."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def queue_of_events(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The event queue, in moto."""
    return queue_of("event", monkeypatch)
