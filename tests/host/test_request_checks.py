"""Access to the host and MiniStack: requests to this machine by name, signed with the credentials of the host."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.host.local_host import LocalHost

ECHO = "/2015-03-31/functions/weconnect-Echo/invocations"
MAIL = "/v2/email/outbound-emails"
SCAN = {"x-amz-target": "DynamoDB_20120810.Scan", "content-type": "application/x-amz-json-1.0"}
TABLE = json.dumps({"TableName": "weconnect-table"}).encode()
ACCESS_REFUSALS = {
    "Missing Authentication Token",
    "The security token included in the request is invalid.",
    "The request signature we calculated does not match the signature you provided.",
}


def sign(host: LocalHost, url: str, body: bytes, service: str, **changed: Any) -> dict[str, str]:
    """Return the headers of a signed POST, with the host's credentials unless `changed` has others."""
    variables = host.details["credentials"]
    access_key = changed.get("access_key", variables["AWS_ACCESS_KEY_ID"])
    secret_key = changed.get("secret_key", variables["AWS_SECRET_ACCESS_KEY"])
    headers = changed.get("headers", {})
    request = AWSRequest("POST", url, headers=headers, data=body)
    signer = SigV4Auth(Credentials(access_key, secret_key), service, "us-east-1")
    moment = datetime.now(UTC) + timedelta(seconds=changed.get("seconds", 0))
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)
    return dict(request.headers.items())


def read_message(response: httpx.Response) -> str:
    return str(response.json()["message"])


@pytest.mark.parametrize("path", ["/public", "/nowhere", ECHO, MAIL, "ministack"])
@pytest.mark.parametrize(
    "name", ["evil.com", "evil.com:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.com:{port}", "0.0.0.0:{port}"]
)  # fmt: skip
def test_a_request_to_another_host_name_is_refused(host: LocalHost, path: str, name: str) -> None:
    address = host.details["ministack"] if path == "ministack" else host.address
    url = address + ("/" if path == "ministack" else path)
    name = name.format(port=url.split(":")[2].split("/")[0])
    service = "dynamodb" if path == "ministack" else "lambda"
    headers = sign(host, url, TABLE, service, headers=SCAN | {"host": name})
    response = httpx.post(url, content=TABLE, headers=headers)
    assert (response.status_code, read_message(response)) == (
        421, f"Host {name!r} is not served here. Use {address} or {address.replace('127.0.0.1', 'localhost')}."
    )  # fmt: skip


def test_this_machine_is_served_by_each_of_its_names(host: LocalHost) -> None:
    port = host.details["port"]
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert host.request("GET", "/public", headers={"host": f"{name}:{port}"}).status_code == 200


@pytest.mark.parametrize("service", ["lambda", "dynamodb"])
@pytest.mark.parametrize(
    "changed",
    [{"secret_key": "local"}, {"access_key": "other"}, {"seconds": -330}, {"seconds": 330}],
    ids=["other secret", "other access key", "old", "of the future"],
)
def test_a_signature_of_others_or_of_another_time_is_refused(
    host: LocalHost, service: str, changed: dict[str, Any]
) -> None:
    url = host.address + ECHO if service == "lambda" else host.details["ministack"] + "/"
    own = {"headers": SCAN} if service == "dynamodb" else {}
    good = httpx.post(url, content=TABLE, headers=sign(host, url, TABLE, service, **own))
    assert good.status_code == 200, good.text
    bad = httpx.post(url, content=TABLE, headers=sign(host, url, TABLE, service, **own, **changed))
    assert bad.status_code == 403
    message = read_message(bad)
    assert message.startswith("Signature expired") if "seconds" in changed else message in ACCESS_REFUSALS


@pytest.mark.parametrize("part", ["method", "path", "query", "body", "header", "another header"])
def test_a_signature_is_of_one_request_alone(host: LocalHost, part: str) -> None:
    url = f"{host.address}/2025-12-01/durable-executions/a%2Fb/state?Marker=a%20b&MaxItems=1"
    headers, method, body = sign(host, url, b"{}", "lambda", headers={"x-test": "a"}), "POST", b"{}"
    assert httpx.post(url, content=body, headers=headers).status_code == 404, "the execution does not exist"
    if part == "method":
        method = "PUT"
    elif part in ("path", "query"):
        url = url.replace("a%2Fb" if part == "path" else "MaxItems=1", "MaxItems=2")
    elif part == "body":
        body = b"[]"
    else:
        headers |= {"x-test" if part == "header" else "x-amz-invocation-type": "Event"}
    response = httpx.request(method, url, content=body, headers=headers)
    assert response.status_code == 403
    expected = "There were headers" if part == "another header" else "The request signature"
    assert read_message(response).startswith(expected)


@pytest.mark.parametrize(
    "authorization", [None, "Bearer x", "AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 Credential=local"]
)
@pytest.mark.parametrize(
    "path", [ECHO, MAIL, "ministack", "ministack/_ministack/health", "ministack/weconnect-bucket"]
)
def test_an_unsigned_request_reaches_no_service(
    host: LocalHost, path: str, authorization: str | None
) -> None:
    url = (host.address if path.startswith("/") else "") + path.replace(
        "ministack", host.details["ministack"], 1
    )
    headers = SCAN | ({"authorization": authorization} if authorization else {})
    for method in ("POST", "GET", "OPTIONS"):
        response = httpx.request(method, url, content=TABLE, headers=headers)
        assert (response.status_code, read_message(response)) == (403, "Missing Authentication Token")


def test_a_presigned_url_is_valid_for_its_object_alone(host: LocalHost) -> None:
    credentials = {name.lower(): value for name, value in host.details["credentials"].items()}
    address, config = host.details["ministack"], Config(signature_version="s3v4")
    s3 = boto3.client("s3", "us-east-1", endpoint_url=address, config=config, **credentials)
    key = f"a b/{uuid.uuid4()}"
    for name in (key, "other"):
        s3.put_object(Bucket="weconnect-bucket", Key=name, Body=b"content")
    url = s3.generate_presigned_url("get_object", {"Bucket": "weconnect-bucket", "Key": key}, ExpiresIn=60)
    assert httpx.get(url).content == b"content"
    assert httpx.get(url.replace("a%20b", "a%20c")).status_code == 403
    assert httpx.get(url.replace("Expires=60", "Expires=61")).status_code == 403
    assert httpx.post(url).status_code == 403
    assert httpx.request("GET", url, headers=SCAN).status_code == 403
    assert httpx.request("GET", url, content=TABLE).status_code == 403
    other = sign(host, host.details["ministack"], b"", "dynamodb", secret_key="guessed")["Authorization"]
    assert httpx.get(url, headers={"authorization": other}).status_code == 403
    url = s3.generate_presigned_url("get_object", {"Bucket": "weconnect-bucket", "Key": key}, ExpiresIn=0)
    assert httpx.get(url).status_code == 403


def test_the_credentials_are_new_at_each_start_and_for_this_user_alone(own_host: LocalHost) -> None:
    first = own_host.details["credentials"]
    file = own_host.state / "host.json"
    assert (file.stat().st_mode & 0o777, own_host.state.stat().st_mode & 0o777) == (0o600, 0o700)
    own_host.stop()
    assert not file.exists()
    second = own_host.start().details["credentials"]
    assert first["AWS_SECRET_ACCESS_KEY"] != second["AWS_SECRET_ACCESS_KEY"]
    assert second["AWS_SECRET_ACCESS_KEY"] not in own_host.output
