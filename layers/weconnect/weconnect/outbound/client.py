"""The one way out: every HTTP request that a tenant can steer goes through this client.

It is guarded (`guard`): no address inside, one deadline, bounded size. Redirects are followed only by `send`,
and every hop passes the same guard.
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
from weconnect.outbound.guard import OutboundRefused
from weconnect.outbound.transports import GuardedAsyncTransport, GuardedTransport

__all__ = ["OutboundRefused", "OutboundResponse", "async_client", "client", "problem_in", "send", "stream"]

TIMEOUT_SECONDS = 20.0
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# What may follow a redirect to another origin. Anything else could be a credential under some name.
_HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-length", "content-type", "host", "user-agent"}
)
# The connection's own business, never a caller's.
_FRAMING_HEADERS = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# They write whole addresses, with any key in their queries, at the level of ordinary logs.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class OutboundResponse:
    """An answer read to its end; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body in its declared character set, else UTF-8; what does not decode is replaced."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        try:
            return self.body.decode(charset.split(";")[0].strip(" \"'") or "utf-8", errors="replace")
        except (LookupError, UnicodeError, ValueError):
            return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON; raises UpstreamFailed when it is none."""
        try:
            value = json.loads(self.body, parse_constant=_no_constant)
            if b"\\u" in self.body:
                json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
        except (ValueError, RecursionError) as error:
            raise UpstreamFailed("The answer is not JSON", code="upstream_not_json") from error
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
    """Send one request and read its answer, all within `timeout_seconds`; any status is an answer.

    `params` are added to the URL's own. Raises OutboundRefused for an address that may not be called, and
    UpstreamFailed when nothing usable came back.
    """
    deadline = time.monotonic() + timeout_seconds
    with client(timeout_seconds=timeout_seconds, max_bytes=max_bytes) as http:
        request = _request(http, method, url, headers, deadline, params=params, json=json, content=content)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = http.send(request)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise UpstreamFailed(f"{request.url.host}: {type(error).__name__}") from error
            if response.next_request is None or not follow_redirects:
                found = {name.lower(): text for name, text in response.headers.items()}
                final = response.url.copy_with(userinfo=b"")
                return OutboundResponse(response.status_code, found, response.content, str(final))
            request = _next_hop(request, response.next_request)
        raise UpstreamFailed(f"More than {MAX_REDIRECTS} redirects", code="too_many_redirects")


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
    """Send one request and hand its answer over while it comes in: `iter_bytes()`. Follows no redirect.

    Raises as `send` does, also while the answer is read.
    """
    deadline = time.monotonic() + timeout_seconds
    with client(timeout_seconds=timeout_seconds, max_bytes=max_bytes) as http:
        request = _request(http, method, url, headers, deadline, json=json)
        try:
            response = http.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UpstreamFailed(f"{request.url.host}: {type(error).__name__}") from error


def client(*, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES) -> httpx2.Client:
    """A guarded client; `timeout_seconds` bounds each exchange as a whole. Its errors are this module's."""
    return httpx2.Client(
        transport=GuardedTransport(timeout_seconds, max_bytes),
        timeout=timeout_seconds,
        trust_env=False,
        headers={"user-agent": "WeConnect"},
    )


def async_client(
    *, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES
) -> httpx2.AsyncClient:
    """The same guard for libraries that take an `httpx2.AsyncClient`; see `problem_in` for their errors."""
    return httpx2.AsyncClient(
        transport=GuardedAsyncTransport(timeout_seconds, max_bytes),
        timeout=timeout_seconds,
        trust_env=False,
        headers={"user-agent": "WeConnect"},
    )


def problem_in(error: BaseException) -> Problem | None:
    """Our problem underneath a library's own exception, if there is one."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, Problem):
        seen = seen.__cause__ or seen.__context__
    return seen


def _request(
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
    """A request to send with `http`; raises OutboundRefused for one that cannot be."""
    if method.upper() not in METHODS:
        raise OutboundRefused(f"The method {method[:20]!r} may not be used")
    own = {name: text for name, text in (headers or {}).items() if name.lower() not in _FRAMING_HEADERS}
    try:
        return http.build_request(
            method.upper(),
            httpx2.URL(url).copy_merge_params(params) if params else url,
            headers=own,
            json=json,
            content=content,
            extensions={"deadline": deadline},
        )
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise OutboundRefused(f"The request cannot be sent: {type(error).__name__}") from error


def _next_hop(before: httpx2.Request, after: httpx2.Request) -> httpx2.Request:
    origins = {(url.scheme, url.host, url.port) for url in (before.url, after.url)}
    if len(origins) > 1:
        for name in set(after.headers) - _HARMLESS_HEADERS:
            del after.headers[name]
    return after


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
