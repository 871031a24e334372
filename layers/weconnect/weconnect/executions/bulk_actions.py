"""Many runs at once: which ones are meant, how many they are, and the job that treats them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.db.table import get_many
from weconnect.executions import service
from weconnect.executions.entities import Bulk, BulkFilter, BulkPreview
from weconnect.executions.rows import ExecutionRow
from weconnect.jobs import service as jobs
from weconnect.jobs.entities import Job

TYPE = "bulk_executions"
COUNTED_ROWS = 5_000
PAGE = 1_000
KEYS_AT_ONCE = 100
SAMPLE = 10
LATEST = 2**33  # seconds: beyond any id


def ask(caller: Caller, body: Bulk) -> Job | BulkPreview:
    """Begin a job that treats the runs there are now; in a dry run tell only how many they are.

    Raises Forbidden for who may not do the same with one run.
    """
    needs = ["executions:update", *(["executions:delete"] if body.action == "delete" else [])]
    for permission in needs:
        caller.require(permission)
    found = preview(caller.organization_id, body)
    if body.dry_run:
        return found
    total = None if found.is_lower_bound else found.count
    if body.filter.execution_ids:
        total = len(body.filter.execution_ids)
    return jobs.create(caller, TYPE, body.wire(), needs=needs, total=total)


def preview(organization_id: UUID, body: Bulk) -> BulkPreview:
    """How many runs are meant, among the newest 5,000 at the most."""
    moment, wanted = clock.now(), body.filter
    if wanted.execution_ids:
        rows = named(organization_id, wanted.execution_ids).values()
        found, is_lower_bound = [row for row in rows if fits(row, wanted, moment)], False
    else:
        found, is_lower_bound = [], False
        rows_below = below(organization_id, wanted, ids.lowest_id(moment.timestamp()), PAGE)
        for number, row in enumerate(rows_below, start=1):
            if fits(row, wanted, moment):
                found.append(row)
            if number == COUNTED_ROWS:
                is_lower_bound = True
                break
    return BulkPreview(
        action=body.action,
        count=len(found),
        is_lower_bound=is_lower_bound,
        by_status=Counter(row.status for row in found),
        sample=[row.id for row in found[:SAMPLE]],
    )


def named(organization_id: UUID, execution_ids: list[UUID]) -> dict[UUID, ExecutionRow]:
    """The runs that there are of those ids, in their order."""
    found: dict[UUID, ExecutionRow] = {}
    for start in range(0, len(execution_ids), KEYS_AT_ONCE):
        chosen = execution_ids[start : start + KEYS_AT_ONCE]
        at = {execution_id: ExecutionRow.at(organization_id, execution_id) for execution_id in chosen}
        rows = get_many(list(at.values()))
        found |= {key: row for key in chosen if isinstance(row := rows.get(at[key]), ExecutionRow)}
    return found


def below(organization_id: UUID, wanted: BulkFilter, upper: UUID, page_size: int) -> Iterator[ExecutionRow]:
    """Runs with ids below `upper`, newest first, of which `fits` tells those that are meant."""
    low = ids.lowest_id(_seconds(wanted.from_, 0))
    upper = min(upper, ids.lowest_id(_seconds(wanted.to, LATEST)))
    if upper <= low:
        return
    index, pk = service.place(organization_id, wanted.workflow_id, wanted.status)
    sort_key = getattr(ExecutionRow, f"{index}sk")
    yield from getattr(ExecutionRow, index).query(
        pk,
        sort_key.between(str(low), str(UUID(int=upper.int - 1))),
        scan_index_forward=False,
        page_size=page_size,
    )


def fits(row: ExecutionRow, wanted: BulkFilter, moment: datetime) -> bool:
    """Whether a run is meant: it fits the filter, and was there at the `moment` of the request.

    The id alone does not tell: that of a run which another run starts has the time of the other one.
    """
    assert row.created_at
    started = ids.time_of(UUID(row.id))
    return (
        datetime.fromisoformat(row.created_at) < moment
        and wanted.workflow_id in (None, UUID(row.workflow_id))
        and wanted.status in (None, row.status)
        and wanted.mode in (None, row.mode)
        and _seconds(wanted.from_, 0) <= started < _seconds(wanted.to, LATEST)
    )


def _seconds(moment: datetime | None, default: int) -> float:
    return default if moment is None else min(max(moment.timestamp(), 0), LATEST)
