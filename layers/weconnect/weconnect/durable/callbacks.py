"""Callbacks of durable executions: completing one resumes the function that waits for it."""

import json
from typing import Any, Literal

from weconnect.durable import client
from weconnect.log import logger

_GONE_CODES = frozenset({"CallbackTimeoutException", "ResourceNotFoundException"})


def wake(callback_id: str, value: Any) -> bool:
    """Complete a callback; return False when that failed. A callback that is gone needs nothing and counts as done."""
    return send(callback_id, value) != "failed"


def send(callback_id: str, value: Any) -> Literal["sent", "gone", "failed"]:
    """Complete a callback with a JSON value, once: `gone` when it was completed before, or has expired.

    A failure is logged.
    """
    try:
        client.lambda_client().send_durable_execution_callback_success(
            CallbackId=callback_id, Result=json.dumps(value)
        )
    except Exception as error:
        if getattr(error, "response", {}).get("Error", {}).get("Code") in _GONE_CODES:
            return "gone"
        logger.warning("callback could not be completed", callback_id=callback_id, error=repr(error))
        return "failed"
    return "sent"
