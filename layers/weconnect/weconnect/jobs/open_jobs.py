"""The open jobs of an organization: how many there may be, and how many are executed at once.

One row names them. A job is in it from the transaction that stores the job to the one that ends it, so it counts
exactly while it is open. All organizations share one queue: because only a few jobs of each are executed at once, the
batches of one organization hold up those of another no longer than that.
"""

from uuid import UUID

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import size

from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.jobs.errors import TooManyOpenJobs
from weconnect.jobs.rows import OpenJobsRow
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.rows import OrganizationRow

MAX_ACTIVE = 2


def load_limit(organization_id: UUID) -> int:
    """Return how many open jobs the organization's plan allows (-1: any number). Raises OrganizationNotFound."""
    row = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    return row.to_entity().get_plan_limits().max_open_jobs


def add(writes: Transaction, organization_id: UUID, job_id: UUID, limit: int) -> None:
    """Count a job as open; the transaction raises TooManyOpenJobs when the organization has `limit` of them."""
    exceeded = TooManyOpenJobs(
        f"The plan allows {limit} open jobs. Wait until one ends, or cancel one with POST /v1/jobs/{{jobId}}/cancel."
    )
    row = _build_row(organization_id)
    writes.add_to_set(row, "open_ids", {str(job_id)}, limit=limit, if_refused=exceeded)


def activate(organization_id: UUID, job_id: UUID) -> bool:
    """Let an open job be executed; return False while as many others of its organization are. Idempotent."""
    active, text = OpenJobsRow.active_ids, str(job_id)
    has_room = active.does_not_exist() | (size(active) < MAX_ACTIVE)  # type: ignore[no-untyped-call]
    condition = active.contains(text) | (OpenJobsRow.open_ids.contains(text) & has_room)
    try:
        _build_row(organization_id).update(actions=[active.add({text})], condition=condition)
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def remove(writes: Transaction, organization_id: UUID, job_id: UUID) -> None:
    """Count a job as ended."""
    ids = {str(job_id)}
    actions = [OpenJobsRow.open_ids.delete(ids), OpenJobsRow.active_ids.delete(ids)]
    writes.update(_build_row(organization_id), [OpenJobsRow.kind.set(OpenJobsRow), *actions], None, None)


def find_next(organization_id: UUID) -> list[UUID]:
    """Return the oldest open jobs that are not executed and could be now."""
    row = table.get(OpenJobsRow, OpenJobsRow.at(organization_id))
    if row is None:
        return []
    active = row.active_ids or set()
    waiting = sorted((row.open_ids or set()) - active)  # the IDs begin with the time of creation
    return [UUID(text) for text in waiting[: max(0, MAX_ACTIVE - len(active))]]


def list_open(organization_id: UUID) -> list[UUID]:
    """Return the open jobs of an organization."""
    row = table.get(OpenJobsRow, OpenJobsRow.at(organization_id))
    return [UUID(text) for text in sorted((row.open_ids or set()) if row else ())]


def _build_row(organization_id: UUID) -> OpenJobsRow:
    """Return the row of an organization's open jobs, with its key alone."""
    pk, sk = OpenJobsRow.at(organization_id)
    return OpenJobsRow(pk=pk, sk=sk)
