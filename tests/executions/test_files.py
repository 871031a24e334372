"""Files that nodes receive: stored, downloaded and deleted with their execution. And long outputs."""

import base64
import json
import random
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from tests import durable_runner
from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.executions.test_run_workflow import run_to_end
from tests.factories import RegisteredUser, register
from tests.workflows.definitions import definition, node
from tests.workflows.test_variables import CANARY, create_variable
from weconnect import clock
from weconnect.db import payloads
from weconnect.db.table import Row
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.executions import files
from weconnect.workflows.executions.rows import FileRow, WorkflowExecutionRow

PNG = b"\x89PNG\r\n\x1a\n\0\0\xff"
LONG = base64.b64encode(
    random.Random(1).randbytes(786_000)
).decode()  # of nearly a megabyte, which does not compress


class Web:
    """A web server that returns the responses it was given, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answer: tuple[dict[str, str], bytes] = ({"content-type": "image/png"}, PNG)
        self.fails = False

    def send(self, method: str, url: str, **options: Any) -> OutboundResponse:
        self.requests.append(options)
        if self.fails and "fail" in url:
            return OutboundResponse(500, {}, b"", url)
        return OutboundResponse(200, *self.answer, url)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(outbound, "send", web.send)
    return web


@pytest.fixture(autouse=True)
def fresh() -> None:
    payloads.s3_client.cache_clear()


def get(id: str = "get", url: str = "https://example.com/a/pic.png?x=1", **more: Any) -> dict[str, Any]:
    return node(id, "http_request", url=url, **more)


def objects(execution: str) -> list[str]:
    """Return an execution's objects in the bucket, by their names within it."""
    objects_found = boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", [])
    part = f"/runs/{execution.rpartition('/')[2]}/"
    return [each["Key"].partition(part)[2] for each in objects_found if part in each["Key"]]


def content(url: str) -> tuple[bytes, dict[str, str]]:
    """Return the content of a presigned URL, and the headers that its signature covers, by S3's own names."""
    import requests

    answer = requests.get(url, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.content, {name.lower(): text for name, text in answer.headers.items()}


def test_a_binary_response_becomes_a_file(me: RegisteredUser, starter: Starter, web: Web) -> None:
    execution = start_execution(me, create_workflow(me, definition([get()], "start > get")))
    starter.run_pending()
    item = me.client.get(execution).json["output"][0]
    execution_id = execution.rpartition("/")[2]
    file = item["file"]
    assert file | {"fileId": ""} == {
        "fileId": "",
        "executionId": execution_id,
        "name": "pic.png",
        "contentType": "image/png",
        "size": len(PNG),
    }
    assert set(item) == {"status", "headers", "file"}
    answer = me.client.get(f"{execution}/files/{file['fileId']}")
    assert answer.status == 200 and set(answer.json) == {*file, "url", "expiresAt"}
    left = datetime.fromisoformat(answer.json["expiresAt"]) - clock.now()
    assert 240 < left.total_seconds() <= 300
    body, headers = content(answer.json["url"])
    assert body == PNG and headers["content-type"] == "image/png"
    assert headers["content-disposition"] == "attachment; filename=\"pic.png\"; filename*=UTF-8''pic.png"
    assert "X-Amz-Expires=300" in answer.json["url"] and "no-store" in answer.json["url"]
    storage_key = f"organizations/{me.organization['id']}/runs/{execution_id}/files/{file['fileId']}"
    tags = boto3.client("s3").get_object_tagging(Bucket="weconnect", Key=storage_key)["TagSet"]
    organization_id, execution_uuid = UUID(me.organization["id"]), UUID(execution_id)
    row = Row.get(*FileRow.at(organization_id, execution_uuid, UUID(file["fileId"])))
    days = [
        (int(each.ttl or 0) - clock.epoch_seconds()) / 86_400
        for each in (row, Row.get(*WorkflowExecutionRow.at(organization_id, execution_uuid)))
    ]
    assert days[1] - 1 <= days[0] <= int(tags[0]["Value"]), (
        "as long as its execution, and no longer than its content"
    )


def test_files_belong_to_their_execution_and_organization(
    me: RegisteredUser, starter: Starter, web: Web
) -> None:
    path = create_workflow(me, definition([get()], "start > get"))
    execution, second = start_execution(me, path), start_execution(me, path)
    starter.run_pending()
    file_id = me.client.get(execution).json["output"][0]["file"]["fileId"]
    other = register("other@example.com")
    assert other.client.get(f"{execution}/files/{file_id}").json["code"] == "execution_not_found"
    assert me.client.get(f"{second}/files/{file_id}").json["code"] == "file_not_found"
    assert me.client.get(f"{execution}/files/{uuid4()}").json["code"] == "file_not_found"
    assert objects(execution) and me.client.delete(execution).status == 204
    assert objects(execution) == [] and objects(second) != []
    assert me.client.get(f"{execution}/files/{file_id}").status == 404
    assert not [row for row in Row.scan() if execution.rpartition("/")[2] in row.pk]


def test_an_express_execution_stores_files_too(me: RegisteredUser, web: Web) -> None:
    path = create_workflow(me, definition([get()], "start > get"))
    execution = me.client.post(f"{path}/executions", headers={"Prefer": "wait=20"}).json
    assert execution["isExpress"] and execution["status"] == "completed"
    file = execution["output"][0]["file"]
    assert me.client.get(f"/v1/executions/{execution['id']}/files/{file['fileId']}").json["size"] == len(PNG)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("text/html; charset=latin1", b"\xfc", "ü"),
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/vnd.api+json", b"[1]", [1]),
        ("application/xml", b"<a/>", "<a/>"),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("application/x-www-form-urlencoded", b"a=1", "a=1"),
        ("", "plain ü".encode(), "plain ü"),
        ("image/png", b"", ""),
        ("", b"\0\1", None),
        ("", b"\xff\xfe", None),
        ("application/pdf", b"%PDF", None),
        ("application/octet-stream", b"text", None),
    ],
)
def test_the_content_type_decides_whether_a_response_is_a_file(
    me: RegisteredUser, starter: Starter, web: Web, kind: str, body: bytes, expected: Any
) -> None:
    web.answer = ({"content-type": kind} if kind else {}, body)
    item = execute_workflow(me, starter, definition([get()], "start > get"))["output"][0]
    if expected is None:
        assert item["file"]["size"] == len(body) and "body" not in item
    else:
        assert item["body"] == expected and "file" not in item


def test_the_response_format_can_be_chosen(me: RegisteredUser, starter: Starter, web: Web) -> None:
    web.answer = ({"content-type": "application/json; charset=utf-8"}, b'{"a": 1}')
    item = execute_workflow(me, starter, definition([get(responseFormat="file")], "start > get"))["output"][0]
    assert item["file"]["contentType"] == "application/json"
    web.answer = ({"content-type": "image/png"}, b"\xff")
    item = execute_workflow(me, starter, definition([get(responseFormat="text")], "start > get"), name="B")[
        "output"
    ][0]
    assert item["body"] == "\ufffd" and web.requests[-1]["max_bytes"] == 2**20
    web.answer = ({"content-type": "text/plain"}, b"x" * (2**20 + 1))
    execution = execute_workflow(me, starter, definition([get()], "start > get"), name="C")
    assert (execution["error"]["code"], execution["error"]["retryable"]) == ("too_large", False)
    item = execute_workflow(me, starter, definition([get(responseFormat="file")], "start > get"), name="D")[
        "output"
    ][0]
    assert item["file"]["size"] == 2**20 + 1 and web.requests[-1]["max_bytes"] == 20 * 2**20


@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        ("attachment; filename=report.pdf", "https://x/y", "report.pdf"),
        ('attachment; filename="a b;c.pdf"', "https://x/y", "a bc.pdf"),
        ("attachment; filename=a.pdf; filename*=UTF-8''%C3%BC%20%E2%82%AC.pdf", "https://x/y", "ü €.pdf"),
        ('inline; filename="../../etc/passwd"', "https://x/y", "passwd"),
        ('inline; filename="..\\\\evil\r\nX: y.exe"', "https://x/y", "evilX y.exe"),
        ("", "https://x/a%2Fb/c%20d.zip", "c d.zip"),
        ("", "https://x/", "file"),
        ("", "https://x/" + "n" * 300, "n" * 200),
        ('attachment; filename="…\u202egnp.exe"', "https://x/", "…gnp.exe"),
    ],
)
def test_file_names_are_cleaned(
    me: RegisteredUser, starter: Starter, web: Web, disposition: str, url: str, name: str
) -> None:
    web.answer = ({"content-type": "image/png; x=y", "content-disposition": disposition}, PNG)
    execution = start_execution(me, create_workflow(me, definition([get(url=url)], "start > get")))
    starter.run_pending()
    file = me.client.get(execution).json["output"][0]["file"]
    assert (file["name"], file["contentType"]) == (name, "image/png")
    url = me.client.get(f"{execution}/files/{file['fileId']}").json["url"]
    assert content(url)[1]["content-disposition"].startswith("attachment; filename=")


def test_an_invalid_media_type_becomes_octet_stream() -> None:
    for text in ("", "x", "image/png\r\nX: y", "a/b c", "/"):
        assert files.normalize_media_type(text) == "application/octet-stream"
    assert files.normalize_media_type("IMAGE/PNG ; a=b") == "image/png"


def test_a_tested_node_stores_no_file(me: RegisteredUser, web: Web) -> None:
    path = create_workflow(me, definition([get()], "start > get"))
    tested = me.client.post(f"{path}/nodes/get/test", {}).json
    assert tested["output"]["main"][0]["file"]["fileId"] is None
    assert boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", []) == []


def test_secrets_are_masked_in_files(me: RegisteredUser, starter: Starter, web: Web) -> None:
    create_variable(me, "token", CANARY, "secret")
    web.answer = ({"content-type": "image/png"}, b"\0" + CANARY.encode() + b"\xff")
    url = "https://x/{{ $encodeUrlComponent($vars.token) }}"
    execution = start_execution(me, create_workflow(me, definition([get(url=url)], "start > get")))
    starter.run_pending()
    file = me.client.get(execution).json["output"][0]["file"]
    answer = me.client.get(f"{execution}/files/{file['fileId']}")
    body, headers = content(answer.json["url"])
    assert body == b"\0" + "••••".encode() + b"\xff" and CANARY not in answer.text + json.dumps(headers)


def test_a_file_is_uploaded_to_s3_and_downloaded_again(
    me: RegisteredUser, starter: Starter, web: Web
) -> None:
    """Also in a retry, which reuses the output of a completed node and finds its file at the first execution."""
    boto3.client("s3").create_bucket(Bucket="tenant-bucket")
    create_variable(me, "key", "a-secret-access-key-of-forty-characters!", "secret")
    keys = {
        "region": "us-east-1",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secretAccessKey": "{{ $vars.key }}",
    }
    s3 = keys | {"bucket": "tenant-bucket", "key": "pics/1.png", "contentAs": "file"}
    nodes = [
        get(),
        get("gate", url="https://example.com/fail"),
        node("put", "s3", parameters=s3 | {"operation": "put", "file": "{{ $nodes.get.output.file }}"}),
        node("back", "s3", parameters=s3 | {"operation": "get"}),
    ]
    path = create_workflow(me, definition(nodes, "start > get", "get > gate", "gate > put", "put > back"))
    web.fails = True
    execution = start_execution(me, path)
    starter.run_pending()
    assert me.client.get(execution).json["error"]["code"] == "http_500"
    web.fails = False
    again = me.client.post(f"{execution}/retry", {"from": "failed_node"}).headers["Location"]
    starter.run_pending()
    done = me.client.get(again).json
    assert done["status"] == "completed", done
    stored = boto3.client("s3").get_object(Bucket="tenant-bucket", Key="pics/1.png")
    assert (stored["Body"].read(), stored["ContentType"]) == (PNG, "image/png")
    file = done["output"][0]["file"]
    assert (file["executionId"], file["name"], file["size"]) == (done["id"], "1.png", len(PNG))
    assert content(me.client.get(f"{again}/files/{file['fileId']}").json["url"])[0] == PNG
    assert me.client.delete(execution).status == 204
    lost = me.client.post(f"{again}/retry", {"from": "start"}).headers["Location"]
    starter.run_pending()
    assert me.client.get(lost).json["status"] == "completed", "which has a file of its own"
    gone = {"fileId": file["fileId"], "executionId": execution.rpartition("/")[2]}
    nodes = [node("put", "s3", parameters=s3 | {"operation": "put", "file": gone})]
    failed = execute_workflow(me, starter, definition(nodes, "start > put"), name="Other")
    assert failed["error"]["code"] == "file_not_found"


def test_a_file_of_another_organization_cannot_be_read(
    me: RegisteredUser, starter: Starter, web: Web
) -> None:
    execution = start_execution(me, create_workflow(me, definition([get()], "start > get")))
    starter.run_pending()
    file = me.client.get(execution).json["output"][0]["file"]
    other = register("other@example.com")
    create_variable(other, "key", "a-secret-access-key-of-forty-characters!", "secret")
    keys = {
        "region": "us-east-1",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secretAccessKey": "{{ $vars.key }}",
    }
    put = keys | {
        "operation": "put",
        "bucket": "tenant-bucket",
        "key": "k",
        "contentAs": "file",
        "file": file,
    }
    failed = execute_workflow(other, starter, definition([node("put", "s3", parameters=put)], "start > put"))
    assert failed["error"]["code"] == "file_not_found"


def test_an_error_of_our_own_bucket_is_not_shown_to_the_tenant(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would show our account and role."""
    boto3.client("s3").create_bucket(Bucket="tenant-bucket")
    boto3.client("s3").put_object(Bucket="tenant-bucket", Key="k", Body=PNG)

    def refuse(*_: Any) -> Any:
        error_response = {
            "Error": {"Code": "AccessDenied", "Message": "User: arn:aws:sts::1:assumed-role/ours"}
        }
        raise ClientError(error_response, "PutObject")

    monkeypatch.setattr(payloads, "store_file", refuse)
    create_variable(me, "key", "a-secret-access-key-of-forty-characters!", "secret")
    keys = {
        "region": "us-east-1",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secretAccessKey": "{{ $vars.key }}",
    }
    parameters = keys | {"operation": "get", "bucket": "tenant-bucket", "key": "k", "contentAs": "file"}
    error = execute_workflow(me, starter, definition([node("a", "s3", parameters=parameters)], "start > a"))[
        "error"
    ]
    assert (error["code"], error["message"]) == ("internal_error", "ClientError")


# Long outputs


def test_a_long_output_is_complete_everywhere(me: RegisteredUser, starter: Starter, web: Web) -> None:
    """A node outputs a megabyte: in the journal, in the next node, in the execution's output, and in a retry."""
    web.answer = ({"content-type": "text/plain"}, LONG.encode())
    nodes = [
        get(),
        node("after", "set", values={"n": "{{ $length(body) }}"}),
        get("gate", url="https://example.com/fail"),
        node("end", "set", values={"whole": "{{ $nodes.get.output.body }}"}, keepInput=False),
    ]
    path = create_workflow(me, definition(nodes, "start > get", "get > after", "after > gate", "gate > end"))
    web.fails = True
    execution = start_execution(me, path)
    starter.run_pending()
    assert whole(me, execution) == LONG and me.client.get(execution).json["error"]["code"] == "http_500"
    assert any(name.startswith("nodes-") for name in objects(execution)), "it is not in the row"
    web.fails = False
    request_count = len(web.requests)
    again = me.client.post(f"{execution}/retry", {"from": "failed_node"}).headers["Location"]
    starter.run_pending()
    done = me.client.get(again).json
    assert done["status"] == "completed" and done["output"] == [{"whole": LONG}]
    assert len(web.requests) == request_count + 1, "the long output was kept and not asked for again"
    assert whole(me, again) == LONG
    express = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=20"})
    assert express.status == 200 and express.json["isExpress"]
    execution = f"/v1/executions/{express.json['id']}"
    assert me.client.get(execution).json["output"] == [{"whole": LONG}] and whole(me, execution) == LONG
    assert me.client.delete(execution).status == 204 and objects(execution) == []


def test_items_too_long_for_a_response_are_behind_a_url(
    me: RegisteredUser, starter: Starter, web: Web
) -> None:
    web.answer = ({"content-type": "text/plain"}, LONG.encode())
    much = node("much", "set", values={f"t{number}": "{{ body }}" for number in range(2)})
    nodes = [get(), much, node("end", "limit", maxItems=1)]
    execution = start_execution(
        me, create_workflow(me, definition(nodes, "start > get", "get > much", "much > end"))
    )
    starter.run_pending()
    ids = {each["nodeId"]: each["id"] for each in me.client.get(execution).json["nodes"]}
    shown = me.client.get(f"{execution}/nodes/{ids['end']}")
    assert len(shown.text) < 4_000 and shown.json["input"] == shown.json["output"] == {}
    body, headers = content(shown.json["url"])
    items = json.loads(body)["output"]["main"]
    assert [items[0][name] for name in ("body", "t0", "t1")] == [LONG] * 3
    assert headers["content-type"] == "application/json"
    assert me.client.get(f"{execution}/nodes/{ids['get']}").json["url"] is None
    assert me.client.delete(execution).status == 204 and objects(execution) == []


def whole(me: RegisteredUser, execution: str) -> str:
    """Return the long text as the node run shows it, and as the next node received it."""
    nodes = {each["nodeId"]: each["id"] for each in me.client.get(execution).json["nodes"]}
    answered, got = (me.client.get(f"{execution}/nodes/{nodes[name]}").json for name in ("get", "after"))
    text: str = answered["output"]["main"][0]["body"]
    assert got["input"]["main"][0]["body"] == text and got["output"]["main"][0]["n"] == len(text)
    return text


def test_a_long_output_passes_through_real_checkpoints(
    me: RegisteredUser, starter: Starter, web: Web
) -> None:
    """Also in parallel branches; the checkpoints are deleted with the execution."""
    from executions.run_workflow import handler

    web.answer = ({"content-type": "text/plain"}, LONG.encode())
    nodes = [
        get(),
        get("other"),
        node("both", "merge"),
        node("after", "set", values={"n": "{{ $length(body) }}"}),
    ]
    value = definition(
        nodes, "start > get", "start > other", "get > both.a", "other > both.b", "both > after"
    )
    execution = start_execution(me, create_workflow(me, value))
    (request,) = starter.invocations
    with durable_runner.running_function(handler) as runner:
        ended = run_to_end(runner, request)
    assert json.loads(ended.result) == {"status": "completed"}
    assert max(len(str(operation)) for operation in ended.operations) < 64 * 1024, "checkpoints hold pointers"
    assert whole(me, execution) == LONG
    assert [item["n"] for item in me.client.get(execution).json["output"]] == [len(LONG)] * 2
    assert any(name.startswith("branches-1") for name in objects(execution))
    assert me.client.delete(execution).status == 204 and objects(execution) == []
