"""The gateway of the local host: events, routes, authorizer, errors, and the pool of workers."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.host.local_host import LocalHost

GOOD = {"authorization": "good"}


def echo(response: httpx.Response) -> dict[str, Any]:
    """Return the event, context and environment that the function Echo received."""
    assert response.status_code == 200, response.text
    echoed: dict[str, Any] = response.json()
    return echoed


def test_events_have_payload_format_2(host: LocalHost) -> None:
    response = host.request(
        "POST",
        "/private/a%20b/tools?q=1&q=2&empty=&s=x%2Cy",
        content='{"name": "ä"}',
        headers=[
            ("Authorization", "good"),
            ("X-Many", "1"),
            ("x-many", "2"),
            ("Cookie", "k=v; l=w"),
            ("User-Agent", "t"),
        ],
    )
    event = echo(response)["event"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /private/{id}/tools"
    assert event["rawPath"] == "/private/a b/tools"
    assert event["rawQueryString"] == "q=1&q=2&empty=&s=x%2Cy"
    assert event["queryStringParameters"] == {"q": "1,2", "empty": "", "s": "x,y"}
    assert event["pathParameters"] == {"id": "a b"}
    assert event["headers"]["x-many"] == "1,2"
    assert "cookie" not in event["headers"]
    assert event["cookies"] == ["k=v", "l=w"]
    assert event["body"] == '{"name": "ä"}'
    assert event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/private/a b/tools",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "t",
    }
    assert context["stage"] == "$default"
    assert context["routeKey"] == event["routeKey"]
    assert context["requestId"] == response.headers["apigw-requestid"]
    assert isinstance(context["timeEpoch"], int)
    assert context["authorizer"] == {"lambda": {"user": "me", "route": "POST /private/{id}/tools"}}


def test_the_source_of_a_request_is_the_address_that_the_host_sees(host: LocalHost) -> None:
    forged = {"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https", "forwarded": "for=10.0.0.1"}
    event = echo(host.request("GET", "/public", headers=forged))["event"]
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-for"] == "10.0.0.1,127.0.0.1"
    assert echo(host.request("GET", "/public"))["event"]["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_each_function_has_its_own_context_and_environment(host: LocalHost) -> None:
    echoed = echo(host.request("GET", "/private/1", headers=GOOD))
    assert echoed["environment"] | {"STAGE": "local"} == echoed["environment"]
    assert echoed["environment"]["PLAN"] == "enterprise"
    assert echoed["environment"]["GREETING"] == "hello from weconnect"
    assert echoed["environment"]["OWN"] == "own-weconnect-queue"
    assert echoed["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "weconnect-Echo"
    context = echoed["context"]
    assert context["memory_limit_in_mb"] == "512"
    assert context["invoked_function_arn"] == "arn:aws:lambda:us-east-1:000000000000:function:weconnect-Echo"
    assert 20_000 < context["remaining"] <= 29_000
    assert echo(host.request("GET", "/public"))["environment"]["OWN"] is None


def test_a_response_has_the_handlers_headers_and_cookies(host: LocalHost) -> None:
    response = host.request("GET", "/public")
    assert response.headers["x-test"] == "yes"
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_a_binary_body_is_base64_encoded(host: LocalHost) -> None:
    event = echo(host.request("POST", "/public", content=b"\xff\xfe"))["event"]
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\xfe"


def test_missing_parts_of_a_request_are_absent_from_the_event(host: LocalHost) -> None:
    event = echo(host.request("GET", "/public"))["event"]
    assert not {"body", "queryStringParameters", "pathParameters", "cookies"} & event.keys()


def test_the_authorizer_admits_or_refuses_a_request(host: LocalHost) -> None:
    response = host.request("GET", "/private/1", headers={"authorization": "bad"})
    assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})
    assert host.request("GET", "/public").status_code == 200


def test_a_literal_path_has_precedence_over_a_variable(host: LocalHost) -> None:
    assert echo(host.request("GET", "/private/me", headers=GOOD))["event"]["routeKey"] == "GET /private/me"


def test_a_greedy_variable_matches_the_rest_of_the_path(host: LocalHost) -> None:
    assert echo(host.request("GET", "/files/a/b/c"))["event"]["pathParameters"] == {"path": "a/b/c"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("PATCH", "/public"), ("GET", "/private//tools")]
)
def test_an_unknown_path_or_method_is_not_found(host: LocalHost, method: str, path: str) -> None:
    response = host.request(method, path)
    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


def test_a_body_over_ten_megabytes_is_refused(host: LocalHost) -> None:
    assert host.request("POST", "/public", content=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413
    assert host.request("POST", "/public", content=b"x" * (5 * 1024 * 1024)).status_code == 200


def test_a_failing_handler_is_reported_and_logged(host: LocalHost) -> None:
    response = host.request("GET", "/fail")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})
    assert "error in GET /fail: KeyError" in host.output
    assert "secret detail" in (host.state / "log" / "functions.log").read_text()


def test_a_handler_that_exceeds_its_timeout_is_killed(host: LocalHost) -> None:
    assert host.request("GET", "/slow").status_code == 500
    assert "Task timed out after 1.00 seconds" in host.output
    assert host.request("GET", "/public").status_code == 200


def test_the_pool_grows_for_calls_that_wait_for_each_other(host: LocalHost) -> None:
    """Twelve calls return only when all twelve run: any smaller number of workers would deadlock."""
    with ThreadPoolExecutor(12) as threads:
        responses = list(threads.map(lambda _: host.request("POST", "/meet/plain/12"), range(12)))
    assert {response.text for response in responses} == {"met"}


def test_a_mail_is_written_to_the_mailbox(host: LocalHost) -> None:
    assert host.request("POST", "/mail").status_code == 204
    (path,) = (host.state / "mailbox").glob("*ann@example.com.txt")
    assert path.read_text() == "From: weconnect@localhost\nTo: ann@example.com\nSubject: Hello\n\ntoken-123\n"
    assert f"mail for ann@example.com: {path}" in host.output
    assert Path(path).stat().st_mode & 0o077 == 0
