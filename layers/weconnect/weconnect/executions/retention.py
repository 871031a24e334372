"""The retention of executions: nothing of an open one expires, and its end starts the retention of all that it has.

The row of an execution gets its `ttl` in the write that ends it, or when the one that waits for it ends: a child is
part of what its parent shows and works with. `begin` then gives the same end to what else is in its partition, to its
approval requests and to its children. What a crash leaves without `ttl`, and the payloads, are deleted when the
execution's row goes (`purge`). What belongs to an express execution, which ends within a minute, has its end at once.
"""

import math
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.approvals import service as approvals
from weconnect.approvals.rows import RequestedApprovalRow
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.executions.children import load_row
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.rows import AnyRow, ChildRow, partition_of

DAY_SECONDS = 86_400
_FIELDS_READ = ["pk", "sk", "kind", "ttl", "executionKey", "approvalId"]


def compute_expiry(moment: datetime, days: int) -> int | None:
    """Return the `ttl` (epoch seconds) of what is kept for `days` from a moment; None for -1: without end."""
    return None if days < 0 else int(moment.timestamp()) + days * DAY_SECONDS


def compute_part_expiry(row: AnyRow) -> int | None:
    """Return the `ttl` of a row that is written now and belongs to an execution; None while that is open."""
    return compute_expiry(clock.now(), row.retention_days) if row.is_express else row.ttl


def count_payload_days(retention_days: int, *, is_express: bool) -> int:
    """Return for how many days a payload of an execution is kept unless it is deleted with that."""
    return retention_days if is_express and retention_days >= 0 else payloads.EXECUTION_DAYS


def build_final_values(row: AnyRow, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that start the retention of an execution in the write of its end, which has `values`.

    None for one that another execution started: its retention begins with that of the other one.
    """
    if row.parent_key:
        return {}
    return {"ttl": compute_expiry(datetime.fromisoformat(values["finished_at"]), row.retention_days)}


def begin(row: AnyRow, until: float = math.inf) -> None:
    """Start the retention of all that an ended execution has, unless one that waits for it is open. Idempotent.

    What is not begun `until` a time of the monotonic clock begins when the execution is deleted.
    """
    if row.is_express:
        return
    if row.parent_key:
        parent = load_row(row.parent_key)
        if parent and (parent.status in OPEN_STATUSES or parent.ttl is None):
            return  # the end of the first one in the chain does it
    assert row.finished_at, "it has ended"
    _begin(row, datetime.fromisoformat(row.finished_at), until)


def _begin(row: AnyRow, moment: datetime, until: float) -> bool:
    """Start the retention of an execution, of what belongs to it, and of its ended children, at a moment.

    Its row is the first: a child that ends meanwhile sees that and starts its own.
    """
    ttl = compute_expiry(moment, row.retention_days)
    if row.ttl != ttl:
        table.touch(row, put={"ttl": ttl})
    organization_id = UUID(row.organization_id)
    pk = partition_of(organization_id, UUID(row.id))
    for part in Row.query(pk, consistent_read=True, attributes_to_get=_FIELDS_READ):
        if part.ttl is not None or (part.pk, part.sk) == (row.pk, row.sk):
            continue
        if time.monotonic() >= until:
            return False
        if isinstance(part, ChildRow):
            child = load_row(part.execution_key)
            if child and child.status not in OPEN_STATUSES and not _begin(child, moment, until):
                return False
        elif isinstance(part, RequestedApprovalRow):
            approvals.set_expiry(organization_id, UUID(part.approval_id), ttl)
        if ttl is not None:
            table.touch(part, put={"ttl": ttl})
    return True
