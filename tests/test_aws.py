import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from weconnect import aws
from weconnect.settings import settings

MOMENT = "20261122T130501Z"


class Service:
    """A JSON service on 127.0.0.1 that answers from a list: (status, body), or None to hang up."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]] | None] = []
        self.seen: list[tuple[dict[str, str], Any]] = []
        self.connections: set[Any] = set()
        self.hang_up_after_answer = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                service.connections.add(self.client_address)
                service.seen.append((dict(self.headers.items()), json.loads(content)))
                answer = service.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, body = answer
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                self.close_connection = service.hang_up_after_answer

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    running = Service()
    monkeypatch.setitem(settings.__dict__, "endpoint_url", running.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setattr(aws.time, "sleep", lambda seconds: None)
    yield running
    for connection in aws._connections().values():
        connection.close()
    aws._connections().clear()
    running.server.shutdown()
    running.server.server_close()


@pytest.mark.parametrize("token", ["", "session/token=="])
@pytest.mark.parametrize(
    ("name", "region", "target", "content_type", "body"),
    [
        (
            "dynamodb",
            "eu-central-1",
            "DynamoDB_20120810.GetItem",
            "application/x-amz-json-1.0",
            {"Key": {"pk": "ä"}},
        ),
        ("secretsmanager", "us-east-1", "secretsmanager.GetSecretValue", "application/x-amz-json-1.1", {}),
    ],
)
def test_signature_is_botocores(
    name: str, region: str, target: str, content_type: str, body: dict[str, Any], token: str, monkeypatch: Any
) -> None:
    content = json.dumps(body).encode()
    host = f"{name}.{region}.amazonaws.com"
    headers = {"content-type": content_type, "x-amz-target": target, "host": host}
    ours = aws.sign(name, region, headers, content, ("AKID", "se/cret+", token), MOMENT)

    class Signer(SigV4Auth):
        def _modify_request_before_signing(self, request: Any) -> None:
            request.context["timestamp"] = MOMENT
            super()._modify_request_before_signing(request)

    request = AWSRequest(
        "POST",
        f"https://{host}/",
        headers={"Content-Type": content_type, "X-Amz-Target": target},
        data=content,
    )
    signer = Signer(Credentials("AKID", "se/cret+", token or None), name, region)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *a, **k: _at(MOMENT), raising=False)
    signer.add_auth(request)
    assert request.headers["X-Amz-Date"] == MOMENT
    assert ours["authorization"] == request.headers["Authorization"]


def _at(moment: str) -> Any:
    from datetime import datetime

    return datetime.strptime(moment, "%Y%m%dT%H%M%SZ")


def test_call_sends_and_reads_json(service: Service) -> None:
    service.answers = [(200, {"Item": {"pk": {"S": "a"}}})]
    assert aws.call("dynamodb", "GetItem", {"TableName": "t"}) == {"Item": {"pk": {"S": "a"}}}
    headers, body = service.seen[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert body == {"TableName": "t"}
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["host"] == service.url.removeprefix("http://")
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-target" in headers["authorization"]
    assert f"/{settings.region}/dynamodb/aws4_request" in headers["authorization"]


def test_a_whole_target_and_rotated_credentials(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answers = [(200, {"SecretString": "s"}), (200, {})]
    assert aws.call("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": "x"}) == {
        "SecretString": "s"
    }
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "tok")
    aws.call("secretsmanager", "GetSecretValue", {})
    first, second = ({name.lower(): value for name, value in headers.items()} for headers, _ in service.seen)
    assert first["content-type"] == "application/x-amz-json-1.1"
    assert "Credential=AKIDEXAMPLE/" in first["authorization"] and "x-amz-security-token" not in first
    assert "Credential=SECOND/" in second["authorization"] and second["x-amz-security-token"] == "tok"


def test_keeps_its_connection(service: Service) -> None:
    service.answers = [(200, {})] * 3
    for _ in range(3):
        aws.call("dynamodb", "GetItem", {})
    assert len(service.connections) == 1


def test_replaces_a_connection_that_the_server_closed_even_with_one_attempt(service: Service) -> None:
    service.answers = [(200, {}), (200, {"n": 2})]
    service.hang_up_after_answer = True
    aws.call("dynamodb", "GetItem", {})
    assert aws.call("dynamodb", "UpdateItem", {}, attempts=1) == {"n": 2}
    assert len(service.seen) == 2


def test_error_has_code_message_status_and_details(service: Service) -> None:
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "no",
        "Item": {},
    }
    service.answers = [(400, body)]
    with pytest.raises(aws.AwsError) as failed:
        aws.call("dynamodb", "PutItem", {})
    error = failed.value
    assert (error.code, error.message, error.status) == ("ConditionalCheckFailedException", "no", 400)
    assert "Item" in error.details
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    "first",
    [(500, {}), (400, {"__type": "x#ThrottlingException"}), (503, {"__type": "ServiceUnavailable"}), None],
)
def test_tries_twice_what_may_pass(service: Service, first: Any) -> None:
    service.answers = [first, (200, {"ok": True})]
    assert aws.call("dynamodb", "GetItem", {}) == {"ok": True}


@pytest.mark.parametrize("first", [(500, {}), None])
def test_one_attempt_means_one(service: Service, first: Any) -> None:
    service.answers = [first, (200, {})]
    with pytest.raises(aws.AwsError):
        aws.call("dynamodb", "UpdateItem", {}, attempts=1)
    assert len(service.seen) == 1


def test_gives_up_after_two(service: Service) -> None:
    service.answers = [(500, {"__type": "InternalServerError"}), (500, {"__type": "InternalServerError"})]
    with pytest.raises(aws.AwsError, match="InternalServerError"):
        aws.call("dynamodb", "GetItem", {})
    assert len(service.seen) == 2


def test_nobody_there(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.server.socket.close()
    with pytest.raises(aws.AwsError) as failed:
        aws.call("dynamodb", "GetItem", {})
    assert (failed.value.code, failed.value.status) == ("ConnectionFailed", 0)


def test_no_credentials(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(aws.AwsError, match="NoCredentials"):
        aws.call("dynamodb", "GetItem", {})
    assert service.seen == []


def test_import_is_light() -> None:
    heavy = ("botocore", "boto3", "requests", "urllib3", "httpx2", "pydantic", "pynamodb")
    program = f"import sys, weconnect.aws; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(aws.__file__).parents[1],
    )
    assert found.stdout.strip() == "[]"
