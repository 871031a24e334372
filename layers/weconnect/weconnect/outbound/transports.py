"""The transports of the synchronous and the asynchronous client, which apply the rules in `guard`."""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, cast

import anyio
import httpcore2
import httpx2

from weconnect.errors import UpstreamFailed
from weconnect.outbound.guard import (
    BodyDecoder,
    deadline_scope,
    prepare_request,
    require_public,
    resolve_before_deadline,
    seconds_left,
    ssl_context,
)

CONNECT_SECONDS = 5.0


# Synchronous


class GuardedTransport(httpx2.BaseTransport):
    """A transport whose exchanges end within `timeout_seconds` and whose bodies have at most `max_bytes`."""

    def __init__(self, timeout_seconds: float, max_bytes: int) -> None:
        self._timeout_seconds, self._max_bytes = timeout_seconds, max_bytes
        self._pool = httpcore2.ConnectionPool(ssl_context=ssl_context(), network_backend=_Network())

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response to a request; its body is checked while it is read."""
        prepared, deadline = prepare_request(request, self._timeout_seconds)
        host = request.url.host
        with deadline_scope(host, deadline):
            response = self._pool.handle_request(prepared)
            try:
                decoder = BodyDecoder(response.headers, host, self._max_bytes)
            except UpstreamFailed:
                response.close()
                raise
        body = _Body(response, decoder, host, deadline)
        return httpx2.Response(response.status, headers=decoder.headers, stream=body)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(
        self, response: httpcore2.Response, decoder: BodyDecoder, host: str, deadline: float
    ) -> None:
        self._response, self._decoder, self._host, self._deadline = response, decoder, host, deadline

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(cast(Iterable[bytes], self._response.stream))
        part: bytes | None = b""
        while part is not None:
            with deadline_scope(self._host, self._deadline):
                part = next(parts, None)
                piece = self._decoder.end() if part is None else self._decoder.add(part)
            if piece:
                yield piece

    def close(self) -> None:
        self._response.close()


class _Network(httpcore2.NetworkBackend):
    """Connects to addresses that were checked; the pool above still knows the host by its name."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first checked address of a host that accepts; `timeout` is ignored for the deadline."""
        addresses = require_public(host, port, resolve_before_deadline(host, port))
        for address in addresses:
            try:
                return _Stream(self._connect(address, port, min(seconds_left(), CONNECT_SECONDS)))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise httpcore2.ConnectError("no address")

    def _connect(self, address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
        """Return a connection to an address without any check."""
        return httpcore2.SyncBackend().connect_tcp(address, port, timeout=seconds)


class _Stream(httpcore2.NetworkStream):
    """A connection whose every read and write ends at the exchange's deadline."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes`; the exchange's deadline replaces `timeout`."""
        return self._inner.read(max_bytes, seconds_left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send the whole buffer before the deadline; `timeout` is ignored. Raises WriteTimeout or WriteError."""
        connection = self._inner.get_extra_info("socket")
        view = memoryview(buffer)
        while view:
            try:
                connection.settimeout(seconds_left())
                view = view[connection.send(view) :]
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(str(error)) from error
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Return the connection under TLS; the exchange's deadline replaces `timeout`."""
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds_left()))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# Asynchronous


class GuardedAsyncTransport(httpx2.AsyncBaseTransport):
    """As `GuardedTransport`, for the asynchronous client."""

    def __init__(self, timeout_seconds: float, max_bytes: int) -> None:
        self._timeout_seconds, self._max_bytes = timeout_seconds, max_bytes
        self._pool = httpcore2.AsyncConnectionPool(ssl_context=ssl_context(), network_backend=_AsyncNetwork())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response to a request; its body is checked while it is read."""
        prepared, deadline = prepare_request(request, self._timeout_seconds)
        host = request.url.host
        with deadline_scope(host, deadline):
            with anyio.fail_after(seconds_left()):
                response = await self._pool.handle_async_request(prepared)
            try:
                decoder = BodyDecoder(response.headers, host, self._max_bytes)
            except UpstreamFailed:
                await response.aclose()
                raise
        body = _AsyncBody(response, decoder, host, deadline)
        return httpx2.Response(response.status, headers=decoder.headers, stream=body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(
        self, response: httpcore2.Response, decoder: BodyDecoder, host: str, deadline: float
    ) -> None:
        self._response, self._decoder, self._host, self._deadline = response, decoder, host, deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(cast(AsyncIterator[bytes], self._response.stream))
        part: bytes | None = b""
        while part is not None:
            with deadline_scope(self._host, self._deadline):
                with anyio.fail_after(seconds_left()):
                    part = await anext(parts, None)
                piece = self._decoder.end() if part is None else self._decoder.add(part)
            if piece:
                yield piece

    async def aclose(self) -> None:
        """Close the response."""
        await self._response.aclose()


class _AsyncNetwork(httpcore2.AsyncNetworkBackend):
    """As `_Network`; the deadline comes from the scope around it."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first checked address of a host that accepts; `timeout` is ignored."""
        addresses = require_public(
            host, port, await anyio.to_thread.run_sync(resolve_before_deadline, host, port)
        )
        for address in addresses:
            try:
                return await self._connect(address, port, min(seconds_left(), CONNECT_SECONDS))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise httpcore2.ConnectError("no address")

    async def _connect(self, address: str, port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
        """Return a connection to an address without any check."""
        return await httpcore2.AnyIOBackend().connect_tcp(address, port, timeout=seconds)
