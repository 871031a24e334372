"""The gateway's authorizer"""

from typing import Any

from weconnect.auth import authorizer


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer who is calling; the gateway asks before every route that is not public."""
    return authorizer.answer(event)
