"""EventBridge `Durable Execution Status Change`: close an execution that its function could not close."""

from typing import Any

from weconnect.executions import sweeper
from weconnect.log import logger


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Close the execution that the durable execution is named after, unless it is closed already."""
    detail = event["detail"]
    message = f"The platform ended the execution: {detail['status']}"
    closed = sweeper.close(detail["durableExecutionName"], detail["status"], message)
    if closed:
        logger.warning(
            "execution closed after its durable execution ended",
            durable_name=detail["durableExecutionName"],
            status=detail["status"],
        )
    return {"closed": closed}
