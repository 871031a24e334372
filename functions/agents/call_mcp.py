"""POST /v1/mcp"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.mcp import server
from weconnect.agents.mcp.parameters import McpResponseBody, PostedMcpRequest, to_http_response
from weconnect.agents.permissions import AgentsExecute
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/mcp", replays=True, takes_document=True, tags=["MCP"])
def call_mcp(body: PostedMcpRequest, caller: AgentsExecute) -> Response[McpResponseBody]:
    """Call the Model Context Protocol server.

    The organization's active agents are its tools, and so are its active workflows with `settings.offerAsTool` for
    callers who hold `workflows:execute`.

    Streamable HTTP in JSON without sessions. Supports revisions 2024-11-05 to 2025-11-25 (`initialize`) and 2026-07-28
    (`server/discover`). A client needs this URL and a header `X-API-Key` or `Authorization`.
    """
    return to_http_response(server.handle_request(caller, body))
