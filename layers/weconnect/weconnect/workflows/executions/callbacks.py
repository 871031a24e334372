"""Callbacks: whoever has an execution's callback token completes the `wait` node that waits for it.

The token is `<organization><execution><secret>`, followed by `.<node ID>` where several nodes wait. The execution's row
holds the hash of its secret.
"""

import hashlib
import hmac
import json
import re
import secrets
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.db import table
from weconnect.durable import callbacks
from weconnect.errors import TooLarge, Unavailable
from weconnect.executions import lifecycle
from weconnect.executions.rows import CallbackRow
from weconnect.workflows.executions.entities import CallbackAnswer
from weconnect.workflows.executions.errors import AlreadyCompleted, AmbiguousCallback, CallbackNotFound
from weconnect.workflows.executions.rows import WorkflowExecutionRow

MAX_BYTES = 128 * 1024
_TOKEN = re.compile(r"([0-9a-f]{32})([0-9a-f]{32})([A-Za-z0-9_-]{43})(?:\.([A-Za-z0-9_-]{1,64}))?")


def create_token(row: WorkflowExecutionRow) -> str:
    """Return a new token that completes the execution's callbacks. Only its hash is stored."""
    secret = secrets.token_urlsafe(32)
    table.touch(row, put={"callback_hash": _hash_secret(secret)})
    return f"{UUID(row.organization_id).hex}{UUID(row.id).hex}{secret}"


def complete(token: str, value: Any) -> CallbackAnswer:
    """Complete the waiting node with a JSON value, once.

    Raises TooLarge, CallbackNotFound, AlreadyCompleted, AmbiguousCallback, Unavailable.
    """
    if len(json.dumps(value)) > MAX_BYTES:
        raise TooLarge(f"The value exceeds {MAX_BYTES >> 10} KB. Send a reference to it instead.")
    row, node_id = _find_execution(token)
    callback = _find_callback(row, node_id)
    if callback.completed_at:
        raise AlreadyCompleted("The callback was already completed.")
    # The platform accepts one value. It is recorded afterwards: a crash in between has not lost the value.
    outcome = callbacks.send(callback.callback_id, {} if value is None else value)
    if outcome == "failed":
        raise Unavailable("The execution could not be resumed. Try again shortly.")
    table.touch(callback, put={"completed_at": clock.iso(clock.now())})
    if outcome == "gone":
        raise AlreadyCompleted("The callback was already completed, or it has expired.")
    return CallbackAnswer()


def _find_execution(token: str) -> tuple[WorkflowExecutionRow, str | None]:
    """Return the execution of a token, and the node that it names. Every wrong token raises the same error."""
    match = _TOKEN.fullmatch(token)
    if match:
        row = table.get(WorkflowExecutionRow, WorkflowExecutionRow.at(UUID(match[1]), UUID(match[2])))
        if row and row.callback_hash and hmac.compare_digest(row.callback_hash, _hash_secret(match[3])):
            return row, match[4]
    raise CallbackNotFound()


def _find_callback(row: WorkflowExecutionRow, node_id: str | None) -> CallbackRow:
    """Return the callback of the named node, in its newest iteration, or else of the only node that waits."""
    pk, prefix = CallbackRow.of_execution(UUID(row.organization_id), UUID(row.id))
    rows = CallbackRow.query(pk, CallbackRow.sk.startswith(prefix), consistent_read=True)
    candidates = [each for each in rows if node_id in (None, each.sk.removeprefix(prefix).split(".")[0])]
    if not candidates:
        raise CallbackNotFound()
    waiting = [each for each in candidates if not each.completed_at]
    if waiting and not lifecycle.may_continue(row):
        raise CallbackNotFound()
    if len(waiting) > 1:
        raise AmbiguousCallback("Several nodes wait. Append a dot and the node's ID to the token.")
    return (waiting or candidates)[-1]


def _hash_secret(secret: str) -> str:
    """Return the SHA-256 of a token's secret in hexadecimal, as `callback_hash` holds it."""
    return hashlib.sha256(secret.encode()).hexdigest()
