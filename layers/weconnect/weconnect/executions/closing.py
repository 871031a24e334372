"""Cancellation of executions whose workflow or agent, or whose whole organization, is closed."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.executions import followups
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.kinds import list_kinds


def cancel_queued(organization_id: UUID, target_id: UUID) -> None:
    """Cancel the queued executions of a workflow or an agent. One that is missed is cancelled when it begins."""
    followups.cancel_all(list(admission.list_queued(organization_id, target_id)))


def close_access(owner: Caller) -> None:
    """Cancel all open executions of an organization: those first that have not begun, so that none is admitted."""
    rows = [row for kind in list_kinds() for row in kind.list_open(owner.organization_id)]
    followups.cancel_all(sorted(rows, key=lambda row: row.status != ExecutionStatus.PENDING))
