"""Cancellation of executions whose workflow or agent, or whose whole organization, is closed."""

from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.executions import endings, followups
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.kinds import list_kinds
from weconnect.executions.rows import EndingRow


def cancel_queued(organization_id: UUID, target_id: UUID) -> None:
    """Cancel the queued executions of a workflow or an agent. One that is missed is cancelled when it begins."""
    followups.cancel_all(admission.list_queued(organization_id, target_id))


def close_access(owner: Caller) -> None:
    """Cancel all open executions of an organization. What is not cancelled in time is left to the sweeper."""
    finish_closing(endings.mark_all(owner.organization_id, clock.iso(clock.now())))


def finish_closing(mark: EndingRow, until: float | None = None) -> None:
    """Cancel the executions of a marked organization: those first that have not begun, so that none is admitted."""
    assert mark.requested_until, "it is the mark of an organization"
    rows = [row for kind in list_kinds() for row in kind.list_open(UUID(mark.organization_id))]
    marked = [row for row in rows if row.created_at <= mark.requested_until]
    if followups.cancel_all(sorted(marked, key=lambda row: row.status != ExecutionStatus.PENDING), until):
        mark.delete()
