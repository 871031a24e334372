"""The gateway's authorizer."""

from typing import Any

from weconnect.auth import authorizer

authorizer.prepare()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Identify the caller of a request; the gateway calls this before each route that is not public."""
    return authorizer.authorize(event)
