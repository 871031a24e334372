"""Request and response of the MCP route; apart from the agents' other parameters, whose routes start faster."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.depends import Depends

from weconnect.agents.mcp.server import McpRequest, McpResponse
from weconnect.api import request_body
from weconnect.api.resolver import app


def _read_request() -> McpRequest:
    """Return the body and headers of the current HTTP request. Raises UnsupportedMediaType, MalformedJson."""
    event = app.current_event.raw_event
    request_body.decode_text(event)
    return McpRequest(event.get("body") or "", event["headers"])


PostedMcpRequest = Annotated[McpRequest, Depends(_read_request)]
McpResponseBody = dict[str, Any] | list[dict[str, Any]] | None


def to_http_response(response: McpResponse) -> Response[McpResponseBody]:
    """Return an MCP response as an HTTP response; one without a body has no media type."""
    media_type = None if response.body is None else "application/json"
    return Response(status_code=response.status, content_type=media_type, body=response.body)
