"""GET /v1/mcp"""

from weconnect.agents.mcp import server
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/mcp", public=True, tags=["MCP"])
def open_mcp_stream() -> None:
    """Refuse to open an MCP event stream.

    Always returns 405: the server offers no stream, which the protocol allows.
    """
    server.refuse_stream()
