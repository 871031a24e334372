"""EventBridge `Durable Execution Status Change` → the run that its function could not end itself."""

from typing import Any

from weconnect.agents.engine import sweeper
from weconnect.log import logger


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Close the run named by the durable execution, unless it is closed."""
    detail = event["detail"]
    message = f"The platform ended the run: {detail['status']}"
    closed = sweeper.close(detail["durableExecutionName"], detail["status"], message)
    if closed:
        logger.warning("closed a run", execution_id=detail["durableExecutionName"], status=detail["status"])
    return {"closed": closed}
