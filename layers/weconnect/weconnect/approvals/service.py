"""Approval requests: an execution requests approval and waits, somebody decides, and the decision resumes it.

The row is the source of truth: an execution that resumes reads the decision from it, and the sweeper sends decisions
again that could not be delivered.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock, ids, json_schema
from weconnect.actor import Actor
from weconnect.api.caller import Caller
from weconnect.api.errors import PermissionMissing
from weconnect.api.pagination import Page, query_page
from weconnect.approvals.entities import Approval, ApprovalStatus, Approvers, Decision
from weconnect.approvals.errors import (
    AlreadyDecided,
    ApprovalExpired,
    ApprovalNotFound,
    NotAnApprover,
    OwnExecution,
)
from weconnect.approvals.rows import ApprovalRow, StoredApprovers
from weconnect.base_entity import JsonObject
from weconnect.db import payloads, table
from weconnect.durable import callbacks
from weconnect.errors import Conflict, FieldError, Forbidden, Invalid
from weconnect.identity.permissions import holds_role
from weconnect.log import logger

EXECUTE_PERMISSIONS = {"agent": "agents:execute", "workflow": "workflows:execute"}
INLINE_BYTES = 4_000  # two indexes copy the row

# Calls of executions


def request_approval(approval: Approval, depth: int, actor: Actor) -> None:
    """Store an approval request of an execution at nesting level `depth`, with which it is deleted. Idempotent."""
    pk, sk = ApprovalRow.at(approval.organization_id, approval.id)
    row = ApprovalRow.of(
        approval,
        pk=pk,
        sk=sk,
        gsi2pk=ApprovalRow.by_status(approval.organization_id, approval.status),
        gsi2sk=str(approval.id),
        arguments=_store_arguments(approval, "arguments", approval.arguments),
        depth=depth,
    )
    try:
        table.create(row, actor)
    except Conflict:
        return  # the step was repeated


def record_callback(organization_id: UUID, approval_id: UUID, callback_id: str) -> None:
    """Store the callback that the execution waits for, and complete it at once if the request was decided before."""
    row = _require_row(organization_id, approval_id)
    table.touch(row, put={"callback_id": callback_id})
    if row.status != ApprovalStatus.PENDING:
        _send_decision(row)


def close_and_load(organization_id: UUID, approval_ids: list[UUID], actor: Actor) -> list[Approval]:
    """Return the requests with their decisions, in the order of the IDs; undecided ones expire."""
    approvals = []
    for approval_id in approval_ids:
        row = _require_row(organization_id, approval_id)
        if row.status == ApprovalStatus.PENDING:
            row = _close(row, ApprovalStatus.EXPIRED, actor) or _require_row(organization_id, approval_id)
        approvals.append(_to_approval(row))
    return approvals


def withdraw(organization_id: UUID, approval_ids: list[UUID], actor: Actor) -> None:
    """Cancel the undecided requests of an execution that has ended, so that its suspended function ends as well."""
    for approval_id in approval_ids:
        row = table.get(ApprovalRow, ApprovalRow.at(organization_id, approval_id))
        if row and row.status == ApprovalStatus.PENDING and _close(row, ApprovalStatus.CANCELLED, actor):
            _send_decision(row)


def set_expiry(organization_id: UUID, approval_id: UUID, ttl: int | None) -> None:
    """Let a request expire with its execution, which has ended, at `ttl` (epoch seconds; None: never)."""
    table.touch(ApprovalRow(*ApprovalRow.at(organization_id, approval_id)), put={"ttl": ttl})


# Calls of approvers


def find(caller: Caller, *, status: ApprovalStatus, limit: int, cursor: str | None) -> Page[Approval]:
    """Return a page of the requests in a status that the caller may decide, or might have decided, newest first."""
    pk = ApprovalRow.by_status(caller.organization_id, status)
    rows, next_cursor = query_page(
        ApprovalRow,
        pk,
        index="gsi2",
        limit=limit,
        cursor=cursor,
        keep=lambda row: _find_refusal(caller, row) is None,
        filters=[caller.user_id, caller.api_key_id],
    )
    return Page(items=[_to_approval(row) for row in rows], next_cursor=next_cursor)


def get(caller: Caller, approval_id: UUID) -> Approval:
    """Return one request with its arguments. Raises ApprovalNotFound."""
    return _to_approval(_require_row(caller.organization_id, approval_id))


def decide(caller: Caller, approval_id: UUID, decision: Decision) -> Approval:
    """Approve or deny a request and resume its execution.

    Raises ApprovalNotFound, PermissionMissing, NotAnApprover, OwnExecution, AlreadyDecided or ApprovalExpired, and
    Invalid when edited arguments do not match the tool's schema.
    """
    row = _require_row(caller.organization_id, approval_id)
    if refusal := _find_refusal(caller, row):
        raise refusal
    if row.status != ApprovalStatus.PENDING:
        raise AlreadyDecided(f"This approval request is already {row.status}.")
    if datetime.fromisoformat(row.expires_at) <= clock.now():
        raise ApprovalExpired("This approval request has expired.")
    values: dict[str, Any] = {
        "note": decision.note,
        "decided_by": str(caller.user_id),
        "decided_by_api_key_id": str(caller.api_key_id) if caller.api_key_id else None,
    }
    if decision.arguments is not None:
        _check_arguments(decision.arguments, row.input_schema)
        # Under a name of its own: the loser of a race must not overwrite the arguments that are executed.
        name = f"edited-{ids.new_id()}"
        values["edited_arguments"] = _store_arguments(_to_approval(row), name, decision.arguments)
    status = ApprovalStatus.APPROVED if decision.decision == "approve" else ApprovalStatus.DENIED
    if not _close(row, status, caller.actor(), **values):
        raise AlreadyDecided("This approval request was decided by another request at the same time.")
    _send_decision(row)
    return _to_approval(_require_row(caller.organization_id, approval_id))


def retry_deliveries() -> int:
    """Send the decisions that were not delivered, of all organizations; return how many were sent."""
    sent = 0
    for row in ApprovalRow.gsi3.query(ApprovalRow.undelivered()):
        try:
            sent += _send_decision(row)
            if datetime.fromisoformat(row.expires_at) <= clock.now():
                _mark_delivered(row)  # its execution has resumed by itself, if it ever waited
        except Exception as error:  # must not hold up the others
            logger.warning("approval decision not delivered", approval_id=row.id, error=repr(error))
    return sent


def require_approver(caller: Caller, approvers: Approvers) -> None:
    """Raise unless the caller may do, without a request, what an agent's tool would request approval for.

    Raises PermissionMissing, NotAnApprover or OwnExecution.
    """
    stored: StoredApprovers = {
        "users": [str(user_id) for user_id in approvers.users],
        "roles": approvers.roles,
    }
    if refusal := _build_refusal(caller, EXECUTE_PERMISSIONS["agent"], stored, caller.api_key_id):
        raise refusal


def _find_refusal(caller: Caller, row: ApprovalRow) -> Forbidden | None:
    """Return why the caller may not decide a request, or None when they may."""
    return _build_refusal(caller, EXECUTE_PERMISSIONS[row.run_type], row.approvers or {}, row.api_key_id)


def _build_refusal(
    caller: Caller, permission: str, approvers: StoredApprovers, starting_key_id: UUID | str | None
) -> Forbidden | None:
    """Return the error that bars the caller from a decision, or None when they may decide.

    They need `permission`, must be among `approvers` if these name anyone (a role is that of `holds_role`), and must
    not be the API key that started the execution.
    """
    if not caller.has_permission(permission):
        return PermissionMissing(f"This requires the permission {permission}.")
    users, roles = approvers.get("users", []), approvers.get("roles", [])
    is_named = str(caller.user_id) in users or any(holds_role(caller, role) for role in roles)
    if (users or roles) and not is_named:
        return NotAnApprover("Only the users and roles that the request names may decide it.")
    if caller.api_key_id and str(caller.api_key_id) == str(starting_key_id):
        return OwnExecution("The API key that started an execution cannot approve what the execution does.")
    return None


def _close(row: ApprovalRow, status: ApprovalStatus, actor: Actor, **values: Any) -> ApprovalRow | None:
    """Move a pending request to its final status, for delivery; return None when another decision was first."""
    organization_id = UUID(row.organization_id)
    values |= {
        "status": status.value,
        "decided_at": clock.iso(clock.now()),
        "gsi2pk": ApprovalRow.by_status(organization_id, status),
    }
    if status != ApprovalStatus.EXPIRED:  # whose execution has resumed by itself
        values |= {"gsi3pk": ApprovalRow.undelivered(), "gsi3sk": row.id}
    try:
        return table.change(row, values, actor, condition=ApprovalRow.status == ApprovalStatus.PENDING.value)
    except Conflict:
        return None


def _send_decision(row: ApprovalRow) -> bool:
    """Complete the execution's callback; return whether it is complete or gone.

    The callback has no more than the request's ID: the execution reads the decision from the row.
    """
    if not row.callback_id:
        return False  # the execution does not wait yet, and resumes by itself once it does
    if not callbacks.wake(row.callback_id, {"approvalId": row.id}):
        return False  # the sweeper sends it again
    _mark_delivered(row)
    return True


def _mark_delivered(row: ApprovalRow) -> None:
    """Remove a decision from those that the sweeper sends again."""
    table.touch(row, put={"gsi3pk": None, "gsi3sk": None})


def _check_arguments(arguments: JsonObject, schema: JsonObject) -> None:
    """Raise Invalid, with pointers below `/arguments`, when edited arguments do not match the schema."""
    if mismatch := json_schema.find_mismatch(schema, arguments):
        errors: list[FieldError] = [
            {"pointer": f"/arguments{mismatch.pointer}", "detail": mismatch.detail},
        ]
        raise Invalid(f"The arguments do not match the tool's schema: {mismatch.detail}", errors=errors)


def _store_arguments(approval: Approval, name: str, arguments: JsonObject) -> payloads.StoredText:
    """Return arguments as JSON, or the pointer to them among the payloads of the execution when they are long."""
    storage_name = f"runs/{approval.execution_id}/approvals/{approval.id}/{name}"
    text, days = json.dumps(arguments), payloads.EXECUTION_DAYS
    return payloads.store(approval.organization_id, storage_name, text, days, INLINE_BYTES)


def _require_row(organization_id: UUID, approval_id: UUID) -> ApprovalRow:
    """Return the row of an approval request. Raises ApprovalNotFound."""
    return table.require(ApprovalRow, ApprovalRow.at(organization_id, approval_id), ApprovalNotFound)


def _to_approval(row: ApprovalRow) -> Approval:
    """Return the approval request of a row, with its arguments loaded."""
    values = row.values()
    for name in ("arguments", "edited_arguments"):
        if name in values:
            values[name] = json.loads(payloads.load(row.organization_id, values[name]))
    return Approval.model_validate(values, by_name=True)
