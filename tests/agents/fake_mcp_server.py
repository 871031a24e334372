"""A server of the Model Context Protocol, made with the protocol's own library, on 127.0.0.1."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

KEY = "canary-key-of-mcp"


@dataclass
class FakeMcpServer:
    """The address of a running server, and the headers of all requests to it."""

    address: str = ""
    request_headers: list[dict[str, str]] = field(default_factory=list)

    def header_values(self, header: str) -> list[str]:
        return [headers[header] for headers in self.request_headers if header in headers]


def build_server() -> MCPServer:
    server = MCPServer("Warehouse")

    @server.tool()
    def stock(item: str, least: int = 0) -> dict[str, Any]:
        """Return the number of an item in stock."""
        return {"item": item, "count": 7 + least}

    @server.tool(name="shelf.of", structured_output=False)
    def shelf(item: str) -> str:
        """Return the shelf of an item."""
        return f"{item} is on shelf 4; the key was {KEY}"

    @server.tool()
    def broken() -> str:
        """Always fails."""
        raise ToolError("the warehouse burnt down")

    return server


@contextmanager
def serve_warehouse(*, handshake: bool, **options: Any) -> Iterator[FakeMcpServer]:
    """Serve the warehouse, with `handshake` as servers before 2026; `options` go to the library's application."""
    options.setdefault("transport_security", TransportSecuritySettings(enable_dns_rebinding_protection=False))
    app, served = build_server().streamable_http_app(**options), FakeMcpServer()

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            served.request_headers.append({**headers, "method": scope["method"]})
            status = 0 if headers.get("authorization") == f"Bearer {KEY}" else 401
            if handshake and headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS:
                status = 400
            if status:
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b"no"})
                return
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(asked, port=0, log_level="critical", ws="none", loop="asyncio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    served.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join()
