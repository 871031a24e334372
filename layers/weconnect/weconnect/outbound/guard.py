"""What guards the way out: which address is called, how long it may take, how much may come back.

A name is resolved once, its addresses are checked, and the connection goes to an address that was checked;
the Host header and the certificate's name stay the URL's. One deadline bounds the whole exchange, and sizes
are counted after decompression. `outbound` is the module to use; `transports` applies what stands here.
"""

import functools
import ipaddress
import queue
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import httpcore2
import httpx2

from weconnect.errors import Problem, UpstreamFailed
from weconnect.settings import settings

# IANA's special-purpose registries; older versions of Python's `ipaddress.is_global` know fewer of them.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class OutboundRefused(Problem):
    status, code, title = 422, "outbound_refused", "This address may not be called"


def is_public(address: str) -> bool:
    """Whether an address is on the public internet; forms of v6 that carry a v4 address do not count."""
    ip = ipaddress.ip_address(address)
    is_assigned = ip.version == 4 or ip in _GLOBAL_V6
    return is_assigned and not any(ip in network for network in _SPECIAL if network.version == ip.version)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host name, or of an address in any form that the system takes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def checked(host: str, port: int, found: list[str]) -> list[str]:
    """The addresses to connect to. One that is not public spoils all, unless the operator allows the host."""
    names = {name for form in (host.lower(), f"[{host.lower()}]") for name in (form, f"{form}:{port}")}
    if not names & settings.outbound_allowed_hosts and not all(map(is_public, found)):
        raise OutboundRefused(
            f"{host} is not on the public internet; an operator allows it by OUTBOUND_ALLOWED_HOSTS={host}:{port}"
        )
    return found


def resolve_in_time(host: str, port: int) -> list[str]:
    """Resolve in a thread of its own, because the system's resolver takes no timeout."""
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(resolve(host, port))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        found = answers.get(timeout=left())
    except queue.Empty as error:
        raise httpcore2.ConnectTimeout(host) from error
    return _found(host, found)


def _found(host: str, found: list[str] | Exception) -> list[str]:
    if isinstance(found, OSError | UnicodeError) or not found:
        raise UpstreamFailed(f"The name {host} could not be resolved", code="upstream_unresolved")
    if isinstance(found, Exception):
        raise found
    return found


# Every exchange


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """The system's trusted certificates, read once."""
    return httpcore2.default_ssl_context()


def begin(request: httpx2.Request, timeout_seconds: float) -> tuple[httpcore2.Request, float]:
    """The request for the connection pool, and its deadline."""
    url = request.url
    if url.scheme not in ("http", "https") or not url.host:
        raise OutboundRefused("Only http and https addresses may be called")
    if url.port is not None and not 0 < url.port < 65_536:
        raise OutboundRefused("There is no such port")
    request.headers["accept-encoding"] = "gzip"  # the one that `Unpacking` bounds while it unpacks
    target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    begun = httpcore2.Request(
        request.method,
        target,
        headers=request.headers.raw,
        content=cast(Any, request.stream),
        extensions={"timeout": {"pool": timeout_seconds}},
    )
    return begun, request.extensions.get("deadline", time.monotonic() + timeout_seconds)


def left() -> float:
    """Seconds until the exchange's deadline."""
    seconds = _deadline.get() - time.monotonic()
    if seconds <= 0:
        raise httpcore2.ReadTimeout("deadline")
    return min(seconds, 86_400)


@contextmanager
def within(host: str, deadline: float) -> Iterator[None]:
    """Hold everything inside to the deadline, and turn what fails into this module's errors."""
    before = _deadline.set(deadline)
    try:
        yield
    except (httpcore2.TimeoutException, TimeoutError) as error:
        raise UpstreamFailed(f"{host} did not answer in time", code="upstream_timeout") from error
    except httpcore2.LocalProtocolError as error:
        raise OutboundRefused("The request cannot be sent: a header or the address is malformed") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, zlib.error) as error:
        reason = "its certificate was not accepted" if _is_about_tls(error) else "the connection failed"
        raise UpstreamFailed(f"{host} could not be reached: {reason}") from error
    finally:
        _deadline.reset(before)


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


class Unpacking:
    """Unpacks a body piece by piece and stops at the limit: a small bomb never becomes a large text."""

    def __init__(self, headers: list[tuple[bytes, bytes]], host: str, limit: int) -> None:
        encoding = (
            b",".join(text for name, text in headers if name.lower() == b"content-encoding").strip().lower()
        )
        if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
            raise UpstreamFailed(f"{host} answered in an encoding that was not asked for")
        self._gzip = zlib.decompressobj(wbits=31) if encoding.endswith(b"gzip") else None
        self._host, self._limit, self._size, self._packed = host, limit, 0, 0
        dropped = (b"content-encoding", b"content-length") if self._gzip else ()
        self.headers = [(name, text) for name, text in headers if name.lower() not in dropped]

    def add(self, data: bytes) -> bytes:
        """What `data` unpacks to."""
        if self._gzip is None:
            return self._counted(data)
        self._packed += len(data)
        pieces = [self._counted(b"")]
        while data:
            if self._gzip.eof:
                if data[:1] != b"\x1f":  # padding, not another member
                    break
                self._gzip = zlib.decompressobj(wbits=31)
            pieces.append(self._counted(self._gzip.decompress(data, 65_536)))
            data = self._gzip.unconsumed_tail or self._gzip.unused_data
        return b"".join(pieces)

    def end(self) -> bytes:
        """What is left at the end of the body; raises when the body broke off."""
        if self._gzip is None or not self._packed:
            return b""
        rest = b"" if self._gzip.eof else self._counted(self._gzip.decompress(b"", 65_536))
        if not self._gzip.eof:
            raise UpstreamFailed(f"{self._host} broke off its answer")
        return rest

    def _counted(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if max(self._size, self._packed) > self._limit:
            raise UpstreamFailed(
                f"{self._host} answered more than {self._limit} bytes", code="upstream_too_large"
            )
        return piece
