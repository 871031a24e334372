"""A client of AWS's JSON services that needs only the standard library: the authorizer must start without botocore.

Requests are signed with Signature Version 4 and use a connection that a warm process keeps open.
"""

import hashlib
import hmac
import http.client
import json
import random
import ssl
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from weconnect import clock
from weconnect.settings import aws_credentials, settings

CONNECT_SECONDS = 2
READ_SECONDS = 5

_PROTOCOLS = {"dynamodb": ("DynamoDB_20120810", "1.0"), "secretsmanager": ("secretsmanager", "1.1")}
_THROTTLING_CODES = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
}
_local = threading.local()


class AwsError(Exception):
    """An error of a service, or `ConnectionFailed` with status 0; `details` is the whole error body."""

    def __init__(self, code: str, message: str, status: int, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.details = code, message, status, details or {}


def call(service: str, operation: str, body: dict[str, Any], *, attempts: int = 2) -> dict[str, Any]:
    """Call `dynamodb` or `secretsmanager` and return the response's JSON object.

    `operation` is "GetItem" or "DynamoDB_20120810.GetItem". Connection errors, throttling and 5xx are retried;
    `attempts=1` is for operations that must not be repeated. Raises AwsError.
    """
    prefix, protocol = _PROTOCOLS[service]
    headers = {
        "content-type": f"application/x-amz-json-{protocol}",
        "x-amz-target": operation if "." in operation else f"{prefix}.{operation}",
    }
    content = json.dumps(body).encode()
    for attempt in range(1, attempts + 1):
        try:
            return _exchange(service, headers, content)
        except AwsError as error:
            is_temporary = error.status == 0 or error.status >= 500 or error.code in _THROTTLING_CODES
            if not is_temporary or attempt == attempts:
                raise
            time.sleep(random.uniform(0.02, 0.1))
    raise AssertionError("attempts must be at least 1")


def sign(
    service: str,
    region: str,
    headers: dict[str, str],
    content: bytes,
    credentials: tuple[str, str, str],
    moment: str,
) -> dict[str, str]:
    """Return the headers of a signed POST to `/`.

    `headers` are in lower case and include the host; `credentials` are access key, secret key and session token;
    `moment` is like 20261122T130501Z.
    """
    access_key, secret_key, token = credentials
    signed = headers | {"x-amz-date": moment} | ({"x-amz-security-token": token} if token else {})
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(content).hexdigest()}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return signed | {"authorization": authorization}


def _exchange(service: str, headers: dict[str, str], content: bytes) -> dict[str, Any]:
    """Send one signed request and return the response's JSON object. Raises AwsError, also without credentials."""
    suffix = "amazonaws.com.cn" if settings.region.startswith("cn-") else "amazonaws.com"
    url = urlsplit(settings.endpoint_url or f"https://{service}.{settings.region}.{suffix}")
    credentials = aws_credentials()
    if not credentials[0]:
        raise AwsError("NoCredentials", "No AWS credentials in the environment", 400)
    moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
    signed = sign(service, settings.region, headers | {"host": url.netloc}, content, credentials, moment)
    status, body = _post(url.scheme, url.netloc, content, signed)
    try:
        response = json.loads(body) if body else {}
    except ValueError:
        response = {}
    if status == 200 and isinstance(response, dict):
        return response
    details = response if isinstance(response, dict) else {}
    code = str(details.get("__type", "UnknownError")).rpartition("#")[2]
    raise AwsError(code, str(details.get("message") or details.get("Message") or ""), status, details)


def _post(scheme: str, host: str, content: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Send over this thread's connection, replaced if the server closed it; return status and body."""
    connections = _open_connections()
    for connection in (connections.pop((scheme, host), None), _create_connection(scheme, host)):
        if connection is None:
            continue
        is_reused = connection.sock is not None
        try:
            if not is_reused:
                connection.connect()
                connection.sock.settimeout(READ_SECONDS)
            connection.request("POST", "/", content, headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if is_reused and isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
                continue
            raise AwsError("ConnectionFailed", f"{host}: {type(error).__name__}", 0) from error
        if not response.will_close:
            connections[scheme, host] = connection
        return response.status, body
    raise AssertionError("a new connection responds or raises")


def _create_connection(scheme: str, host: str) -> http.client.HTTPConnection:
    """Return a new connection to a host for `https` or `http`; it connects at its first request."""
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(host, timeout=CONNECT_SECONDS)


def _open_connections() -> dict[tuple[str, str], http.client.HTTPConnection]:
    """Return this thread's open connections by scheme and host."""
    if not hasattr(_local, "connections"):
        _local.connections = {}
    connections: dict[tuple[str, str], http.client.HTTPConnection] = _local.connections
    return connections
