"""The rules for outbound requests: the addresses that may be called, the time they may take, the size of a response.

A name is resolved once, its addresses are checked, and the connection goes to an address that was checked; the Host
header and the certificate's name stay the URL's. One deadline bounds the whole exchange, and sizes are counted after
decompression. `client` is the module to use; `transports` applies these rules.
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

from weconnect.errors import UpstreamFailed
from weconnect.outbound.errors import HostRefused, OutboundRefused, UpstreamTimeout, UpstreamTooLarge
from weconnect.settings import settings

# IANA's special-purpose registries; older versions of Python's `ipaddress.is_global` know fewer of them.
_SPECIAL_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


def is_public(address: str) -> bool:
    """Return whether an address is on the public internet; forms of IPv6 that carry an IPv4 address do not count."""
    ip = ipaddress.ip_address(address)
    is_assigned = ip.version == 4 or ip in _GLOBAL_IPV6
    return is_assigned and not any(
        ip in network for network in _SPECIAL_NETWORKS if network.version == ip.version
    )


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host name, or of an address in any form that the system accepts."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in infos))


def require_public(host: str, port: int, addresses: list[str]) -> list[str]:
    """Return the addresses to connect to; raise HostRefused when one is not public.

    Hosts in OUTBOUND_ALLOWED_HOSTS may have any addresses.
    """
    names = {name for form in (host.lower(), f"[{host.lower()}]") for name in (form, f"{form}:{port}")}
    if not names & settings.outbound_allowed_hosts and not all(map(is_public, addresses)):
        raise build_refusal(host, port)
    return addresses


def build_refusal(host: str, port: int) -> OutboundRefused:
    """Return the one error for a name without addresses and for one with an address that is not public.

    Two errors would tell which names exist in the network that this code runs in. It may be retried: a name that does
    not resolve now may do so later, when its server responds again. Only for an address itself this is final.
    """
    try:
        kind = OutboundRefused if ipaddress.ip_address(host) else HostRefused
    except ValueError:
        kind = HostRefused
    return kind(
        f"{host} has no address on the public internet. Check the name; an operator allows an internal one by "
        f"OUTBOUND_ALLOWED_HOSTS={host}:{port}."
    )


def resolve_before_deadline(host: str, port: int) -> list[str]:
    """Return the addresses of a host, resolved in a thread, because the system's resolver takes no timeout.

    Raises HostRefused for a name without addresses, and a timeout of the connection at the deadline.
    """
    results: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        """Put the addresses, or the error, into `results`."""
        try:
            results.put(resolve_host(host, port))
        except Exception as error:
            results.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        result = results.get(timeout=seconds_left())
    except queue.Empty as error:
        raise httpcore2.ConnectTimeout(host) from error
    if isinstance(result, OSError | UnicodeError) or not result:
        raise build_refusal(host, port)
    if isinstance(result, Exception):
        raise result
    return result


# Every exchange


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """Return a TLS context with the system's trusted certificates, which are read once."""
    return httpcore2.default_ssl_context()


def prepare_request(request: httpx2.Request, timeout_seconds: float) -> tuple[httpcore2.Request, float]:
    """Return the request for the connection pool, and its deadline (on the monotonic clock).

    Raises OutboundRefused for an address that is not http or https.
    """
    url = request.url
    if url.scheme not in ("http", "https") or not url.host:
        raise OutboundRefused("Only http and https addresses may be called")
    if url.port is not None and not 0 < url.port < 65_536:
        raise OutboundRefused("The port must be between 1 and 65535")
    request.headers["accept-encoding"] = "gzip"  # the one that `BodyDecoder` bounds while it decodes
    target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    prepared = httpcore2.Request(
        request.method,
        target,
        headers=request.headers.raw,
        content=cast(Any, request.stream),
        extensions={"timeout": {"pool": timeout_seconds}},
    )
    return prepared, request.extensions.get("deadline", time.monotonic() + timeout_seconds)


def seconds_left() -> float:
    """Return the seconds until the deadline of the exchange; raise a timeout when it is over."""
    seconds = _deadline.get() - time.monotonic()
    if seconds <= 0:
        raise httpcore2.ReadTimeout("deadline")
    return min(seconds, 86_400)


@contextmanager
def deadline_scope(host: str, deadline: float) -> Iterator[None]:
    """Apply a deadline to the requests in the context; raise their failures as OutboundRefused or UpstreamFailed."""
    before = _deadline.set(deadline)
    try:
        yield
    except (httpcore2.TimeoutException, TimeoutError) as error:
        raise UpstreamTimeout(f"{host} did not respond in time") from error
    except httpcore2.LocalProtocolError as error:
        raise OutboundRefused("The request cannot be sent: a header or the address is malformed") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, zlib.error) as error:
        reason = "its certificate was not accepted" if _is_about_tls(error) else "the connection failed"
        raise UpstreamFailed(f"{host} could not be reached: {reason}") from error
    finally:
        _deadline.reset(before)


def _is_about_tls(error: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, comes from TLS."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


class BodyDecoder:
    """Decompresses a body piece by piece and stops at the limit: a small bomb never becomes a large text.

    Its methods raise UpstreamTooLarge beyond `limit` bytes.
    """

    def __init__(self, headers: list[tuple[bytes, bytes]], host: str, limit: int) -> None:
        encoding = (
            b",".join(text for name, text in headers if name.lower() == b"content-encoding").strip().lower()
        )
        if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
            raise UpstreamFailed(f"{host} responded in an encoding that was not requested")
        self._gzip = zlib.decompressobj(wbits=31) if encoding.endswith(b"gzip") else None
        self._host, self._limit, self._size, self._compressed_size = host, limit, 0, 0
        dropped = (b"content-encoding", b"content-length") if self._gzip else ()
        self.headers = [(name, text) for name, text in headers if name.lower() not in dropped]

    def add(self, data: bytes) -> bytes:
        """Return the decompressed `data`."""
        if self._gzip is None:
            return self._count(data)
        self._compressed_size += len(data)
        pieces = [self._count(b"")]
        while data:
            if self._gzip.eof:
                if data[:1] != b"\x1f":  # padding, not another member
                    break
                self._gzip = zlib.decompressobj(wbits=31)
            pieces.append(self._count(self._gzip.decompress(data, 65_536)))
            data = self._gzip.unconsumed_tail or self._gzip.unused_data
        return b"".join(pieces)

    def end(self) -> bytes:
        """Return the rest at the end of the body. Raises UpstreamFailed when the body was cut off."""
        if self._gzip is None or not self._compressed_size:
            return b""
        rest = b"" if self._gzip.eof else self._count(self._gzip.decompress(b"", 65_536))
        if not self._gzip.eof:
            raise UpstreamFailed(f"{self._host} cut off its response")
        return rest

    def _count(self, piece: bytes) -> bytes:
        """Return the piece after counting its bytes. Raises UpstreamTooLarge beyond the limit."""
        self._size += len(piece)
        if max(self._size, self._compressed_size) > self._limit:
            raise UpstreamTooLarge(f"The response of {self._host} exceeds {self._limit} bytes")
        return piece
