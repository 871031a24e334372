"""The client for outbound requests: every HTTP request that a tenant can influence goes through it.

It is guarded (`guard`): no internal address, one deadline, bounded size. Redirects are followed only by `send`, and
every hop passes the same guard.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from weconnect.errors import Problem, UpstreamFailed
from weconnect.outbound.errors import OutboundRefused, TooManyRedirects, UpstreamNotJson
from weconnect.outbound.transports import GuardedAsyncTransport, GuardedTransport

TIMEOUT_SECONDS = 20.0
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Headers that the connection sets, never a caller.
_FRAMING_HEADERS = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# These libraries log whole addresses, with any key in their queries, at the level of ordinary logs.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class OutboundResponse:
    """A response that was read to its end; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body in its declared character set, else UTF-8; undecodable bytes are replaced."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        try:
            return self.body.decode(charset.split(";")[0].strip(" \"'") or "utf-8", errors="replace")
        except (LookupError, UnicodeError, ValueError):
            return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return the body as JSON. Raises UpstreamNotJson."""
        try:
            value = json.loads(self.body, parse_constant=_refuse_constant)
            if b"\\u" in self.body:
                json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
        except (ValueError, RecursionError) as error:
            raise UpstreamNotJson("The response is not JSON") from error
        return value


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
    follow_redirects: bool = False,
) -> OutboundResponse:
    """Send one request and return its whole response, of any status, all within `timeout_seconds`.

    `params` are added to the URL's own. Raises OutboundRefused for an address that may not be called, and a subclass of
    UpstreamFailed when there was no usable response.
    """
    deadline = time.monotonic() + timeout_seconds
    with client(timeout_seconds=timeout_seconds, max_bytes=max_bytes) as http:
        request = _build_request(
            http, method, url, headers, deadline, params=params, json=json, content=content
        )
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = http.send(request)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise UpstreamFailed(f"{request.url.host} failed: {type(error).__name__}") from error
            if response.next_request is None or not follow_redirects:
                lower_case = {name.lower(): text for name, text in response.headers.items()}
                final_url = response.url.copy_with(userinfo=b"")
                return OutboundResponse(response.status_code, lower_case, response.content, str(final_url))
            request = _build_redirected(http, request, response.next_request)
        raise TooManyRedirects(f"The address redirects more than {MAX_REDIRECTS} times")


@contextmanager
def stream(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> Iterator[httpx2.Response]:
    """Send one request and yield its response while it arrives: read it with `iter_bytes()`. Follows no redirect.

    Raises as `send` does, also while the response is read.
    """
    deadline = time.monotonic() + timeout_seconds
    with client(timeout_seconds=timeout_seconds, max_bytes=max_bytes) as http:
        request = _build_request(http, method, url, headers, deadline, json=json)
        try:
            response = http.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UpstreamFailed(f"{request.url.host} failed: {type(error).__name__}") from error


def client(*, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES) -> httpx2.Client:
    """Return a guarded client, with the errors of this package; `timeout_seconds` bounds each exchange as a whole."""
    return httpx2.Client(
        transport=GuardedTransport(timeout_seconds, max_bytes),
        timeout=timeout_seconds,
        trust_env=False,
        headers={"user-agent": "WeConnect"},
    )


def async_client(
    *, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES
) -> httpx2.AsyncClient:
    """Return a guarded client for libraries that take an `httpx2.AsyncClient`; see `find_problem` for their errors."""
    return httpx2.AsyncClient(
        transport=GuardedAsyncTransport(timeout_seconds, max_bytes),
        timeout=timeout_seconds,
        trust_env=False,
        headers={"user-agent": "WeConnect"},
    )


def find_problem(error: BaseException) -> Problem | None:
    """Return the Problem that caused a library's own exception, or None."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Problem):
        cause = cause.__cause__ or cause.__context__
    return cause


def _build_request(
    http: httpx2.Client,
    method: str,
    url: str,
    headers: Mapping[str, str] | None,
    deadline: float,
    *,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
) -> httpx2.Request:
    """Return a request to send with `http`. Raises OutboundRefused when it is malformed."""
    if method.upper() not in METHODS:
        raise OutboundRefused(f"The method {method[:20]!r} is not allowed")
    allowed = {name: text for name, text in (headers or {}).items() if name.lower() not in _FRAMING_HEADERS}
    try:
        return http.build_request(
            method.upper(),
            httpx2.URL(url).copy_merge_params(params) if params else url,
            headers=allowed,
            json=json,
            content=content,
            extensions={"deadline": deadline},
        )
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise OutboundRefused(f"The request cannot be sent: {type(error).__name__}") from error


def _build_redirected(http: httpx2.Client, before: httpx2.Request, after: httpx2.Request) -> httpx2.Request:
    """Return the request that follows a redirect; to another origin it has nothing of the caller's but the method.

    Any header and any body may be a secret of the first origin. Raises OutboundRefused for a redirect that takes more
    than GET or HEAD there.
    """
    if (before.url.scheme, before.url.host, before.url.port) == (
        after.url.scheme,
        after.url.host,
        after.url.port,
    ):
        return after
    if after.method not in ("GET", "HEAD") or after.headers.get("content-length", "0") != "0":
        raise OutboundRefused(
            f"{before.url.host} redirects the {after.method} request to {after.url.host}, another origin. "
            "Its body and headers are not sent there: call that address itself."
        )
    return http.build_request(after.method, after.url, extensions=before.extensions)


def _refuse_constant(name: str) -> None:
    """Raise ValueError for `NaN`, `Infinity` or `-Infinity`, which Python's parser accepts."""
    raise ValueError(f"{name} is not JSON")
