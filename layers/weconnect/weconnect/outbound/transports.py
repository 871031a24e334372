"""The transports of the synchronous and the asynchronous client. They apply the rules in `guard`."""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, cast

import anyio
import httpcore2
import httpx2

from weconnect.errors import UpstreamFailed
from weconnect.outbound.guard import Unpacking, begin, checked, left, resolve_in_time, ssl_context, within

CONNECT_SECONDS = 5.0


# Synchronous


class GuardedTransport(httpx2.BaseTransport):
    def __init__(self, timeout_seconds: float, max_bytes: int) -> None:
        self._timeout_seconds, self._max_bytes = timeout_seconds, max_bytes
        self._pool = httpcore2.ConnectionPool(ssl_context=ssl_context(), network_backend=_Network())

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        begun, deadline = begin(request, self._timeout_seconds)
        host = request.url.host
        with within(host, deadline):
            answer = self._pool.handle_request(begun)
            try:
                unpacking = Unpacking(answer.headers, host, self._max_bytes)
            except UpstreamFailed:
                answer.close()
                raise
        body = _Body(answer, unpacking, host, deadline)
        return httpx2.Response(answer.status, headers=unpacking.headers, stream=body)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response, unpacking: Unpacking, host: str, deadline: float) -> None:
        self._answer, self._unpacking, self._host, self._until = answer, unpacking, host, deadline

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(cast(Iterable[bytes], self._answer.stream))
        part: bytes | None = b""
        while part is not None:
            with within(self._host, self._until):
                part = next(parts, None)
                piece = self._unpacking.end() if part is None else self._unpacking.add(part)
            if piece:
                yield piece

    def close(self) -> None:
        self._answer.close()


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
        addresses = checked(host, port, resolve_in_time(host, port))
        for address in addresses:
            try:
                return _Stream(self._connect(address, port, min(left(), CONNECT_SECONDS)))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise httpcore2.ConnectError("no address")

    def _connect(self, address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
        return httpcore2.SyncBackend().connect_tcp(address, port, timeout=seconds)


class _Stream(httpcore2.NetworkStream):
    """A connection whose every read and write ends at the exchange's deadline."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        connection = self._inner.get_extra_info("socket")
        view = memoryview(buffer)
        while view:
            try:
                connection.settimeout(left())
                view = view[connection.send(view) :]
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(str(error)) from error
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left()))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# Asynchronous


class GuardedAsyncTransport(httpx2.AsyncBaseTransport):
    def __init__(self, timeout_seconds: float, max_bytes: int) -> None:
        self._timeout_seconds, self._max_bytes = timeout_seconds, max_bytes
        self._pool = httpcore2.AsyncConnectionPool(ssl_context=ssl_context(), network_backend=_AsyncNetwork())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        begun, deadline = begin(request, self._timeout_seconds)
        host = request.url.host
        with within(host, deadline):
            with anyio.fail_after(left()):
                answer = await self._pool.handle_async_request(begun)
            try:
                unpacking = Unpacking(answer.headers, host, self._max_bytes)
            except UpstreamFailed:
                await answer.aclose()
                raise
        body = _AsyncBody(answer, unpacking, host, deadline)
        return httpx2.Response(answer.status, headers=unpacking.headers, stream=body)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response, unpacking: Unpacking, host: str, deadline: float) -> None:
        self._answer, self._unpacking, self._host, self._until = answer, unpacking, host, deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(cast(AsyncIterator[bytes], self._answer.stream))
        part: bytes | None = b""
        while part is not None:
            with within(self._host, self._until):
                with anyio.fail_after(left()):
                    part = await anext(parts, None)
                piece = self._unpacking.end() if part is None else self._unpacking.add(part)
            if piece:
                yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


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
        addresses = checked(host, port, await anyio.to_thread.run_sync(resolve_in_time, host, port))
        for address in addresses:
            try:
                return await self._connect(address, port, min(left(), CONNECT_SECONDS))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise httpcore2.ConnectError("no address")

    async def _connect(self, address: str, port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
        return await httpcore2.AnyIOBackend().connect_tcp(address, port, timeout=seconds)
