"""The nodes for the tenant's AWS account, against moto: their results, errors and credentials."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.rdsdata.models import QueryResults, rdsdata_backends

from infra.cloudformation import ROOT
from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from tests.workflows.definitions import definition, node
from tests.workflows.test_variables import create_variable, find_stored
from weconnect import clock
from weconnect.node_sdk import aws_session
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import ExpressionScope, NodeError, NodeRun
from weconnect.node_sdk.secret_values import SealedSecret, Secrets
from weconnect.settings import settings
from weconnect.workflows import node_catalogue
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import WorkflowDefinition

REGION = "eu-west-1"
KEYS = {
    "region": REGION,
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "secretAccessKey": "{{ $vars.key }}",
    "sessionToken": "{{ $vars.token }}",
}
KEY = "k4nary/Secret+Access=Key/bPxRfiCYEXAMPLEKEY"
TOKEN = "t0ken-k4nary//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLW"
CLUSTER = f"arn:aws:rds:{REGION}:{DEFAULT_ACCOUNT_ID}:cluster:main"
DATABASE = {
    "clusterArn": CLUSTER,
    "secretArn": f"arn:aws:secretsmanager:{REGION}:{DEFAULT_ACCOUNT_ID}:secret:db",
}
SECRET_PARAMETERS = {"accessKeyId", "secretAccessKey", "sessionToken", "externalId"}
TYPES = ("s3", "sqs", "sns", "eventbridge", "lambda", "dynamodb", "sql")

pytestmark = pytest.mark.usefixtures("aws")


class PlainSecrets(Secrets):
    """Secrets without encryption, for node runs outside of an execution."""

    def __init__(self, allowed_parameters: Any) -> None:
        super().__init__(UUID(int=1), {}, allowed_parameters)

    def open(self, names: Any) -> dict[str, str]:
        opened = {name: {"key": KEY, "token": TOKEN}[name] for name in names}
        for text in opened.values():
            self.add(text)
        return opened


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def execute(type: str, parameters: dict[str, Any], items: Any = ({},), **more: Any) -> Any:
    """Execute a node with secret keys and return its outputs; a parameter that is None is omitted."""
    kind = node_catalogue.find_node_type(type)
    assert kind
    present = {name: value for name, value in (KEYS | parameters).items() if value is not None}
    sealed = dict.fromkeys(("key", "token"), SealedSecret(id=UUID(int=1), text=""))
    scope = ExpressionScope({"id": "run"}, None, {}, clock.now(), {"plain": KEY}, sealed)
    node_run = NodeRun(
        node=Node(id="n", name="N", type=type, parameters=present),
        inputs={"main": list(items)},
        scope=scope,
        secrets=PlainSecrets(kind.secret_parameters),
        **({"key": "run:n:1"} | more),
    )
    outputs = {name: each for name, each in kind.run(node_run).items() if each}
    json.dumps(outputs, allow_nan=False)
    assert set(outputs) <= set(kind.outputs)
    return outputs


# S3


@pytest.fixture
def bucket() -> str:
    client("s3").create_bucket(
        Bucket="tenant-bucket", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return "tenant-bucket"


def test_s3_reads_writes_lists_and_deletes_objects(bucket: str) -> None:
    items = [{"k": "a/ü.txt", "t": "é"}, {"k": "b.bin", "t": "AP8="}]
    put = {"operation": "put", "bucket": bucket, "key": "{{ k }}"}
    (first,) = execute("s3", put | {"content": "{{ t }}"}, items[:1])["main"]
    assert (first["bucket"], first["key"], first["size"]) == (bucket, "a/ü.txt", 2)
    execute("s3", put | {"content": "{{ t }}", "contentAs": "base64", "contentType": "image/png"}, items[1:])
    get = {"operation": "get", "bucket": bucket, "key": "{{ k }}"}
    (text,) = execute("s3", get, items[:1])["main"]
    assert (text["content"], text["contentType"]) == ("é", "text/plain; charset=utf-8")
    (binary,) = execute("s3", get | {"contentAs": "base64"}, items[1:])["main"]
    assert (binary["content"], binary["contentType"], binary["size"]) == ("AP8=", "image/png", 2)
    with pytest.raises(NodeError) as caught:
        execute("s3", get, items[1:])
    assert caught.value.code == "not_text"
    listed = execute("s3", {"operation": "list", "bucket": bucket})["main"]
    assert [each["key"] for each in listed] == ["a/ü.txt", "b.bin"]
    parameters = {"operation": "list", "bucket": bucket, "startAfter": "a/ü.txt", "maxItems": 1}
    assert [each["key"] for each in execute("s3", parameters)["main"]] == ["b.bin"]
    assert execute("s3", {"operation": "list", "bucket": bucket, "prefix": "none"}) == {}
    deleted = execute("s3", {"operation": "delete", "bucket": bucket, "key": "{{ k }}"}, items)["main"]
    assert [each["deleted"] for each in deleted] == [True, True]
    with pytest.raises(NodeError) as caught:
        execute("s3", get, items)
    assert (caught.value.code, caught.value.retryable) == ("NoSuchKey", False)


def test_s3_limits_the_size_of_objects(bucket: str) -> None:
    client("s3").put_object(Bucket=bucket, Key="long", Body=b"x" * (2**20 + 1))
    with pytest.raises(NodeError, match="contentAs to file") as caught:
        execute("s3", {"operation": "get", "bucket": bucket, "key": "long"})
    assert caught.value.code == "too_large"
    parameters = {"operation": "get", "bucket": bucket, "key": "long", "contentAs": "file"}
    (item,) = execute("s3", parameters)["main"]
    assert item["file"] == {
        "fileId": None,
        "executionId": None,
        "name": "long",
        "contentType": "binary/octet-stream",
        "size": 2**20 + 1,
    }


def test_s3_creates_presigned_urls(bucket: str) -> None:
    parameters = {"operation": "presign", "bucket": bucket, "key": "a b", "expiresSeconds": 60}
    (item,) = execute("s3", parameters | {"sessionToken": None})["main"]
    assert item["url"].startswith(f"https://{bucket}.s3.amazonaws.com/a%20b?") or REGION in item["url"]
    assert "X-Amz-Expires=60" in item["url"] and KEY not in item["url"]
    with pytest.raises(NodeError) as caught:
        execute("s3", parameters)
    assert caught.value.code == "secret_in_address", "a masked URL would be useless"
    role = {"roleArn": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/reader", "sessionToken": None}
    (item,) = execute("s3", parameters | role | {"method": "put"})["main"]
    assert "X-Amz-Security-Token" in item["url"]
    with pytest.raises(NodeError, match="/expiresSeconds"):
        execute("s3", parameters | role | {"expiresSeconds": 901})


# SQS, SNS, EventBridge


def test_sqs_sends_receives_and_deletes_messages() -> None:
    url = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    items = [{"n": number} for number in range(23)]
    sent = execute("sqs", {"operation": "send", "queueUrl": url, "body": "{{ $ }}"}, items)["main"]
    assert len({each["messageId"] for each in sent}) == 23
    handles = []
    while received := execute("sqs", {"operation": "receive", "queueUrl": url}):
        handles += received["main"]
    assert sorted(each["body"]["n"] for each in handles) == list(range(23))
    parameters = {"operation": "delete", "queueUrl": url, "receiptHandle": "{{ receiptHandle }}"}
    assert len(execute("sqs", parameters, handles)["main"]) == 23
    left = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == left["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_fifo_queue_gets_each_message_once_and_in_order() -> None:
    url = client("sqs").create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    parameters = {
        "operation": "send",
        "queueUrl": url,
        "body": "{{ t }}",
        "groupId": "g",
        "attributes": {"a": 1, "b": "x"},
    }
    items = [{"t": "[1"}, {"t": "2"}, {"t": {"n": 3}}]
    for attempt in ("1", "2"):  # a retry sends nothing twice
        execute("sqs", parameters, items, key=f"run:n:{attempt}")
    received = execute("sqs", {"operation": "receive", "queueUrl": url})["main"]
    assert [each["body"] for each in received] == ["[1", "2", {"n": 3}]
    assert received[0]["attributes"] == {"a": "1", "b": "x"}
    with pytest.raises(NodeError, match="/groupId"):
        execute("sqs", parameters | {"groupId": None}, items)


def test_errors_of_a_queue_fail_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    url = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    parameters = {"operation": "delete", "queueUrl": url, "receiptHandle": "none"}
    with pytest.raises(NodeError, match="1 of 1 entries were rejected") as caught:
        execute("sqs", parameters)
    assert caught.value.code == "ReceiptHandleIsInvalid" and not caught.value.retryable
    with pytest.raises(NodeError) as caught:
        execute("sqs", {"operation": "receive", "queueUrl": f"{url}-none"})
    assert caught.value.code.endswith("NonExistentQueue") and not caught.value.retryable


def test_requests_go_to_the_region_not_to_the_queue_url(monkeypatch: pytest.MonkeyPatch) -> None:
    called = record_requests(monkeypatch)
    with pytest.raises(NodeError):
        execute("sqs", {"operation": "receive", "queueUrl": "http://169.254.169.254/123456789012/q"})
    assert called == [f"https://sqs.{REGION}.amazonaws.com/"]


def test_sns_publishes_messages() -> None:
    topic = client("sns").create_topic(Name="t")["TopicArn"]
    queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
    parameters = {"topicArn": topic, "message": "{{ $ }}", "subject": "s", "attributes": {"kind": "x"}}
    sent = execute("sns", parameters, [{"n": 1}, {"n": 2}])["main"]
    assert all(each["messageId"] and each["sequenceNumber"] is None for each in sent)
    received = execute("sqs", {"operation": "receive", "queueUrl": queue})["main"]
    assert sorted(json.loads(each["body"]["Message"])["n"] for each in received) == [1, 2]
    assert received[0]["body"]["MessageAttributes"]["kind"]["Value"] == "x"
    with pytest.raises(NodeError) as caught:
        execute("sns", parameters | {"topicArn": f"{topic}-none"})
    assert caught.value.code.startswith("NotFound") and not caught.value.retryable


def test_eventbridge_sends_events_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    client("events").create_event_bus(Name="bus")
    entries: list[Any] = []
    real = aws_session._create_client

    def spy(*arguments: Any) -> Any:
        client = real(*arguments)
        event = "provide-client-params.events.PutEvents"
        client.meta.events.register(event, lambda params, **_: entries.append(params["Entries"]))
        return client

    monkeypatch.setattr(aws_session, "_create_client", spy)
    parameters = {"bus": "bus", "source": "me", "detailType": "happened", "resources": ["arn:x"]}
    sent = execute("eventbridge", parameters, [{"n": number} for number in range(12)])["main"]
    assert len({each["eventId"] for each in sent}) == 12
    assert [len(batch) for batch in entries] == [10, 2]
    assert [json.loads(each["Detail"]) for each in entries[1]] == [{"n": 10}, {"n": 11}]
    assert entries[0][0] | {"Detail": ""} == {
        "EventBusName": "bus",
        "Source": "me",
        "DetailType": "happened",
        "Detail": "",
        "Resources": ["arn:x"],
    }
    execute("eventbridge", parameters | {"detail": {"m": "{{ n }}"}}, [{"n": 1}])
    assert json.loads(entries[2][0]["Detail"]) == {"m": 1}


def test_a_partly_rejected_batch_fails_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's code of the rejected entries decides whether the node may be retried."""

    class Bus:
        def __init__(self, code: str) -> None:
            self.code = code

        def put_events(self, **request: Any) -> Any:
            return {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": self.code}]}

    for code, retryable in (
        ("ThrottlingException", True),
        ("InternalFailure", True),
        ("NotAuthorized", False),
    ):
        monkeypatch.setattr(aws_session, "_create_client", lambda *_, code=code: Bus(code))
        with pytest.raises(NodeError, match="1 of 2") as caught:
            execute("eventbridge", {"source": "me", "detailType": "t"}, [{}, {}])
        assert (caught.value.code, caught.value.retryable) == (code, retryable)


# Lambda


class FakeLambdaClient:
    """A client of Lambda; moto would need Docker to execute a function."""

    def __init__(self, payload: bytes, **more: Any) -> None:
        self.requests: list[dict[str, Any]] = []
        self.payload, self.more = payload, more

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        return {"StatusCode": 200, "Payload": io.BytesIO(self.payload), **self.more}


def test_lambda_invokes_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = FakeLambdaClient(b'{"a": 1}')
    monkeypatch.setattr(aws_session, "_create_client", lambda *_: functions)
    items = execute("lambda", {"function": "f", "qualifier": "live"}, [{"n": 1}, {"n": 2}])["main"]
    assert items == [{"status": 200, "payload": {"a": 1}}] * 2
    assert [json.loads(each["Payload"]) for each in functions.requests] == [{"n": 1}, {"n": 2}]
    contexts = [json.loads(base64.b64decode(each["ClientContext"])) for each in functions.requests]
    assert [each["custom"]["idempotencyKey"] for each in contexts] == ["run:n:1:0", "run:n:1:1"]
    assert (functions.requests[0]["InvocationType"], functions.requests[0]["Qualifier"]) == (
        "RequestResponse",
        "live",
    )
    functions.payload = b""
    parameters = {"function": "f", "invocation": "event", "payload": "{{ n }}"}
    assert execute("lambda", parameters, [{"n": 5}])["main"] == [{"status": 200, "payload": None}]
    assert (functions.requests[-1]["InvocationType"], functions.requests[-1]["Payload"]) == ("Event", b"5")


@pytest.mark.parametrize(
    ("payload", "more", "code", "message"),
    [
        (
            b'{"errorType": "KeyError", "errorMessage": "no x", "stackTrace": []}',
            {"FunctionError": "Unhandled"},
            "function_error",
            "KeyError: no x",
        ),
        (b"null", {"FunctionError": "Unhandled"}, "function_error", "failed"),
        (b"x" * (2**20 + 1), {}, "too_large", "1 MB"),
    ],
)
def test_a_failed_function_fails_the_node(
    monkeypatch: pytest.MonkeyPatch, payload: bytes, more: dict[str, str], code: str, message: str
) -> None:
    monkeypatch.setattr(aws_session, "_create_client", lambda *_: FakeLambdaClient(payload, **more))
    with pytest.raises(NodeError, match=message) as caught:
        execute("lambda", {"function": "f"})
    assert (caught.value.code, caught.value.retryable) == (code, False)


def test_a_missing_function_fails_the_node() -> None:
    with pytest.raises(NodeError) as caught:
        execute("lambda", {"function": "none"})
    assert caught.value.code == "ResourceNotFoundException"


# DynamoDB


@pytest.fixture
def things() -> str:
    client("dynamodb").create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return "things"


def test_dynamodb_puts_gets_updates_queries_and_deletes_items(things: str) -> None:
    numbers = [0, -1, 0.1, 1e-9, 1.5e300 / 1e200, 2**63, 10**37, 123456789.125, True]
    thing = {"pk": "a", "n": 1, "l": numbers, "t": "ü", "m": {"x": None, "y": [{"z": 1}, []]}, "e": ""}
    assert execute("dynamodb", {"operation": "put", "table": things}, [thing])["main"] == [thing]
    key = {"pk": "a", "n": "{{ n }}"}
    get = {"operation": "get", "table": things, "key": key, "consistent": True}
    assert execute("dynamodb", get, [{"n": 1}, {"n": 2}]) == {"main": [thing], "missing": [{"n": 2}]}
    changes = {"set": {"t": "{{ $string(n) }}", "a.b": 1}, "add": {"c": 2.5}, "remove": ["l", "m"]}
    update = {"operation": "update", "table": things, "key": key, **changes}
    changed = {"pk": "a", "n": 1, "e": "", "t": "1", "a.b": 1, "c": 2.5}
    assert execute("dynamodb", update, [{"n": 1}])["main"] == [changed]
    execute("dynamodb", update, [{"n": 3}, {"n": 4}])
    query = {
        "operation": "query",
        "table": things,
        "condition": "pk = :pk AND #n BETWEEN :low AND :high",
        "names": {"#n": "n"},
        "values": {":pk": "a", ":low": 1, ":high": "{{ high }}"},
        "descending": True,
    }
    items = execute("dynamodb", query, [{"high": 3}])["main"]
    assert [each["n"] for each in items] == [3, 1]
    limited = execute("dynamodb", query | {"limit": 1}, [{"high": 9}])["main"]
    assert [each["n"] for each in limited] == [4]
    filtered = query | {"filter": "t = :t", "values": query["values"] | {":t": "4"}}  # type: ignore[operator]
    assert [each["n"] for each in execute("dynamodb", filtered, [{"high": 9}])["main"]] == [4]
    assert execute("dynamodb", query, [{"high": 0}]) == {}, "an empty query has no missing items"
    delete = {"operation": "delete", "table": things, "key": key, "condition": "attribute_exists(c)"}
    assert execute("dynamodb", delete, [{"n": 1}])["main"] == [changed]
    with pytest.raises(NodeError) as caught:
        execute("dynamodb", delete, [{"n": 1}])
    assert (caught.value.code, caught.value.retryable) == ("ConditionalCheckFailedException", False)


def test_dynamodb_values_become_json(things: str) -> None:
    client("dynamodb").put_item(
        TableName=things,
        Item={
            "pk": {"S": "a"},
            "n": {"N": "1"},
            "set": {"NS": ["2", "1.5"]},
            "texts": {"SS": ["b", "a"]},
            "bytes": {"B": b"\x00\xff"},
            "exact": {"N": "0.12345678901234567890123456789"},
            "big": {"N": "1E+125"},
        },
    )
    parameters = {"operation": "get", "table": things, "key": {"pk": "a", "n": 1}}
    (item,) = execute("dynamodb", parameters)["main"]
    assert item["set"] == [1.5, 2] and item["texts"] == ["a", "b"] and item["bytes"] == "AP8="
    assert item["exact"] == "0.12345678901234567890123456789" and item["big"] == 1e125
    execute("dynamodb", {"operation": "put", "table": things}, [item])
    again = client("dynamodb").get_item(TableName=things, Key={"pk": {"S": "a"}, "n": {"N": "1"}})["Item"]
    assert float(again["big"]["N"]) == 1e125
    for number in (10**38 + 1, 1e126, 1.5e-131):
        with pytest.raises(NodeError, match="cannot represent"):
            execute("dynamodb", {"operation": "put", "table": things}, [item | {"x": number}])


def test_a_query_reads_at_most_ten_pages(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def get_paginator(self, name: str) -> "Endless":
            return self

        def paginate(self, **request: Any) -> Iterator[Any]:
            while True:
                yield {"Items": []}

    monkeypatch.setattr(aws_session, "_create_client", lambda *_: Endless())
    parameters = {"operation": "query", "table": things, "condition": "pk = :p", "filter": "x = :x"}
    with pytest.raises(NodeError) as caught:
        execute("dynamodb", parameters)
    assert caught.value.code == "too_large"


# SQL


def queue_results(*results: QueryResults) -> None:
    """Have the Data API return these results for the next statements that are new to it."""
    rdsdata_backends[DEFAULT_ACCOUNT_ID][REGION].results_queue[:] = list(reversed(results))


def column(name: str, type_name: str = "text") -> dict[str, Any]:
    return {"name": name, "label": name, "typeName": type_name}


def test_sql_returns_rows() -> None:
    columns = [
        column("id", "int8"),
        column("id", "int8"),
        column("total", "numeric"),
        column("ok", "bool"),
        column("data", "jsonb"),
        column("raw", "bytea"),
        column("none"),
        column("tags", "_text"),
    ]
    row: list[dict[str, Any]] = [
        {"longValue": 2**53 + 1},
        {"longValue": 2},
        {"stringValue": "10.10"},
        {"booleanValue": False},
        {"stringValue": '{"a": [1]}'},
        {"blobValue": base64.b64encode(b"\0\xff").decode()},
        {"isNull": True},
        {"arrayValue": {"arrayValues": [{"stringValues": ["a"]}, {"stringValues": []}]}},
    ]
    queue_results(QueryResults(records=[row, row], column_metadata=columns))
    parameters = DATABASE | {
        "statement": "SELECT * FROM orders WHERE id = :id",
        "parameters": {"id": "{{ n }}"},
    }
    items = execute("sql", parameters, [{"n": 1}])["main"]
    assert (
        items[0]
        == items[1]
        == {
            "id": 2**53 + 1,
            "id_2": 2,
            "total": "10.10",
            "ok": False,
            "data": {"a": [1]},
            "raw": "AP8=",
            "none": None,
            "tags": [["a"], []],
        }
    )
    queue_results(QueryResults(records=[], column_metadata=columns))
    assert execute("sql", DATABASE | {"statement": "SELECT 0"}) == {}
    queue_results(QueryResults(number_of_records_updated=3, generated_fields=[{"longValue": 7}]))
    items = execute("sql", DATABASE | {"statement": "INSERT INTO t DEFAULT VALUES"})["main"]
    assert items == [{"updated": 3, "generated": [7]}]


def test_sql_binds_values(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[dict[str, Any]] = []

    class Data:
        def execute_statement(self, **request: Any) -> Any:
            requests.append(request)
            return {"numberOfRecordsUpdated": 1}

        def batch_execute_statement(self, **request: Any) -> Any:
            requests.append(request)
            return {"updateResults": [{"generatedFields": [{"longValue": 1}]}, {}]}

    monkeypatch.setattr(aws_session, "_create_client", lambda *_: Data())
    evil = "'; DROP TABLE users; --"
    statement = "UPDATE t SET a = :a WHERE b = :b"
    parameters: dict[str, Any] = {
        "a": "{{ v }}",
        "b": None,
        "c": True,
        "d": 1,
        "e": 1.5,
        "f": {"x": []},
        "g": "AP8=",
        "h": 2,
    }
    types = {"g": "binary", "a": "uuid", "h": "decimal"}
    execute(
        "sql", DATABASE | {"statement": statement, "parameters": parameters, "types": types}, [{"v": evil}]
    )
    assert requests[0]["sql"] == statement and requests[0]["includeResultMetadata"]
    assert {each.pop("name"): each for each in requests[0]["parameters"]} == {
        "a": {"value": {"stringValue": evil}, "typeHint": "UUID"},
        "b": {"value": {"isNull": True}},
        "c": {"value": {"booleanValue": True}},
        "d": {"value": {"longValue": 1}},
        "e": {"value": {"doubleValue": 1.5}},
        "f": {"value": {"stringValue": '{"x": []}'}, "typeHint": "JSON"},
        "g": {"value": {"blobValue": b"\0\xff"}},
        "h": {"value": {"stringValue": "2"}, "typeHint": "DECIMAL"},
    }
    batch = DATABASE | {"operation": "batch", "statement": statement, "parameters": {"a": "{{ v }}"}}
    items = execute("sql", batch, [{"v": 1}, {"v": 2}])["main"]
    assert items == [{"generated": [1]}, {"generated": []}]
    sets = [[each["value"] for each in one] for one in requests[1]["parameterSets"]]
    assert sets == [[{"longValue": 1}], [{"longValue": 2}]]
    assert execute("sql", batch, []) == {} and len(requests) == 2
    with pytest.raises(NodeError, match="got 1001 items"):
        execute("sql", batch, [{"v": 1}] * 1_001)
    with pytest.raises(NodeError, match="only these may differ"):
        execute("sql", batch | {"database": "{{ v }}"}, [{"v": "a"}, {"v": "b"}])


# Errors


BUCKET = {"operation": "get", "bucket": "some-bucket", "key": "k"}
QUEUE = {"operation": "send", "queueUrl": f"https://sqs.{REGION}.amazonaws.com/123456789012/q"}
EVENT = {"source": "me", "detailType": "t"}
SQL = DATABASE | {"statement": "SELECT 1"}
DYNAMODB = {"operation": "get", "table": "things", "key": {"pk": "a"}}
SNS = {"topicArn": f"arn:aws:sns:{REGION}:123456789012:t", "message": "x"}
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    *[
        ("s3", BUCKET | more, "invalid_parameters", message)
        for more, message in (
            ({"region": "localhost"}, "/region"),
            ({"region": "eu-west-1.evil.example/"}, "/region"),
            ({"region": "eu-west-99"}, "not an AWS region"),
            ({"accessKeyId": "short"}, "/accessKeyId"),
            ({"roleArn": "arn:aws:iam::1:role/x"}, "/roleArn"),
            ({"bucket": "arn:aws:s3:::x"}, "/bucket"),
            ({"bucket": "a/../b"}, "/bucket"),
            ({"key": None}, "requires /key"),
            ({"operation": "put"}, "/content"),
            ({"operation": "put", "content": "?", "contentAs": "base64"}, "/content"),
            ({"operation": "put", "contentAs": "file"}, "/file"),
            ({"operation": "copy"}, "/operation"),
        )
    ],
    ("s3", BUCKET | {"operation": "put", "content": "x" * (2**20 + 1)}, "too_large", "/content"),
    ("s3", BUCKET | {"secretAccessKey": KEY}, "secret_required", "/secretAccessKey"),
    ("s3", BUCKET | {"secretAccessKey": "{{ $vars.plain }}"}, "secret_required", "is not a secret"),
    ("s3", BUCKET | {"secretAccessKey": "{{ $vars.none }}"}, "unknown_variable", "none"),
    ("s3", BUCKET | {"secretAccessKey": "x{{ $vars.key }}"}, "secret_required", "/secretAccessKey"),
    ("s3", BUCKET | {"secretAccessKey": None, "secret_access_key": KEY}, "secret_required", "/secret"),
    ("s3", BUCKET | {"sessionToken": TOKEN}, "secret_required", "/sessionToken"),
    ("s3", BUCKET | {"key": "{{ $vars.key }}"}, "secret_not_allowed", "/key"),
    ("sqs", QUEUE | {"queueUrl": "https://x/q"}, "invalid_parameters", "/queueUrl"),
    ("sqs", QUEUE | {"operation": "delete"}, "invalid_parameters", "/receiptHandle"),
    ("sqs", QUEUE | {"delaySeconds": 901}, "invalid_parameters", "/delaySeconds"),
    ("sns", SNS | {"topicArn": "t"}, "invalid_parameters", "/topicArn"),
    ("sns", SNS | {"subject": "a\nb"}, "invalid_parameters", "/subject"),
    ("eventbridge", EVENT | {"source": ""}, "invalid_parameters", "/source"),
    ("eventbridge", EVENT | {"detail": "text"}, "invalid_parameters", "/detail"),
    ("lambda", {"function": "../f"}, "invalid_parameters", "/function"),
    ("lambda", {"function": "f", "timeoutSeconds": 121}, "invalid_parameters", "/timeoutSeconds"),
    ("dynamodb", DYNAMODB | {"key": None}, "invalid_parameters", "/key"),
    ("dynamodb", DYNAMODB | {"operation": "update"}, "invalid_parameters", "/set"),
    ("dynamodb", DYNAMODB | {"operation": "query"}, "invalid_parameters", "/condition"),
    ("dynamodb", DYNAMODB | {"condition": "a = {{ k }}"}, "expression_not_allowed", "/condition"),
    ("dynamodb", DYNAMODB | {"values": {"x": 1}}, "invalid_parameters", "/values"),
    ("sql", SQL | {"statement": "SELECT {{ k }}"}, "expression_not_allowed", "/statement"),
    ("sql", SQL | {"clusterArn": "main"}, "invalid_parameters", "/clusterArn"),
    ("sql", SQL | {"types": {"a": "date"}}, "invalid_parameters", "/types/a"),
    (
        "sql",
        SQL | {"parameters": {"a": "?"}, "types": {"a": "binary"}},
        "invalid_parameters",
        "/parameters/a",
    ),
]


@pytest.mark.parametrize(("type", "parameters", "code", "message"), REFUSED)
def test_an_invalid_node_is_refused_without_a_request(
    monkeypatch: pytest.MonkeyPatch, type: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    called = record_requests(monkeypatch)
    with pytest.raises(NodeError) as caught:
        execute(type, parameters)
    assert (caught.value.code, called) == (code, []) and message in caught.value.message
    assert KEY not in caught.value.message and TOKEN not in caught.value.message


@pytest.mark.parametrize(
    ("type", "parameters", "code", "pointer"),
    [
        ("sql", SQL | {"statement": "SELECT {{ k }}"}, "expression_not_allowed", "/statement"),
        ("dynamodb", DYNAMODB | {"filter": "a = {{ k }}"}, "expression_not_allowed", "/filter"),
        ("s3", BUCKET | {"secretAccessKey": KEY}, "secret_required", "/secretAccessKey"),
        ("s3", BUCKET | {"sessionToken": "{{ k }}"}, "secret_required", "/sessionToken"),
        ("s3", BUCKET | {"secretAccessKey": None}, "missing_parameter", "/secretAccessKey"),
        ("s3", BUCKET | {"region": "moon"}, "invalid_parameter", "/region"),
    ],
)
def test_validation_finds_misplaced_parameters(
    type: str, parameters: dict[str, Any], code: str, pointer: str
) -> None:
    present = {name: value for name, value in (KEYS | parameters).items() if value is not None}
    value = definition([node("a", type, parameters=present)], "start > a")
    findings = check(WorkflowDefinition.model_validate(value)).findings
    assert [(each.code, each.pointer) for each in findings] == [(code, f"/nodes/1/parameters{pointer}")]
    assert KEY not in repr(findings)


# Credentials and endpoints


def record_requests(monkeypatch: pytest.MonkeyPatch, seen: Any = None) -> list[str]:
    """Return the list of the URLs that botocore is about to call, which time out. `seen` gets each endpoint."""
    from botocore.endpoint import Endpoint

    called: list[str] = []

    def send(self: Any, request: Any, *_: Any) -> Any:
        called.append(request.url)
        if seen:
            seen(self)
        return None, ReadTimeoutError(endpoint_url=request.url)

    monkeypatch.setattr(Endpoint, "_do_get_response", send)
    return called


@pytest.mark.parametrize(
    ("type", "parameters", "host"),
    [
        ("s3", BUCKET, "some-bucket.s3.eu-west-1"),
        ("sqs", QUEUE | {"body": "x"}, "sqs.eu-west-1"),
        ("sns", SNS, "sns.eu-west-1"),
        ("eventbridge", EVENT, "events.eu-west-1"),
        ("lambda", {"function": "f"}, "lambda.eu-west-1"),
        ("dynamodb", DYNAMODB, "dynamodb.eu-west-1"),
        ("sql", SQL, "rds-data.eu-west-1"),
    ],
)
def test_the_environment_of_the_deployment_is_ignored(
    monkeypatch: pytest.MonkeyPatch, type: str, parameters: dict[str, Any], host: str
) -> None:
    from botocore.auth import SigV4Auth

    here = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_PROFILE": "deployment",
        "AWS_ACCESS_KEY_ID": "AKIADEPLOYMENT000000",
        "AWS_SECRET_ACCESS_KEY": "deployment",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_MAX_ATTEMPTS": "9",
        "HTTPS_PROXY": "http://127.0.0.1:2",
    }
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    aws_session._get_botocore.cache_clear()
    signed: list[Any] = []
    sign = SigV4Auth.add_auth

    def spy(self: Any, request: Any) -> None:
        signed.append((self.credentials.access_key, self.credentials.secret_key, self.credentials.token))
        sign(self, request)

    monkeypatch.setattr(SigV4Auth, "add_auth", spy)
    proxies: list[Any] = []
    called = record_requests(
        monkeypatch, lambda endpoint: proxies.append(endpoint.http_session._proxy_config._proxies)
    )
    with pytest.raises(NodeError) as caught:
        execute(type, parameters)
    assert (caught.value.code, caught.value.retryable) == ("unreachable", True)
    assert len(called) == 1 and called[0].startswith(f"https://{host}.amazonaws.com/"), "tried once, at AWS"
    assert proxies == [{}]
    assert signed == [(KEYS["accessKeyId"], KEY, TOKEN)]
    aws_session._get_botocore.cache_clear()


def test_an_operator_can_configure_an_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    called = record_requests(monkeypatch)
    monkeypatch.setitem(settings.__dict__, "nodes_aws_endpoint_url", "http://127.0.0.1:4566")
    for type, parameters in (("s3", BUCKET), ("sqs", QUEUE)):
        with pytest.raises(NodeError):
            execute(type, parameters)
    assert called == ["http://127.0.0.1:4566/some-bucket/k", "http://127.0.0.1:4566/"]


def test_a_role_is_assumed_once_with_the_keys_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Any] = []
    clients: list[Any] = []
    real = aws_session._create_client

    def spy(service: str, credentials: aws_session.AwsCredentials, seconds: float) -> Any:
        clients.append((service, credentials))
        client = real(service, credentials, seconds)
        if service == "sts":
            client.meta.events.register(
                "provide-client-params.sts.AssumeRole", lambda params, **_: requests.append(params)
            )
        return client

    monkeypatch.setattr(aws_session, "_create_client", spy)
    client("sns").create_topic(Name="t")
    role = {"roleArn": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/path/us", "externalId": "ext-1"}
    topic = SNS | {"topicArn": f"arn:aws:sns:{REGION}:{DEFAULT_ACCOUNT_ID}:t"}
    execute("sns", topic | role, [{}, {}, {}], execution_id=UUID(int=7))
    assert [service for service, _ in clients] == ["sts", "sns"]
    assert clients[0][1].secret_access_key == KEY and clients[1][1].secret_access_key != KEY
    assert requests == [
        {
            "RoleArn": role["roleArn"],
            "RoleSessionName": f"weconnect-{UUID(int=7)}",
            "ExternalId": "ext-1",
            "DurationSeconds": 900,
        }
    ]


@pytest.mark.parametrize(
    ("raised", "code", "retryable"),
    [
        (("ThrottlingException", 400), "ThrottlingException", True),
        (("SlowDown", 503), "SlowDown", True),
        (("InternalError", 500), "InternalError", True),
        (("TooMany", 429), "TooMany", True),
        (("AccessDenied", 403), "AccessDenied", False),
        (("ExpiredToken", 400), "ExpiredToken", False),
        (ConnectTimeoutError(endpoint_url="https://x"), "unreachable", True),
    ],
)
def test_errors_of_aws_keep_their_codes(
    monkeypatch: pytest.MonkeyPatch, raised: Any, code: str, retryable: bool
) -> None:
    from botocore.client import BaseClient

    def fail(self: Any, operation: str, arguments: Any) -> Any:
        if isinstance(raised, Exception):
            raise raised
        response = {
            "Error": {"Code": raised[0], "Message": "it says so"},
            "ResponseMetadata": {"HTTPStatusCode": raised[1]},
        }
        raise ClientError(response, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", fail)
    for type, parameters in (("s3", BUCKET), ("sqs", QUEUE), ("sql", SQL), ("dynamodb", DYNAMODB)):
        with pytest.raises(NodeError) as caught:
            execute(type, parameters)
        assert (caught.value.code, caught.value.retryable) == (code, retryable)


def test_the_catalogue_does_not_import_aws() -> None:
    """Except for the parts of botocore that the logger imports."""
    code = """
import sys
def loaded(): return {name for name in sys.modules if name.startswith(("boto", "s3transfer", "pynamodb", "httpx2"))}
from weconnect.node_sdk import node_type
from weconnect.workflows import node_catalogue
before = loaded()
node_catalogue.list_node_types()
print(loaded() - before)
"""
    here = {"PYTHONPATH": str(ROOT / "layers" / "weconnect"), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize("type", TYPES)
def test_each_node_names_its_secret_parameters(type: str) -> None:
    kind = node_catalogue.find_node_type(type)
    assert kind and kind.secret_parameters == SECRET_PARAMETERS and kind.kind == "effect"
    assert issubclass(kind.parameters, aws_session.AwsParameters)


# Executions


def test_keys_are_stored_and_logged_nowhere(
    me: RegisteredUser, starter: Starter, bucket: str, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS returns the keys in its responses and errors; executions, logs and table do not contain them."""
    from botocore.client import BaseClient

    create_variable(me, "key", KEY, "secret")
    create_variable(me, "token", TOKEN, "secret")
    client("s3").put_object(Bucket=bucket, Key="echo", Body=f"{KEY} and {TOKEN}".encode())
    parameters = KEYS | {"operation": "get", "bucket": bucket, "key": "echo"}
    nodes = [
        node("ok", "s3", parameters=parameters),
        node("none", "s3", parameters=parameters | {"key": "none"}, onError="continue"),
    ]
    path = create_workflow(me, definition(nodes, "start > ok", "ok > none"))
    steps = InMemorySteps()
    run = start_execution(me, path)
    starter.run_pending(steps)
    express = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=20"})
    assert express.status == 200 and "•••• and ••••" in json.dumps(
        me.client.get(f"/v1/executions/{express.json['id']}/nodes/000001-001").json, ensure_ascii=False
    )
    real = BaseClient._make_api_call

    def leak(self: Any, operation: str, arguments: Any) -> Any:
        if operation == "GetObject" and fails:
            raise fails[0]
        return real(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", leak)
    response = {
        "Error": {"Code": "SignatureDoesNotMatch", "Message": f"by {KEY} {TOKEN}"},
        "ResponseMetadata": {},
    }
    fails: list[Exception] = []
    paths = [run, f"/v1/executions/{express.json['id']}"]
    for failure in (ClientError(response, "GetObject"), RuntimeError(f"{KEY} {TOKEN}")):
        fails[:] = [failure]
        paths.append(start_execution(me, path))
        starter.run_pending()
        tested = me.client.post(f"{path}/nodes/ok/test", {})
        assert tested.json["status"] == "failed" and KEY not in tested.text and TOKEN not in tested.text
    texts = [path, f"{path}/export", "/v1/variables"]
    for each in paths:
        shown = me.client.get(each).json
        texts += [each, f"{each}/logs", *(f"{each}/nodes/{one['id']}" for one in shown["nodes"])]
    failed = me.client.get(paths[-2]).json["error"]
    assert failed["code"] == "SignatureDoesNotMatch" and "••••" in failed["message"]
    everything = [me.client.get(each).text for each in texts]
    everything += [express.text, written.getvalue(), *steps.checkpoints.values()]
    assert "ok~1" in steps.checkpoints and "node failed" in written.getvalue()
    for text in everything:
        assert KEY not in text and TOKEN not in text
    assert not find_stored(KEY) and not find_stored(TOKEN)
