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
class Served:
    """Where it is, and the headers of all that was asked."""

    address: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)

    def named(self, header: str) -> list[str]:
        return [headers[header] for headers in self.seen if header in headers]


def tools() -> MCPServer:
    server = MCPServer("Warehouse")

    @server.tool()
    def stock(item: str, least: int = 0) -> dict[str, Any]:
        """How many of an item there are."""
        return {"item": item, "count": 7 + least}

    @server.tool(name="shelf.of", structured_output=False)
    def shelf(item: str) -> str:
        """On which shelf an item is."""
        return f"{item} is on shelf 4; the key was {KEY}"

    @server.tool()
    def broken() -> str:
        """Always fails."""
        raise ToolError("the warehouse burnt down")

    return server


@contextmanager
def warehouse(*, handshake: bool, **options: Any) -> Iterator[Served]:
    """With `handshake` it is one of before 2026. `options` are those of the library's application."""
    options.setdefault("transport_security", TransportSecuritySettings(enable_dns_rebinding_protection=False))
    app, served = tools().streamable_http_app(**options), Served()

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            served.seen.append({**headers, "method": scope["method"]})
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
