"""Actions on many executions: which ones match, how many they are, and the job that processes them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.db.table import get_many
from weconnect.executions.entities import ExecutionStatus
from weconnect.jobs import service as jobs
from weconnect.jobs.entities import Job
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import Bulk, BulkFilter, BulkPreview
from weconnect.workflows.executions.rows import WorkflowExecutionRow

JOB_TYPE = "bulk_executions"
MAX_COUNTED_ROWS = 5_000
PAGE_SIZE = 1_000
MAX_KEYS_READ = 100
SAMPLE_SIZE = 10
MAX_SECONDS = 2**33  # beyond any ID


def request(caller: Caller, body: Bulk) -> Job | BulkPreview:
    """Create the job that processes the executions that match now; in a dry run, return their count instead.

    Raises Forbidden when the caller may not do the same with a single execution.
    """
    permissions = ["executions:update", *(["executions:delete"] if body.action == "delete" else [])]
    for permission in permissions:
        caller.require_permission(permission)
    counted = preview(caller.organization_id, body)
    if body.dry_run:
        return counted
    total = None if counted.is_lower_bound else counted.count
    if body.filter.execution_ids:
        total = len(body.filter.execution_ids)
    return jobs.create(caller, JOB_TYPE, body.to_json_dict(), required_permissions=permissions, total=total)


def preview(organization_id: UUID, body: Bulk) -> BulkPreview:
    """Count the matching executions, among the newest 5,000 at most."""
    moment, filters = clock.now(), body.filter
    matches: list[WorkflowExecutionRow] = []
    is_lower_bound = False
    if filters.execution_ids:
        rows = load_by_id(organization_id, filters.execution_ids).values()
        matches = [row for row in rows if is_match(row, filters, moment)]
    else:
        newest_first = list_below(organization_id, filters, ids.lowest_id(moment.timestamp()), PAGE_SIZE)
        for number, row in enumerate(newest_first, start=1):
            if is_match(row, filters, moment):
                matches.append(row)
            if number == MAX_COUNTED_ROWS:
                is_lower_bound = True
                break
    return BulkPreview(
        action=body.action,
        count=len(matches),
        is_lower_bound=is_lower_bound,
        by_status=Counter(ExecutionStatus(row.status) for row in matches),
        sample=[UUID(row.id) for row in matches[:SAMPLE_SIZE]],
    )


def load_by_id(organization_id: UUID, execution_ids: list[UUID]) -> dict[UUID, WorkflowExecutionRow]:
    """Return the executions that exist with these IDs, in their order."""
    rows_by_id: dict[UUID, WorkflowExecutionRow] = {}
    for start in range(0, len(execution_ids), MAX_KEYS_READ):
        chosen = execution_ids[start : start + MAX_KEYS_READ]
        keys = {
            execution_id: WorkflowExecutionRow.at(organization_id, execution_id) for execution_id in chosen
        }
        rows = get_many(list(keys.values()))
        rows_by_id |= {
            each: row for each in chosen if isinstance(row := rows.get(keys[each]), WorkflowExecutionRow)
        }
    return rows_by_id


def list_below(
    organization_id: UUID, filters: BulkFilter, upper: UUID, page_size: int
) -> Iterator[WorkflowExecutionRow]:
    """Yield executions with IDs below `upper`, newest first; `is_match` tells which of them match the filter."""
    low = ids.lowest_id(_to_epoch_seconds(filters.from_, 0))
    upper = min(upper, ids.lowest_id(_to_epoch_seconds(filters.to, MAX_SECONDS)))
    if upper <= low:
        return
    source = service.choose_source(organization_id, filters.workflow_id, filters.status)
    index = source.index_name
    sort_key = getattr(WorkflowExecutionRow, f"{index}sk")
    yield from getattr(WorkflowExecutionRow, str(index)).query(
        source.pk,
        sort_key.between(str(low), str(UUID(int=upper.int - 1))),
        scan_index_forward=False,
        page_size=page_size,
    )


def is_match(row: WorkflowExecutionRow, filters: BulkFilter, moment: datetime) -> bool:
    """Return whether an execution matches the filter, and existed at the `moment` of the request.

    The latter depends on `created_at`: the ID of an execution that another one started has the other one's time.
    """
    assert row.created_at
    started = ids.timestamp_of(UUID(row.id))
    return (
        datetime.fromisoformat(row.created_at) < moment
        and filters.workflow_id in (None, UUID(row.workflow_id))
        and filters.status in (None, row.status)
        and filters.mode in (None, row.mode)
        and _to_epoch_seconds(filters.from_, 0) <= started < _to_epoch_seconds(filters.to, MAX_SECONDS)
    )


def _to_epoch_seconds(moment: datetime | None, default: int) -> float:
    """Return a moment in epoch seconds, at least 0 and at most MAX_SECONDS; None gives `default`."""
    return default if moment is None else min(max(moment.timestamp(), 0), MAX_SECONDS)
