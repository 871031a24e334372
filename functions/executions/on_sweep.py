"""Every minute: admit queued executions, start or close those that nobody works on, send undelivered decisions."""

from typing import Any

from weconnect.executions import sweeper
from weconnect.log import logger


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Sweep once, the `part` of the event alone; return the number of executions and decisions that were handled."""
    swept = sweeper.sweep(event.get("part"))
    if swept:
        logger.warning("executions swept", count=swept)
    return {"swept": swept}
