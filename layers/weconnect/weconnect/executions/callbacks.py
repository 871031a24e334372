"""Callbacks: whoever holds a run's token completes what one of its `wait` nodes waits for.

The token is `<organization><run><secret>`, and `.<node id>` after it where several nodes wait. The run's row has the
hash of its secret.
"""

import hmac
import json
import re
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.db import table
from weconnect.errors import Conflict, NotFound, TooLarge, Unavailable
from weconnect.executions import lifecycle
from weconnect.executions.entities import CallbackAnswer
from weconnect.executions.rows import CallbackRow, ExecutionRow

MAX_BYTES = 128 * 1024
_TOKEN = re.compile(r"([0-9a-f]{32})([0-9a-f]{32})([A-Za-z0-9_-]{43})(?:\.([A-Za-z0-9_-]{1,64}))?")


def complete(token: str, value: Any) -> CallbackAnswer:
    """Let the node go on with a value, once; raises NotFound for a token that opens nothing."""
    if len(json.dumps(value)) > MAX_BYTES:
        raise TooLarge(f"A callback takes at most {MAX_BYTES} bytes")
    row, node_id = _run(token)
    waiting = _waiting(row, node_id)
    if waiting.completed_at:
        raise Conflict("It was completed before", code="already_completed")
    # The platform takes one value. It is noted afterwards: who dies in between has not lost the value.
    sent = lifecycle.send(waiting.callback_id, {} if value is None else value)
    if sent == "failed":
        raise Unavailable("The run could not be woken; try again shortly")
    table.touch(waiting, put={"completed_at": clock.iso(clock.now())})
    if sent == "gone":
        raise Conflict("It was completed before, or its time is over", code="already_completed")
    return CallbackAnswer()


def _run(token: str) -> tuple[ExecutionRow, str | None]:
    """The run that a token opens, and the node that it names; one answer for all that is wrong."""
    parts = _TOKEN.fullmatch(token)
    if parts:
        at = ExecutionRow.at(UUID(parts[1]), UUID(parts[2]))
        row = table.get(ExecutionRow, at)
        digest = lifecycle.digest_of(parts[3])
        if row and row.callback_hash and hmac.compare_digest(row.callback_hash, digest):
            return row, parts[4]
    raise NotFound("Nothing waits for this callback", code="callback_not_found")


def _waiting(row: ExecutionRow, node_id: str | None) -> CallbackRow:
    """Where the run waits: at the node that is named, in its newest iteration, else at the one that waits."""
    pk, prefix = CallbackRow.of_run(UUID(row.organization_id), UUID(row.id))
    found = list(CallbackRow.query(pk, CallbackRow.sk.startswith(prefix), consistent_read=True))
    named = [each for each in found if node_id in (None, each.sk.removeprefix(prefix).split(".")[0])]
    if not named:
        raise NotFound("Nothing waits for this callback", code="callback_not_found")
    open_ones = [each for each in named if not each.completed_at]
    if open_ones and lifecycle.is_stopped(row):
        raise NotFound("Nothing waits for this callback", code="callback_not_found")
    if len(open_ones) > 1:
        raise Conflict(
            "Several nodes wait: put a dot and the node's id after the token", code="ambiguous_callback"
        )
    return (open_ones or named)[-1]
