"""POST /v1/mcp"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.mcp import server
from weconnect.agents.mcp.parameters import McpAnswer, McpMessage, answered
from weconnect.agents.permissions import AgentsExecute
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/mcp", tags=["MCP"])
def call_mcp(body: McpMessage, caller: AgentsExecute) -> Response[McpAnswer]:
    """Answer a message of the Model Context Protocol: the organization's active agents are its tools.

    So are its active workflows with `settings.offerAsTool`, for who may run workflows.

    Streamable HTTP without sessions, in JSON. Revisions 2024-11-05 to 2025-11-25 (`initialize`) and 2026-07-28
    (`server/discover`). A client needs this address and a header `X-API-Key` or `Authorization`.
    """
    return answered(server.answer(caller, body))
