"""Outbound requests: addresses, certificates, redirects, deadlines, sizes and responses."""

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest

from weconnect.errors import Problem, UpstreamFailed
from weconnect.outbound import client as outbound
from weconnect.outbound import guard, transports
from weconnect.outbound.errors import HostRefused, OutboundRefused
from weconnect.outbound.guard import is_public
from weconnect.settings import settings

Responder = Callable[[socket.socket], None]
PUBLIC = "93.184.215.14"


class Server:
    """A server on a loopback address that responds to each connection's first request with `respond`."""

    def __init__(
        self, respond: Responder, *, family: int = socket.AF_INET, tls: ssl.SSLContext | None = None
    ) -> None:
        self.respond, self.tls = respond, tls
        self.requests: list[str] = []
        self.names: list[str | None] = []
        self.listener = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
        )
        self.port = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, rest = data.partition(b"\r\n\r\n")
            lines = head.decode().lower().splitlines()
            length = next(
                (int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0
            )
            while len(rest) < length:
                rest += connection.recv(65536)
            self.requests.append((head + b"\r\n\r\n" + rest).decode())
            self.respond(connection)
        except OSError:
            pass  # the client closed the connection, as it should beyond its limits
        finally:
            connection.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(5)
        for thread in self.threads:
            thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(respond: Responder, **options: Any) -> Server:
        servers.append(Server(respond, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def allowed(*hosts: str) -> None:
        monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset(hosts))

    return allowed


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by host name, as the test sets them; of several, each lookup consumes one."""
    addresses_by_name: dict[str, list[str]] = {}
    genuine = guard.resolve_host

    def resolve(host: str, port: int) -> list[str]:
        if host not in addresses_by_name:
            return genuine(host, port)
        addresses = addresses_by_name[host]
        return [addresses.pop(0) if len(addresses) > 1 else addresses[0]]

    monkeypatch.setattr(guard, "resolve_host", resolve)
    return addresses_by_name


def reply(body: bytes = b"ok", status: str = "200 OK", **headers: str) -> Responder:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())

    def respond(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{lines}\r\n"
        connection.sendall(head.encode() + body)

    return respond


def drip(head: bytes, piece: bytes) -> Responder:
    """Return a responder that sends `piece` repeatedly until the client closes the connection."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(head)
        never = threading.Event()
        while True:
            connection.sendall(piece)
            never.wait(0.02)

    return respond


# Addresses


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1"),
        *("198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255"),
        *("240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
        *("2002:7f00:1::", "2001::1", "2001:db8::1", "100::1", "3fff::1"),
    ],
)
def test_an_address_of_a_special_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", PUBLIC, "172.32.0.1", "100.128.0.1", "2606:2800:21f:cb07::1", "2a00:1450:4001::1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "localhost",
            "localhost.",
        ),
        *(
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
        ),
        *("169.254.169.254", "2852039166", "0xa9fea9fe", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"),
        *("10.0.0.1", "192.168.0.1", "100.100.100.200", "①②⑦.⓪.⓪.①"),
    ],
)
def test_every_form_of_an_internal_address_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports._Network, "_connect", _must_not_connect)
    monkeypatch.setattr(transports._AsyncNetwork, "_connect", _must_not_connect)
    url = f"http://{host}:1/latest/meta-data"
    with pytest.raises((OutboundRefused, UpstreamFailed)) as failed:
        outbound.send("GET", url)
    with pytest.raises((OutboundRefused, UpstreamFailed, httpx2.InvalidURL)):
        asyncio.run(_get(url))
    assert failed.value.code == "outbound_refused"


def _must_not_connect(*args: Any) -> Any:
    raise AssertionError("connected")


async def _get(url: str, **options: Any) -> Any:
    async with outbound.async_client(**options) as http:
        return await http.get(url)


def test_a_name_of_an_internal_address_is_refused(names: dict[str, list[str]]) -> None:
    names["intranet.example"] = ["10.1.2.3"]
    with pytest.raises(OutboundRefused, match=r"intranet\.example has no address on the public internet"):
        outbound.send("GET", "https://intranet.example/")


@pytest.mark.parametrize(
    "resolve",
    [
        lambda host, port: ["10.1.2.3"],
        lambda host, port: _raise(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")),
        lambda host, port: _raise(socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        lambda host, port: [],
    ],
    ids=["internal", "resolver is down", "no such name", "no addresses"],
)
def test_a_name_that_is_refused_may_be_tried_later_and_tells_nothing(
    resolve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "resolve_host", resolve)
    with pytest.raises(HostRefused) as refused:
        outbound.send("GET", "https://api.example/")
    assert (refused.value.code, refused.value.detail) == (
        "outbound_refused",
        "api.example has no address on the public internet. Check the name; an operator allows an internal one by "
        "OUTBOUND_ALLOWED_HOSTS=api.example:443.",
    )


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize("address", ["169.254.169.254", "[fd00:ec2::254]"])
def test_an_internal_address_itself_is_refused_for_good(address: str) -> None:
    with pytest.raises(OutboundRefused) as refused:
        outbound.send("GET", f"http://{address}/")
    assert not isinstance(refused.value, HostRefused)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "resolve_host", lambda host, port: [PUBLIC, "127.0.0.1"])
    monkeypatch.setattr(transports._Network, "_connect", _must_not_connect)
    with pytest.raises(OutboundRefused):
        outbound.send("GET", "http://mixed.example/")


def test_the_connection_goes_to_the_address_that_was_checked(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second result, an internal address, is never looked up."""
    names["rebind.example"] = [PUBLIC, "127.0.0.1"]
    connected: list[tuple[str, int]] = []

    def connect(self: Any, address: str, port: int, seconds: float) -> Any:
        connected.append((address, port))
        raise httpcore2.ConnectError("no internet here")

    async def connect_async(self: Any, address: str, port: int, seconds: float) -> Any:
        return connect(self, address, port, seconds)

    monkeypatch.setattr(transports._Network, "_connect", connect)
    monkeypatch.setattr(transports._AsyncNetwork, "_connect", connect_async)
    with pytest.raises(UpstreamFailed):
        outbound.send("GET", "http://rebind.example:8080/")
    assert connected == [(PUBLIC, 8080)]
    with pytest.raises(OutboundRefused):  # the next connection looks the name up again, and is checked again
        outbound.send("GET", "http://rebind.example:8080/")
    names["rebind.example"] = [PUBLIC, "127.0.0.1"]
    with pytest.raises(UpstreamFailed):
        asyncio.run(_get("http://rebind.example:8080/"))
    assert connected == [(PUBLIC, 8080)] * 2


def test_the_next_address_of_a_name_is_tried(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, allow: Callable[..., None]
) -> None:
    server = serve(reply())
    allow("two.example")
    monkeypatch.setattr(guard, "resolve_host", lambda host, port: ["::1", "127.0.0.1"])
    assert outbound.send("GET", f"http://two.example:{server.port}/").body == b"ok"
    assert asyncio.run(_get(f"http://two.example:{server.port}/")).text == "ok"


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "file:///etc/passwd", "gopher://x/", "/only/a/path", "http:///x"]
)
def test_only_http_and_https_are_allowed(url: str) -> None:
    with pytest.raises(OutboundRefused):
        outbound.send("GET", url)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET / HTTP/1.1\r\nX: y"])
def test_unusual_methods_are_refused(method: str) -> None:
    with pytest.raises(OutboundRefused):
        outbound.send(method, "http://example.com/")


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://example.com:99999/", {}),
        ("http://127.0.0.1:{port}/", {"X-A": "b\r\nInjected: 1"}),
        ("http://127.0.0.1:{port}/", {"bad name": "x"}),
        ("http://127.0.0.1:{port}/", {"X-A": "ü☃"}),
    ],
)
def test_malformed_requests_are_refused(
    url: str, headers: dict[str, str], serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply())
    allow("127.0.0.1")
    with pytest.raises(OutboundRefused):
        outbound.send("GET", url.format(port=server.port), headers=headers)
    assert server.requests == []


def test_an_error_does_not_tell_whether_an_internal_name_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **options: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Problem) as private:
        monkeypatch.setattr(guard, "resolve_host", lambda host, port: ["10.1.2.3"])
        outbound.send("GET", "http://db.example/")
    with pytest.raises(Problem) as missing:
        monkeypatch.undo()
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        outbound.send("GET", "http://db.example/")
    assert (private.value.code, private.value.detail) == (missing.value.code, missing.value.detail)


def test_a_resolver_that_hangs_is_abandoned_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(guard, "resolve_host", lambda host, port: released.wait(30) and [PUBLIC])
    with pytest.raises(UpstreamFailed) as failed:
        outbound.send("GET", "http://slow.example/", timeout_seconds=0.1)
    assert failed.value.code == "upstream_timeout" and not released.is_set()
    released.set()


# The allow-list


@pytest.mark.parametrize("form", ["127.0.0.1", "127.0.0.1:{port}"])
def test_an_allowed_host_is_called(
    form: str, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply(b'{"a": 1}', Content_Type="application/json", X_Two="1"))
    allow(form.format(port=server.port))
    response = outbound.send(
        "post",
        f"http://127.0.0.1:{server.port}/p?a=1",
        params={"b": "ü"},
        json={"c": 2},
        headers={"X-Own": "1"},
    )
    assert (response.status, response.json(), response.text, response.headers["x-two"]) == (
        200,
        {"a": 1},
        '{"a": 1}',
        "1",
    )
    request = server.requests[0]
    assert request.startswith("POST /p?a=1&b=%C3%BC HTTP/1.1\r\n") and request.endswith('{"c":2}')
    assert f"Host: 127.0.0.1:{server.port}\r\n" in request and "X-Own: 1\r\n" in request


def test_names_and_ipv6_addresses_can_be_allowed(
    serve: Callable[..., Server], allow: Callable[..., None], names: dict[str, list[str]]
) -> None:
    server = serve(reply(), family=socket.AF_INET6)
    names["ollama.internal"] = ["::1"]
    allow(f"ollama.internal:{server.port}")
    assert outbound.send("GET", f"http://OLLAMA.internal:{server.port}/").status == 200
    assert f"Host: ollama.internal:{server.port}\r\n" in server.requests[0]
    with pytest.raises(OutboundRefused):
        outbound.send("GET", f"http://[::1]:{server.port}/")
    allow(f"[::1]:{server.port}")
    assert outbound.send("GET", f"http://[::1]:{server.port}/").status == 200
    assert f"Host: [::1]:{server.port}\r\n" in server.requests[1]


@pytest.mark.parametrize("allowed", ["127.0.0.1:1", "127.0.0.11", "localhost", "", "127.0.0.1."])
def test_the_allow_list_is_exact(
    allowed: str, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply())
    allow(allowed)
    with pytest.raises(OutboundRefused):
        outbound.send("GET", f"http://127.0.0.1:{server.port}/")


def test_the_environments_proxy_is_not_used(
    serve: Callable[..., Server], allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(reply(b"proxy")), serve(reply(b"server"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    allow("127.0.0.1")
    assert outbound.send("GET", f"http://127.0.0.1:{server.port}/").text == "server"
    assert asyncio.run(_get(f"http://127.0.0.1:{server.port}/")).text == "server"
    assert proxy.requests == []


# Certificates


@pytest.fixture
def good_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context with a certificate for good.example, which the client trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "good.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("good.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(transports, "ssl_context", lambda: trusting)
    return server


def test_the_certificate_is_checked_against_the_name(
    serve: Callable[..., Server],
    allow: Callable[..., None],
    names: dict[str, list[str]],
    good_example: ssl.SSLContext,
) -> None:
    indicated: list[str | None] = []
    good_example.sni_callback = lambda connection, name, context: indicated.append(name)
    server = serve(reply(), tls=good_example)
    allow("good.example", "evil.example")
    names.update({"good.example": ["127.0.0.1"], "evil.example": ["127.0.0.1"]})
    assert outbound.send("GET", f"https://good.example:{server.port}/").body == b"ok"
    assert asyncio.run(_get(f"https://good.example:{server.port}/")).text == "ok"
    assert indicated == ["good.example"] * 2
    for call in (lambda url: outbound.send("GET", url), lambda url: asyncio.run(_get(url))):
        with pytest.raises(UpstreamFailed, match="certificate was not accepted"):
            call(f"https://evil.example:{server.port}/")
    assert len(server.requests) == 2


# Redirects


def test_redirects_are_not_followed_by_default(
    serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply(b"", "302 Found", Location="http://169.254.169.254/"))
    allow("127.0.0.1")
    assert outbound.send("GET", f"http://127.0.0.1:{server.port}/").status == 302
    assert asyncio.run(_get(f"http://127.0.0.1:{server.port}/")).status_code == 302


@pytest.mark.parametrize(
    "location",
    [
        *(
            "http://169.254.169.254/latest",
            "http://2130706433:1/",
            "//10.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
        ),
        *("file:///etc/passwd", "ftp://127.0.0.1/", "http://inside.example/"),
    ],
)
def test_a_redirect_to_an_internal_address_is_refused(
    location: str, serve: Callable[..., Server], allow: Callable[..., None], names: dict[str, list[str]]
) -> None:
    names["inside.example"] = ["192.168.7.7"]
    server = serve(reply(b"", "302 Found", Location=location))
    allow(f"127.0.0.1:{server.port}")
    with pytest.raises(OutboundRefused):
        outbound.send("GET", f"http://127.0.0.1:{server.port}/", follow_redirects=True)


CALLERS_OWN = {
    "Authorization": "Bearer s3cret",
    "X-Own-Token": "s3cret",
    "Cookie": "s3cret=1",
    "Accept": "s3cret/plain",
    "Accept-Language": "s3cret",
    "User-Agent": "s3cret",
    "Content-Type": "text/s3cret",
}


@pytest.mark.parametrize(
    ("status", "method", "content"),
    [
        *((status, "GET", None) for status in (301, 302, 303, 307, 308)),
        *((status, "POST", "s3cret body") for status in (301, 302, 303)),
        *((303, "PUT", "s3cret body"), (307, "HEAD", None)),
    ],
)
def test_nothing_that_a_caller_set_follows_a_redirect_to_another_origin(
    status: int, method: str, content: str | None, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    other = serve(reply(b"there"))
    server = serve(reply(b"", f"{status} Moved", Location=f"http://127.0.0.1:{other.port}/b"))
    allow("127.0.0.1")
    response = outbound.send(
        method,
        f"http://127.0.0.1:{server.port}/a",
        headers=CALLERS_OWN,
        content=content,
        follow_redirects=True,
    )
    assert response.url == f"http://127.0.0.1:{other.port}/b"
    assert server.requests[0].count("s3cret") == len(CALLERS_OWN) + bool(content)
    (request,) = other.requests
    assert "s3cret" not in request
    assert request.startswith("HEAD /b" if method == "HEAD" else "GET /b")
    assert "user-agent: weconnect" in request.lower()


@pytest.mark.parametrize(
    ("status", "method", "content"),
    [
        *((status, "POST", "s3cret body") for status in (307, 308)),
        *((301, "PUT", "x"), (307, "DELETE", None), (308, "GET", "s3cret body")),
    ],
)
def test_a_redirect_that_takes_a_body_to_another_origin_is_refused(
    status: int, method: str, content: str | None, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    other = serve(reply(b"there"))
    server = serve(reply(b"", f"{status} Moved", Location=f"http://127.0.0.1:{other.port}/b"))
    allow("127.0.0.1")
    with pytest.raises(OutboundRefused, match=f"redirects the {method} request to 127.0.0.1, another origin"):
        outbound.send(
            method, f"http://127.0.0.1:{server.port}/a", content=content, headers={}, follow_redirects=True
        )
    assert other.requests == []


def test_credentials_are_sent_along_within_an_origin(
    serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    responders = [reply(b"", "303 See Other", Location="/done"), reply(b"done")]
    server = serve(lambda connection: responders.pop(0)(connection))
    allow("127.0.0.1")
    response = outbound.send(
        "POST",
        f"http://127.0.0.1:{server.port}/",
        headers={"Authorization": "Bearer x"},
        json={},
        follow_redirects=True,
    )
    assert response.text == "done"
    assert server.requests[1].startswith("GET /done") and "Authorization: Bearer x" in server.requests[1]


def test_at_most_five_redirects_are_followed(
    serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply(b"", "302 Found", Location="/again"))
    allow("127.0.0.1")
    with pytest.raises(UpstreamFailed) as failed:
        outbound.send("GET", f"http://127.0.0.1:{server.port}/", follow_redirects=True)
    assert failed.value.code == "too_many_redirects"
    assert len(server.requests) == 6


# Time and size


@pytest.mark.parametrize(
    "respond",
    [
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n", gzip.compress(b"")),
    ],
    ids=["body", "headers", "informational", "empty gzip members"],
)
def test_a_server_that_drips_is_cut_off(
    respond: Responder, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    """Each piece arrives in time, so that only a bound on the whole exchange ends it."""
    server = serve(respond)
    allow("127.0.0.1")
    url = f"http://127.0.0.1:{server.port}/"
    for call in (
        lambda: outbound.send("GET", url, timeout_seconds=0.4),
        lambda: asyncio.run(_get(url, timeout_seconds=0.4)),
    ):
        with pytest.raises(UpstreamFailed) as failed:
            call()
        assert failed.value.code == "upstream_timeout"


def test_a_server_that_does_not_read_is_cut_off(
    serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    allow("127.0.0.1")
    with pytest.raises(UpstreamFailed) as failed:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outbound.send("POST", url, content=b"x" * 50_000_000, timeout_seconds=0.3)
    assert failed.value.code == "upstream_timeout"
    listener.close()


def test_redirects_share_one_deadline(
    serve: Callable[..., Server], allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []

    def prepare(request: httpx2.Request, timeout_seconds: float) -> Any:
        prepared, deadline = guard.prepare_request(request, timeout_seconds)
        deadlines.append(deadline)
        return prepared, deadline

    monkeypatch.setattr(transports, "prepare_request", prepare)
    slow = serve(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"))
    server = serve(reply(b"", "302 Found", Location=f"http://127.0.0.1:{slow.port}/"))
    allow("127.0.0.1")
    with pytest.raises(UpstreamFailed) as failed:
        outbound.send("GET", f"http://127.0.0.1:{server.port}/", timeout_seconds=0.4, follow_redirects=True)
    assert failed.value.code == "upstream_timeout" and len(slow.requests) == 1
    assert len(deadlines) == 2 and len(set(deadlines)) == 1


def test_a_response_that_is_too_large_is_cut_off(
    serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x" * 40_000))
    allow("127.0.0.1")
    url = f"http://127.0.0.1:{server.port}/"
    for call in (
        lambda: outbound.send("GET", url, max_bytes=100_000),
        lambda: asyncio.run(_get(url, max_bytes=100_000)),
    ):
        with pytest.raises(UpstreamFailed) as failed:
            call()
        assert failed.value.code == "upstream_too_large"


@pytest.mark.parametrize("members", [1, 3])
def test_a_gzip_bomb_is_cut_off(
    members: int, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    bomb = gzip.compress(b"\0" * 40_000_000) * members
    server = serve(reply(bomb, Content_Encoding="gzip"))
    allow("127.0.0.1")
    url = f"http://127.0.0.1:{server.port}/"
    for call in (
        lambda: outbound.send("GET", url, max_bytes=1_000_000),
        lambda: asyncio.run(_get(url, max_bytes=1_000_000)),
    ):
        with pytest.raises(UpstreamFailed) as failed:
            call()
        assert failed.value.code == "upstream_too_large"


def test_gzip_is_decompressed(serve: Callable[..., Server], allow: Callable[..., None]) -> None:
    text = b"".join(b"%d;" % number for number in range(200_000))
    packed = gzip.compress(text[:700_000]) + gzip.compress(text[700_000:]) + b"\0\0"
    server = serve(reply(packed, Content_Encoding="gzip"))
    allow("127.0.0.1")
    response = outbound.send("GET", f"http://127.0.0.1:{server.port}/", max_bytes=len(text))
    assert response.body == text and "content-encoding" not in response.headers
    assert asyncio.run(_get(f"http://127.0.0.1:{server.port}/")).content == text
    assert "accept-encoding: gzip\r\n" in server.requests[0].lower()


@pytest.mark.parametrize("body", [gzip.compress(b"hello" * 100)[:-9], b"no gzip"], ids=["cut", "none"])
def test_broken_gzip_is_an_upstream_failure(
    body: bytes, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply(body, Content_Encoding="gzip"))
    allow("127.0.0.1")
    with pytest.raises(UpstreamFailed):
        outbound.send("GET", f"http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_other_encodings_are_refused(
    encoding: str, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(reply(b"x", Content_Encoding=encoding))
    allow("127.0.0.1")
    for call in (lambda url: outbound.send("GET", url), lambda url: asyncio.run(_get(url))):
        with pytest.raises(UpstreamFailed, match="encoding"):
            call(f"http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(
    "respond", [lambda connection: None, lambda connection: connection.sendall(b"garbage\r\n\r\n")]
)
def test_a_broken_response_is_an_upstream_failure(
    respond: Responder, serve: Callable[..., Server], allow: Callable[..., None]
) -> None:
    server = serve(respond)
    allow("127.0.0.1")
    for call in (lambda url: outbound.send("GET", url), lambda url: asyncio.run(_get(url))):
        with pytest.raises(UpstreamFailed):
            call(f"http://127.0.0.1:{server.port}/?key=s3cret")


def test_a_failed_connection_names_only_the_host(allow: Callable[..., None]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    allow("127.0.0.1")
    with pytest.raises(UpstreamFailed) as failed:
        outbound.send("GET", f"http://user:s3cret@127.0.0.1:{port}/?key=s3cret", headers={"X-Key": "s3cret"})
    assert failed.value.detail == "127.0.0.1 could not be reached: the connection failed"


# Responses


@pytest.mark.parametrize("body", [b"{", b"NaN", b"[" * 100_000, b'"\\ud800"', b"\xff\xfe\xff"])
def test_a_body_that_is_not_json_is_an_upstream_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        outbound.OutboundResponse(200, {}, body, "").json()
    assert failed.value.code == "upstream_not_json"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", "ü".encode("latin-1"), "ü"),
        ('text/plain; charset="utf-8"; x=y', "ü".encode(), "ü"),
        ("text/plain; charset=base64", b"ok", "ok"),
        ("text/plain; charset=no-such", b"ok", "ok"),
        ("text/plain", b"a\xff", "a�"),
    ],
)
def test_the_text_is_decoded_by_its_declared_character_set(content_type: str, body: bytes, text: str) -> None:
    assert outbound.OutboundResponse(200, {"content-type": content_type}, body, "").text == text


def test_a_client_reuses_its_connection(serve: Callable[..., Server], allow: Callable[..., None]) -> None:
    def twice(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")

    server = serve(twice)
    allow("127.0.0.1")
    url = f"http://127.0.0.1:{server.port}/"
    with outbound.client() as http:
        assert [http.get(url).text, http.get(url).text] == ["1", "2"]

    async def both() -> list[str]:
        async with outbound.async_client() as http:
            return [(await http.get(url)).text, (await http.get(url)).text]

    assert asyncio.run(both()) == ["1", "2"]
    assert len(server.requests) == 2


def test_the_async_client_streams(serve: Callable[..., Server], allow: Callable[..., None]) -> None:
    server = serve(reply(b"data: 1\n\ndata: 2\n\n", Content_Type="text/event-stream"))
    allow("127.0.0.1")

    async def lines() -> list[str]:
        async with (
            outbound.async_client() as http,
            http.stream("POST", f"http://127.0.0.1:{server.port}/") as response,
        ):
            return [line async for line in response.aiter_lines() if line]

    assert asyncio.run(lines()) == ["data: 1", "data: 2"]


def test_a_problem_is_found_beneath_a_librarys_error() -> None:
    refused = OutboundRefused()
    try:
        try:
            raise refused
        except OutboundRefused as error:
            raise RuntimeError("Connection error.") from error
    except RuntimeError as error:
        assert outbound.find_problem(error) is refused
    assert outbound.find_problem(RuntimeError()) is None


def test_no_special_network_is_public() -> None:
    assert all(not is_public(str(network[0])) for network in guard._SPECIAL_NETWORKS)
    assert all(
        isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network)
        for network in guard._SPECIAL_NETWORKS
    )
