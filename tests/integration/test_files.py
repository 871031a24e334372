"""Files and a tenant's AWS account on the emulator, with real requests: presigned URLs work as they are given."""

import urllib.error
import urllib.request
from typing import Any
from uuid import UUID

import boto3
import pytest

from infra.local.settings import REGION
from tests.factories import RegisteredUser, register
from weconnect import clock, ids
from weconnect.db import payloads
from weconnect.node_sdk import aws_session as nodes_aws
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import ExpressionScope, NodeError, NodeRun
from weconnect.node_sdk.secret_values import Secrets
from weconnect.settings import aws_credentials, settings
from weconnect.workflows import node_catalogue
from weconnect.workflows.executions import files
from weconnect.workflows.executions.rows import FileRow

ACCESS_KEY, KEY, _ = aws_credentials()  # the emulator accepts no others, so they are the tenant's too


@pytest.fixture
def me(aws: None, ministack: str) -> RegisteredUser:
    """Create the bucket, and register a user."""
    client = boto3.client("s3", region_name=REGION, endpoint_url=ministack)
    client.create_bucket(Bucket=settings.bucket_name)
    client.close()
    return register(f"{ids.new_id()}@example.com")


def download(url: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return (
                response.status,
                response.read(),
                {name.lower(): text for name, text in response.headers.items()},
            )
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, b"", {}


def call(
    me: RegisteredUser, type: str, run_id: UUID, parameters: dict[str, Any], items: Any = ({},)
) -> NodeRun:
    organization_id = UUID(me.organization["id"])
    scope = ExpressionScope({"id": str(run_id)}, None, {}, clock.now(), {}, {"key": None})  # type: ignore[dict-item]
    kind = node_catalogue.find_node_type(type)
    assert kind
    return NodeRun(
        node=Node(id="n", name="N", type=type, parameters=parameters),
        inputs={"main": list(items)},
        scope=scope,
        organization_id=organization_id,
        execution_id=run_id,
        execution_key=("pk", "sk"),
        key=f"{run_id}:n:1",
        secrets=Opened(organization_id, {}, kind.secret_parameters),
    )


class Opened(Secrets):
    def open(self, names: Any) -> dict[str, str]:
        self.add(KEY)
        return dict.fromkeys(names, KEY)


def test_a_presigned_url_serves_its_file_alone(me: RegisteredUser) -> None:
    run_id, content = ids.new_id(), bytes(range(256)) * 40_000
    reference = files.store(call(me, "noop", run_id, {}), "key", "ü €.png", "image/png", content)
    organization_id = UUID(me.organization["id"])
    row = FileRow.get(*FileRow.at(organization_id, run_id, UUID(reference["fileId"])))
    url = files.sign_url(organization_id, row)
    status, body, headers = download(url)
    assert (status, body) == (200, content)
    assert headers["content-type"] == "image/png" and "no-store" in headers["cache-control"]
    assert (
        headers["content-disposition"]
        == "attachment; filename=\"_ _.png\"; filename*=UTF-8''%C3%BC%20%E2%82%AC.png"
    )
    for bad in (
        url.replace("image%2Fpng", "text%2Fhtml"),
        url.replace(reference["fileId"], str(ids.new_id())),
    ):
        assert bad != url and download(bad)[0] == 403
    payloads.discard_all(organization_id, f"runs/{run_id}/")
    assert download(url)[0] == 404


def test_nodes_reach_the_endpoint_that_the_operator_configured(
    me: RegisteredUser, ministack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "nodes_aws_endpoint_url", ministack)
    keys = {
        "region": "eu-west-1",
        "accessKeyId": ACCESS_KEY,
        "secretAccessKey": "{{ $vars.key }}",
    }
    run_id = ids.new_id()

    def ran(type: str, items: Any = ({},), **parameters: Any) -> Any:
        kind = node_catalogue.find_node_type(type)
        assert kind
        return kind.run(call(me, type, run_id, keys | parameters, items))["main"]

    account = nodes_aws.AwsCredentials("eu-west-1", keys["accessKeyId"], KEY, None)
    s3, sqs, table = (nodes_aws._create_client(service, account, 5) for service in ("s3", "sqs", "dynamodb"))
    s3.create_bucket(Bucket="tenant", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    location = {"bucket": "tenant", "key": "a b/ü.txt"}
    ran("s3", operation="put", content="é", **location)
    assert ran("s3", operation="get", **location)[0]["content"] == "é"
    file = ran("s3", operation="get", contentAs="file", **location)[0]["file"]
    ran("s3", operation="put", contentAs="file", bucket="tenant", key="copy", file=file)
    assert {each["key"] for each in ran("s3", operation="list", bucket="tenant")} == {location["key"], "copy"}
    url = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    items = [{"n": number} for number in range(12)]
    for _ in range(2):
        ran("sqs", items, operation="send", queueUrl=url, body="{{ $ }}", groupId="g")
    seen: list[int] = []
    while messages := ran("sqs", operation="receive", queueUrl=url):
        seen += [each["body"]["n"] for each in messages]
        ran("sqs", messages, operation="delete", queueUrl=url, receiptHandle="{{ receiptHandle }}")
    assert seen == list(range(12)), "in order, and once although they were sent twice"
    table.create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    thing = {"pk": "a", "n": 0.1, "l": [1, None, {"x": [[]]}]}
    ran("dynamodb", [thing], operation="put", table="things")
    assert ran("dynamodb", operation="get", table="things", key={"pk": "a"}) == [thing]
    changed = ran(
        "dynamodb", operation="update", table="things", key={"pk": "a"}, add={"n": 0.2}, remove=["l"]
    )
    assert changed == [{"pk": "a", "n": 0.3}]
    query = {"condition": "pk = :pk", "values": {":pk": "a", ":n": 1}, "filter": "n > :n"}
    assert ran("dynamodb", operation="query", table="things", **query) == []
    with pytest.raises(NodeError) as caught:
        ran("lambda", function="none")
    assert caught.value.code == "ResourceNotFoundException"
    for client in (s3, sqs, table):
        client.close()
