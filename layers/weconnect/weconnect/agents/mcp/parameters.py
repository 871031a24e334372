"""What the protocol's route takes and answers; apart from the agents' other parameters, whose routes start faster."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.depends import Depends

from weconnect.agents.mcp.server import Answered, Posted
from weconnect.api.resolver import app


def _posted() -> Posted:
    event = app.current_event.raw_event
    return Posted(event.get("body") or "", event["headers"])


McpMessage = Annotated[Posted, Depends(_posted)]
McpAnswer = dict[str, Any] | list[dict[str, Any]] | None


def answered(answer: Answered) -> Response[McpAnswer]:
    """The answer to a message; one without a body has no media type either."""
    media_type = None if answer.body is None else "application/json"
    return Response(status_code=answer.status, content_type=media_type, body=answer.body)
