"""The environment and fixtures of all tests; the variables come first, because settings read them at import."""

import os

os.environ.update(
    AWS_ACCESS_KEY_ID="testing_access_key",
    AWS_SECRET_ACCESS_KEY="testing_secret_key",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    AWS_LAMBDA_FUNCTION_NAME="test",
    STAGE="test",
    TABLE_NAME="weconnect",
    BUCKET_NAME="weconnect",
    BCRYPT_COST="4",
    SIGNING_SECRET_ARN="signing",
    MODEL_KEYS_ARN="models",
    STRIPE_KEYS_ARN="stripe",
    RUN_AGENT_FUNCTION="run-agent:live",
    RUN_WORKFLOW_FUNCTION="run-workflow:live",
    REGISTRATIONS_PER_MINUTE="1000000",
    DEFAULT_PLAN="enterprise",
    OPERATOR_MODELS="openai:*,anthropic:*,google:*,bedrock:*",
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
from tests import moto_shortcuts, role_recorder
from tests.agents.execution_helpers import Starter
from tests.auth.movable_clock import MovableClock
from tests.factories import RegisteredUser, register
from weconnect import aws as weconnect_aws
from weconnect import clock, ids, queues
from weconnect.durable import client as durable_client
from weconnect.log import logger
from weconnect.models import deployment_keys
from weconnect.organizations.billing import billing
from weconnect.security import encryption, signing
from weconnect.settings import settings

moto_shortcuts.install()
role_recorder.install()
for secret in (deployment_keys._secret, billing._secret):  # has no keys, and is not read from Secrets Manager
    secret._value, secret._read_at = {}, float("inf")


def pytest_sessionfinish() -> None:
    role_recorder.write(str(os.getpid()))


@pytest.fixture(autouse=True)
def functions_stay_within_their_roles() -> Iterator[None]:
    """Fail a test in which a function makes an AWS call that its role does not allow, or its module's fixtures did."""
    yield
    refused = list(role_recorder.refused)
    role_recorder.refused.clear()
    assert refused == []


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Create the table, bucket, key and mail sender in moto, and route our own AWS client to it."""
    with mock_aws():
        client("dynamodb").create_table(**table_definition())
        client("s3").create_bucket(Bucket="weconnect")
        client("sesv2").create_email_identity(EmailIdentity=os.environ["MAIL_FROM"])
        monkeypatch.setattr(weconnect_aws, "call", _call_through_boto3)
        monkeypatch.setattr(encryption, "_cache", {})  # each test has another data key of the platform
        object.__setattr__(settings, "key_arn", client("kms").create_key()["KeyMetadata"]["Arn"])
        yield


@cache
def table_definition() -> dict[str, Any]:
    return cloudformation.read_table_definition("weconnect")


@cache
def client(service: str) -> Any:
    """Return a client that all tests share: creating one takes longer than most tests."""
    return boto3.client(service)


def _call_through_boto3(
    service: str, operation: str, body: dict[str, Any], *, attempts: int = 2
) -> dict[str, Any]:
    """Replace `aws.call` by botocore, because moto intercepts nothing else."""
    try:
        response = getattr(client(service), xform_name(operation.rpartition(".")[2]))(**body)
    except ClientError as error:
        details = error.response
        status = details["ResponseMetadata"]["HTTPStatusCode"]
        code, message = details["Error"]["Code"], details["Error"]["Message"]
        raise weconnect_aws.AwsError(code, message, status, details) from error
    return {name: value for name, value in response.items() if name != "ResponseMetadata"}


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    """Replace Lambda's client by one that executes what a test starts, when the test says so."""
    replacement = Starter()
    monkeypatch.setattr(durable_client, "lambda_client", lambda: replacement)
    return replacement


@pytest.fixture
def queue(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of the purge queue, in moto."""
    return queue_of("purge", monkeypatch)


def queue_of(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create a queue in moto, set the setting `<name>_queue_url` to its URL, and return that."""
    url: str = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    monkeypatch.setitem(settings.__dict__, f"{name}_queue_url", url)
    monkeypatch.setattr(queues, "sqs_client", lambda: client("sqs"))
    return url


@pytest.fixture(autouse=True)
def signing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a signing secret that needs no Secrets Manager."""
    key = role_recorder.RecordingKey(id="test-version", secret=b"s" * 64)
    monkeypatch.setattr(signing, "_current", key)
    monkeypatch.setattr(signing, "_keys_by_id", {key.id: key})


@pytest.fixture(autouse=True)
def ids_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the last id. Ids never go back in time, so a test that moves the clock forward would affect later tests."""
    monkeypatch.setattr(ids, "_last", (0, 0))


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """Return a clock that stands still until it is advanced."""
    movable_clock = MovableClock()
    monkeypatch.setattr(clock, "now", movable_clock.now)
    return movable_clock


@pytest.fixture
def me(aws: None) -> RegisteredUser:
    """Return a registered user with a verified address and a personal organization."""
    return register(verified=True)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Capture the lines that the logger writes."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield lines
    logger.handlers.remove(handler)


@pytest.fixture
def queue_of_events(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of the event queue, in moto."""
    return queue_of("event", monkeypatch)
