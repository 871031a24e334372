"""Create the approval requests of an execution, each under a path within it, and read their decisions.

An execution refers to its requests, so that `followups` withdraws those that are undecided when it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from weconnect import clock, ids
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Approval, Approvers
from weconnect.approvals.rows import RequestedApprovalRow
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.executions import lifecycle
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import AnyRow


@dataclass(frozen=True)
class NewApproval:
    """A request to approve what an execution is about to do at `path`, with `arguments` that match `input_schema`."""

    path: str
    tool_name: str
    arguments: JsonObject
    input_schema: JsonObject
    approvers: Approvers
    expires_in_seconds: int
    message: str | None = None


def derive_approval_id(execution_id: UUID, path: str) -> UUID:
    """Return the ID of the approval request at a path of an execution: the same at each attempt."""
    return ids.derived_from(execution_id, f"approval {path}")


def create(row: AnyRow, requests: Sequence[NewApproval]) -> bool:
    """Create approval requests of an execution; withdraw them and return False when it may not continue. Idempotent."""
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    for request in requests:
        approval = _build_approval(row, request)
        pk, sk = RequestedApprovalRow.at(organization_id, execution_id, request.path)
        reference = RequestedApprovalRow(pk=pk, sk=sk, approval_id=str(approval.id))
        table.put(reference, ACTOR)
        approvals.request_approval(approval, int(row.depth or 0), ACTOR)
    # Checked after that: a cancellation finds the references, or is seen here.
    if lifecycle.may_continue(table.get(type(row), (row.pk, row.sk))):
        return True
    withdraw(row, requests)
    return False


def withdraw(row: AnyRow, requests: Sequence[NewApproval]) -> None:
    """Withdraw those approval requests of an execution that nobody has decided."""
    approval_ids = [derive_approval_id(UUID(row.id), request.path) for request in requests]
    approvals.withdraw(UUID(row.organization_id), approval_ids, ACTOR)


def announce(organization_id: UUID, execution_id: UUID, path: str, callback_id: str) -> None:
    """Let the decision about a request complete a callback, at once when it was decided before."""
    approvals.record_callback(organization_id, derive_approval_id(execution_id, path), callback_id)


def load_decisions(organization_id: UUID, execution_id: UUID, paths: Sequence[str]) -> list[Approval]:
    """Return the requests at these paths with their decisions; undecided ones expire."""
    approval_ids = [derive_approval_id(execution_id, path) for path in paths]
    return approvals.close_and_load(organization_id, approval_ids, ACTOR)


def _build_approval(row: AnyRow, request: NewApproval) -> Approval:
    """Return the pending approval of a request."""
    moment, kind = clock.now(), row.execution_kind
    return Approval(
        id=derive_approval_id(UUID(row.id), request.path),
        created_at=moment,
        updated_at=moment,
        organization_id=UUID(row.organization_id),
        user_id=UUID(row.user_id),
        run_type=kind,
        agent_id=row.target_id if kind == "agent" else None,
        workflow_id=row.target_id if kind == "workflow" else None,
        execution_id=UUID(row.id),
        tool_name=request.tool_name,
        message=request.message,
        arguments=request.arguments,
        input_schema=request.input_schema,
        approvers=request.approvers,
        expires_at=moment + timedelta(seconds=request.expires_in_seconds),
        api_key_id=UUID(row.api_key_id) if row.api_key_id else None,
    )
