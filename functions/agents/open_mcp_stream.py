"""GET /v1/mcp"""

from weconnect.agents.mcp import server
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/mcp", public=True, tags=["MCP"])
def open_mcp_stream() -> None:
    """Answer 405: a client of the Model Context Protocol that asks for a stream learns that there is none."""
    return server.refuse_stream()
