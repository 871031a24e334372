"""Files that nodes get: kept with their run, given to who may read it, gone with it. And outputs that are long."""

import base64
import json
import random
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from tests import mortal
from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran
from tests.executions.test_run_workflow import carry
from tests.factories import Registered, registered
from tests.workflows.definitions import definition, node
from tests.workflows.test_variables import CANARY, variable
from weconnect import clock
from weconnect.db import payloads
from weconnect.db.table import Row
from weconnect.executions import files
from weconnect.executions.rows import ExecutionRow, FileRow
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse

PNG = b"\x89PNG\r\n\x1a\n\0\0\xff"
LONG = base64.b64encode(
    random.Random(1).randbytes(786_000)
).decode()  # of nearly a megabyte, which does not compress


class Web:
    """Answers what it is told to, and knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: tuple[dict[str, str], bytes] = ({"content-type": "image/png"}, PNG)
        self.fails = False

    def send(self, method: str, url: str, **asked: Any) -> OutboundResponse:
        self.asked.append(asked)
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
    payloads.s3.cache_clear()


def get(id: str = "get", url: str = "https://example.com/a/pic.png?x=1", **more: Any) -> dict[str, Any]:
    return node(id, "http_request", url=url, **more)


def objects(run: str) -> list[str]:
    """What the bucket holds of a run, by name within it."""
    found = boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", [])
    part = f"/runs/{run.rpartition('/')[2]}/"
    return [each["Key"].partition(part)[2] for each in found if part in each["Key"]]


def content(url: str) -> tuple[bytes, dict[str, str]]:
    """What an address gives, by S3's own words for what its signature covers."""
    import requests

    answer = requests.get(url, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.content, {name.lower(): text for name, text in answer.headers.items()}


def test_a_binary_answer_becomes_a_file(me: Registered, starter: Starter, web: Web) -> None:
    run = begun(me, made(me, definition([get()], "start > get")))
    starter.run_pending()
    item = me.client.get(run).json["output"][0]
    execution_id = run.rpartition("/")[2]
    file = item["file"]
    assert file | {"fileId": ""} == {
        "fileId": "",
        "executionId": execution_id,
        "name": "pic.png",
        "contentType": "image/png",
        "size": len(PNG),
    }
    assert set(item) == {"status", "headers", "file"}
    answer = me.client.get(f"{run}/files/{file['fileId']}")
    assert answer.status == 200 and set(answer.json) == {*file, "url", "expiresAt"}
    left = datetime.fromisoformat(answer.json["expiresAt"]) - clock.now()
    assert 240 < left.total_seconds() <= 300
    found, headers = content(answer.json["url"])
    assert found == PNG and headers["content-type"] == "image/png"
    assert headers["content-disposition"] == "attachment; filename=\"pic.png\"; filename*=UTF-8''pic.png"
    assert "X-Amz-Expires=300" in answer.json["url"] and "no-store" in answer.json["url"]
    place = f"organizations/{me.organization['id']}/runs/{execution_id}/files/{file['fileId']}"
    tags = boto3.client("s3").get_object_tagging(Bucket="weconnect", Key=place)["TagSet"]
    organization_id, run_id = UUID(me.organization["id"]), UUID(execution_id)
    row = Row.get(*FileRow.at(organization_id, run_id, UUID(file["fileId"])))
    days = [
        (each.ttl - clock.epoch()) / 86_400
        for each in (row, Row.get(*ExecutionRow.at(organization_id, run_id)))
    ]
    assert days[1] - 1 <= days[0] <= int(tags[0]["Value"]), (
        "as long as its run, and no longer than its content"
    )


def test_files_are_their_runs_and_their_organizations(me: Registered, starter: Starter, web: Web) -> None:
    path = made(me, definition([get()], "start > get"))
    run, second = begun(me, path), begun(me, path)
    starter.run_pending()
    file_id = me.client.get(run).json["output"][0]["file"]["fileId"]
    other = registered("other@example.com")
    assert other.client.get(f"{run}/files/{file_id}").json["code"] == "execution_not_found"
    assert me.client.get(f"{second}/files/{file_id}").json["code"] == "file_not_found"
    assert me.client.get(f"{run}/files/{uuid4()}").json["code"] == "file_not_found"
    assert objects(run) and me.client.delete(run).status == 204
    assert objects(run) == [] and objects(second) != []
    assert me.client.get(f"{run}/files/{file_id}").status == 404
    assert not [row for row in Row.scan() if run.rpartition("/")[2] in row.pk]


def test_a_run_that_is_waited_for_keeps_files_too(me: Registered, web: Web) -> None:
    path = made(me, definition([get()], "start > get"))
    run = me.client.post(f"{path}/executions", headers={"Prefer": "wait=20"}).json
    assert run["isExpress"] and run["status"] == "completed"
    file = run["output"][0]["file"]
    assert me.client.get(f"/v1/executions/{run['id']}/files/{file['fileId']}").json["size"] == len(PNG)


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
def test_what_is_a_file(
    me: Registered, starter: Starter, web: Web, kind: str, body: bytes, expected: Any
) -> None:
    web.answer = ({"content-type": kind} if kind else {}, body)
    item = ran(me, starter, definition([get()], "start > get"))["output"][0]
    if expected is None:
        assert item["file"]["size"] == len(body) and "body" not in item
    else:
        assert item["body"] == expected and "file" not in item


def test_the_format_can_be_asked_for(me: Registered, starter: Starter, web: Web) -> None:
    web.answer = ({"content-type": "application/json; charset=utf-8"}, b'{"a": 1}')
    item = ran(me, starter, definition([get(responseFormat="file")], "start > get"))["output"][0]
    assert item["file"]["contentType"] == "application/json"
    web.answer = ({"content-type": "image/png"}, b"\xff")
    item = ran(me, starter, definition([get(responseFormat="text")], "start > get"), name="B")["output"][0]
    assert item["body"] == "\ufffd" and web.asked[-1]["max_bytes"] == 2**20
    web.answer = ({"content-type": "text/plain"}, b"x" * (2**20 + 1))
    run = ran(me, starter, definition([get()], "start > get"), name="C")
    assert (run["error"]["code"], run["error"]["retryable"]) == ("too_large", False)
    item = ran(me, starter, definition([get(responseFormat="file")], "start > get"), name="D")["output"][0]
    assert item["file"]["size"] == 2**20 + 1 and web.asked[-1]["max_bytes"] == 20 * 2**20


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
def test_names(me: Registered, starter: Starter, web: Web, disposition: str, url: str, name: str) -> None:
    web.answer = ({"content-type": "image/png; x=y", "content-disposition": disposition}, PNG)
    run = begun(me, made(me, definition([get(url=url)], "start > get")))
    starter.run_pending()
    file = me.client.get(run).json["output"][0]["file"]
    assert (file["name"], file["contentType"]) == (name, "image/png")
    url = me.client.get(f"{run}/files/{file['fileId']}").json["url"]
    assert content(url)[1]["content-disposition"].startswith("attachment; filename=")


def test_a_type_that_is_none_says_nothing() -> None:
    for given in ("", "x", "image/png\r\nX: y", "a/b c", "/"):
        assert files.plain_type(given) == "application/octet-stream"
    assert files.plain_type("IMAGE/PNG ; a=b") == "image/png"


def test_a_tried_node_keeps_nothing(me: Registered, web: Web) -> None:
    path = made(me, definition([get()], "start > get"))
    tested = me.client.post(f"{path}/nodes/get/test", {}).json
    assert tested["output"]["main"][0]["file"]["fileId"] is None
    assert boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", []) == []


def test_a_secret_that_comes_back_in_a_file(me: Registered, starter: Starter, web: Web) -> None:
    variable(me, "token", CANARY, "secret")
    web.answer = ({"content-type": "image/png"}, b"\0" + CANARY.encode() + b"\xff")
    url = "https://x/{{ $encodeUrlComponent($vars.token) }}"
    run = begun(me, made(me, definition([get(url=url)], "start > get")))
    starter.run_pending()
    file = me.client.get(run).json["output"][0]["file"]
    answer = me.client.get(f"{run}/files/{file['fileId']}")
    found, headers = content(answer.json["url"])
    assert found == b"\0" + "••••".encode() + b"\xff" and CANARY not in answer.text + json.dumps(headers)


def test_a_file_goes_on_to_s3_and_comes_back(me: Registered, starter: Starter, web: Web) -> None:
    """Also in a retry, which keeps the output of a node that ended well and finds its file at the first run."""
    boto3.client("s3").create_bucket(Bucket="tenant-bucket")
    variable(me, "key", "a-secret-access-key-of-forty-characters!", "secret")
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
    path = made(me, definition(nodes, "start > get", "get > gate", "gate > put", "put > back"))
    web.fails = True
    run = begun(me, path)
    starter.run_pending()
    assert me.client.get(run).json["error"]["code"] == "http_500"
    web.fails = False
    again = me.client.post(f"{run}/retry", {"from": "failed_node"}).headers["Location"]
    starter.run_pending()
    done = me.client.get(again).json
    assert done["status"] == "completed", done
    stored = boto3.client("s3").get_object(Bucket="tenant-bucket", Key="pics/1.png")
    assert (stored["Body"].read(), stored["ContentType"]) == (PNG, "image/png")
    file = done["output"][0]["file"]
    assert (file["executionId"], file["name"], file["size"]) == (done["id"], "1.png", len(PNG))
    assert content(me.client.get(f"{again}/files/{file['fileId']}").json["url"])[0] == PNG
    assert me.client.delete(run).status == 204
    lost = me.client.post(f"{again}/retry", {"from": "start"}).headers["Location"]
    starter.run_pending()
    assert me.client.get(lost).json["status"] == "completed", "which has a file of its own"
    gone = {"fileId": file["fileId"], "executionId": run.rpartition("/")[2]}
    nodes = [node("put", "s3", parameters=s3 | {"operation": "put", "file": gone})]
    failed = ran(me, starter, definition(nodes, "start > put"), name="Other")
    assert failed["error"]["code"] == "file_not_found"


def test_a_file_of_another_organization_cannot_be_read(me: Registered, starter: Starter, web: Web) -> None:
    run = begun(me, made(me, definition([get()], "start > get")))
    starter.run_pending()
    file = me.client.get(run).json["output"][0]["file"]
    other = registered("other@example.com")
    variable(other, "key", "a-secret-access-key-of-forty-characters!", "secret")
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
    failed = ran(other, starter, definition([node("put", "s3", parameters=put)], "start > put"))
    assert failed["error"]["code"] == "file_not_found"


def test_an_error_of_our_own_bucket_is_not_the_tenants(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would name our account and role."""
    boto3.client("s3").create_bucket(Bucket="tenant-bucket")
    boto3.client("s3").put_object(Bucket="tenant-bucket", Key="k", Body=PNG)

    def refuse(*_: Any) -> Any:
        said = {"Error": {"Code": "AccessDenied", "Message": "User: arn:aws:sts::1:assumed-role/ours"}}
        raise ClientError(said, "PutObject")  # type: ignore[arg-type]

    monkeypatch.setattr(payloads, "store_file", refuse)
    variable(me, "key", "a-secret-access-key-of-forty-characters!", "secret")
    keys = {
        "region": "us-east-1",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secretAccessKey": "{{ $vars.key }}",
    }
    asked = keys | {"operation": "get", "bucket": "tenant-bucket", "key": "k", "contentAs": "file"}
    error = ran(me, starter, definition([node("a", "s3", parameters=asked)], "start > a"))["error"]
    assert (error["code"], error["message"]) == ("internal_error", "ClientError")


# Long outputs


def test_a_long_output_is_whole_everywhere(me: Registered, starter: Starter, web: Web) -> None:
    """A node that answers a megabyte: in the journal, in what follows, in the run's output, and in a retry."""
    web.answer = ({"content-type": "text/plain"}, LONG.encode())
    nodes = [
        get(),
        node("after", "set", values={"n": "{{ $length(body) }}"}),
        get("gate", url="https://example.com/fail"),
        node("end", "set", values={"whole": "{{ $nodes.get.output.body }}"}, keepInput=False),
    ]
    path = made(me, definition(nodes, "start > get", "get > after", "after > gate", "gate > end"))
    web.fails = True
    run = begun(me, path)
    starter.run_pending()
    assert whole(me, run) == LONG and me.client.get(run).json["error"]["code"] == "http_500"
    assert any(name.startswith("nodes-") for name in objects(run)), "it is not in the row"
    web.fails = False
    asked = len(web.asked)
    again = me.client.post(f"{run}/retry", {"from": "failed_node"}).headers["Location"]
    starter.run_pending()
    done = me.client.get(again).json
    assert done["status"] == "completed" and done["output"] == [{"whole": LONG}]
    assert len(web.asked) == asked + 1, "the long output was kept and not asked for again"
    assert whole(me, again) == LONG
    express = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=20"})
    assert express.status == 200 and express.json["isExpress"]
    run = f"/v1/executions/{express.json['id']}"
    assert me.client.get(run).json["output"] == [{"whole": LONG}] and whole(me, run) == LONG
    assert me.client.delete(run).status == 204 and objects(run) == []


def test_what_an_answer_cannot_hold_is_given_by_an_address(
    me: Registered, starter: Starter, web: Web
) -> None:
    web.answer = ({"content-type": "text/plain"}, LONG.encode())
    much = node("much", "set", values={f"t{number}": "{{ body }}" for number in range(2)})
    nodes = [get(), much, node("end", "limit", maxItems=1)]
    run = begun(me, made(me, definition(nodes, "start > get", "get > much", "much > end")))
    starter.run_pending()
    ids = {each["nodeId"]: each["id"] for each in me.client.get(run).json["nodes"]}
    shown = me.client.get(f"{run}/nodes/{ids['end']}")
    assert len(shown.text) < 4_000 and shown.json["input"] == shown.json["output"] == {}
    found, headers = content(shown.json["url"])
    items = json.loads(found)["output"]["main"]
    assert [items[0][name] for name in ("body", "t0", "t1")] == [LONG] * 3
    assert headers["content-type"] == "application/json"
    assert me.client.get(f"{run}/nodes/{ids['get']}").json["url"] is None
    assert me.client.delete(run).status == 204 and objects(run) == []


def whole(me: Registered, run: str) -> str:
    """The long text, as the run of the node tells it and as the next node got it."""
    nodes = {each["nodeId"]: each["id"] for each in me.client.get(run).json["nodes"]}
    answered, got = (me.client.get(f"{run}/nodes/{nodes[name]}").json for name in ("get", "after"))
    text: str = answered["output"]["main"][0]["body"]
    assert got["input"]["main"][0]["body"] == text and got["output"]["main"][0]["n"] == len(text)
    return text


def test_a_long_output_on_the_sdk(me: Registered, starter: Starter, web: Web) -> None:
    """The same through real checkpoints, side by side as well; they go with the run, too."""
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
    run = begun(me, made(me, value))
    (request,) = starter.asked
    with mortal.running(handler) as runner:
        ended = carry(runner, request)
    assert json.loads(ended.result) == {"status": "completed"}
    assert max(len(str(operation)) for operation in ended.operations) < 64 * 1024, "checkpoints hold pointers"
    assert whole(me, run) == LONG
    assert [item["n"] for item in me.client.get(run).json["output"]] == [len(LONG)] * 2
    assert any(name.startswith("branches-1") for name in objects(run))
    assert me.client.delete(run).status == 204 and objects(run) == []
