"""Every minute → runs that were stored and never began, or that nobody works on any more."""

from typing import Any

from weconnect.agents.engine import sweeper
from weconnect.log import logger


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Start them again, or close them."""
    swept = sweeper.sweep()
    if swept:
        logger.warning("swept runs", count=swept)
    return {"swept": swept}
