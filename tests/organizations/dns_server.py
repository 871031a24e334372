"""A small DNS server on loopback, over UDP and TCP, that responds as a test wants."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

MAX_UDP_BYTES = 1_232


class DnsServer:
    """The zone of a server: records by name and type, and names that fail with a code, or never respond."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        self.failures: dict[str, dns.rcode.Rcode] = {}
        self.silent: set[str] = set()
        self.transports: list[str] = []
        self.address = ""

    def respond(self, query: bytes, transport: str) -> bytes | None:
        """Return the response to a query; None for none."""
        self.transports.append(transport)
        message = dns.message.from_wire(query)
        name = str(message.question[0].name).rstrip(".").lower()
        if name in self.silent:
            return None
        response = dns.message.make_response(message)
        response.flags |= dns.flags.RA
        response.set_rcode(self.failures.get(name, dns.rcode.NOERROR))
        while name in self.aliases:
            response.answer.append(
                dns.rrset.from_text(f"{name}.", 1, "IN", "CNAME", f"{self.aliases[name]}.")
            )
            name = self.aliases[name]
        if name in self.texts:
            response.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", "TXT", *self.texts[name]))
        elif name not in self.failures and not response.answer:
            response.set_rcode(dns.rcode.NXDOMAIN)
        wire = response.to_wire(max_size=65_535)
        if transport == "udp" and len(wire) > MAX_UDP_BYTES:
            truncated = dns.message.make_response(message)
            truncated.flags |= dns.flags.TC
            wire = truncated.to_wire()
        return wire


@contextmanager
def run_dns_server() -> Iterator[DnsServer]:
    """Run a server on a free port, the same one for UDP and TCP."""
    zone = DnsServer()

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, connection = self.request
            if (response := zone.respond(query, "udp")) is not None:
                connection.sendto(response, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.rfile.read(2))
            if (response := zone.respond(self.rfile.read(length), "tcp")) is not None:
                self.wfile.write(struct.pack("!H", len(response)) + response)

    tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
    udp = socketserver.ThreadingUDPServer(tcp.server_address, Udp)
    zone.address = f"127.0.0.1:{tcp.server_address[1]}"
    servers: list[Any] = [tcp, udp]
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}) for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield zone
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()
