"""The client of AWS's JSON services: signatures, connections, retries."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
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
    """A JSON service on 127.0.0.1 that responds from a list: (status, body), or None to hang up."""

    def __init__(self) -> None:
        self.responses: list[tuple[int, dict[str, Any]] | None] = []
        self.requests: list[tuple[dict[str, str], Any]] = []
        self.connections: set[Any] = set()
        self.hang_up_after_response = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                service.connections.add(self.client_address)
                service.requests.append((dict(self.headers.items()), json.loads(content)))
                response = service.responses.pop(0)
                if response is None:
                    self.close_connection = True
                    return
                status, body = response
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                self.close_connection = service.hang_up_after_response

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
    server = Service()
    monkeypatch.setitem(settings.__dict__, "endpoint_url", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    yield server
    for connection in aws._open_connections().values():
        connection.close()
    aws._open_connections().clear()
    server.server.shutdown()
    server.server.server_close()


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
def test_the_signature_is_that_of_botocore(
    name: str, region: str, target: str, content_type: str, body: dict[str, Any], token: str, monkeypatch: Any
) -> None:
    content = json.dumps(body).encode()
    host = f"{name}.{region}.amazonaws.com"
    headers = {"content-type": content_type, "x-amz-target": target, "host": host}
    ours = aws.sign(name, region, headers, content, ("AKID", "se/cret+", token), MOMENT)

    modify = SigV4Auth._modify_request_before_signing

    def modify_at_moment(signer: Any, request: Any) -> None:
        request.context["timestamp"] = MOMENT
        modify(signer, request)

    monkeypatch.setattr(SigV4Auth, "_modify_request_before_signing", modify_at_moment)
    request = AWSRequest(
        "POST",
        f"https://{host}/",
        headers={"Content-Type": content_type, "X-Amz-Target": target},
        data=content,
    )
    signer = SigV4Auth(Credentials("AKID", "se/cret+", token or None), name, region)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *a, **k: _at(MOMENT), raising=False)
    signer.add_auth(request)
    assert request.headers["X-Amz-Date"] == MOMENT
    assert ours["authorization"] == request.headers["Authorization"]


def _at(moment: str) -> Any:
    return datetime.strptime(moment, "%Y%m%dT%H%M%SZ")


def test_a_call_sends_and_receives_json(service: Service) -> None:
    service.responses = [(200, {"Item": {"pk": {"S": "a"}}})]
    assert aws.call("dynamodb", "GetItem", {"TableName": "t"}) == {"Item": {"pk": {"S": "a"}}}
    headers, body = service.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert body == {"TableName": "t"}
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["host"] == service.url.removeprefix("http://")
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-target" in headers["authorization"]
    assert f"/{settings.region}/dynamodb/aws4_request" in headers["authorization"]


def test_a_call_takes_a_whole_target_and_the_present_credentials(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.responses = [(200, {"SecretString": "s"}), (200, {})]
    assert aws.call("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": "x"}) == {
        "SecretString": "s"
    }
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "tok")
    aws.call("secretsmanager", "GetSecretValue", {})
    first, second = (
        {name.lower(): value for name, value in headers.items()} for headers, _ in service.requests
    )
    assert first["content-type"] == "application/x-amz-json-1.1"
    assert "Credential=AKIDEXAMPLE/" in first["authorization"] and "x-amz-security-token" not in first
    assert "Credential=SECOND/" in second["authorization"] and second["x-amz-security-token"] == "tok"


def test_the_connection_stays_open(service: Service) -> None:
    service.responses = [(200, {})] * 3
    for _ in range(3):
        aws.call("dynamodb", "GetItem", {})
    assert len(service.connections) == 1


def test_a_connection_that_the_server_closed_is_replaced_even_with_one_attempt(service: Service) -> None:
    service.responses = [(200, {}), (200, {"n": 2})]
    service.hang_up_after_response = True
    aws.call("dynamodb", "GetItem", {})
    assert aws.call("dynamodb", "UpdateItem", {}, attempts=1) == {"n": 2}
    assert len(service.requests) == 2


def test_an_error_has_code_message_status_and_details(service: Service) -> None:
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "no",
        "Item": {},
    }
    service.responses = [(400, body)]
    with pytest.raises(aws.AwsError) as failed:
        aws.call("dynamodb", "PutItem", {})
    error = failed.value
    assert (error.code, error.message, error.status) == ("ConditionalCheckFailedException", "no", 400)
    assert "Item" in error.details
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "first",
    [(500, {}), (400, {"__type": "x#ThrottlingException"}), (503, {"__type": "ServiceUnavailable"}), None],
)
def test_a_temporary_error_is_retried_once(service: Service, first: Any) -> None:
    service.responses = [first, (200, {"ok": True})]
    assert aws.call("dynamodb", "GetItem", {}) == {"ok": True}


@pytest.mark.parametrize("first", [(500, {}), None])
def test_with_one_attempt_nothing_is_retried(service: Service, first: Any) -> None:
    service.responses = [first, (200, {})]
    with pytest.raises(aws.AwsError):
        aws.call("dynamodb", "UpdateItem", {}, attempts=1)
    assert len(service.requests) == 1


def test_the_second_failure_is_raised(service: Service) -> None:
    service.responses = [(500, {"__type": "InternalServerError"}), (500, {"__type": "InternalServerError"})]
    with pytest.raises(aws.AwsError, match="InternalServerError"):
        aws.call("dynamodb", "GetItem", {})
    assert len(service.requests) == 2


def test_an_unreachable_service_is_a_failed_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.server.socket.close()
    with pytest.raises(aws.AwsError) as failed:
        aws.call("dynamodb", "GetItem", {})
    assert (failed.value.code, failed.value.status) == ("ConnectionFailed", 0)


def test_a_call_without_credentials_is_not_sent(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(aws.AwsError, match="NoCredentials"):
        aws.call("dynamodb", "GetItem", {})
    assert service.requests == []


def test_the_import_loads_no_heavy_module() -> None:
    heavy = ("botocore", "boto3", "requests", "urllib3", "httpx2", "pydantic", "pynamodb")
    program = f"import sys, weconnect.aws; print([name for name in {heavy} if name in sys.modules])"
    process = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(aws.__file__).parents[1],
    )
    assert process.stdout.strip() == "[]"
