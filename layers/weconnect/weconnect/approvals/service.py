"""Approvals: a run asks and waits, somebody decides, and the answer is delivered to where the run waits.

The row is the truth. An answer that could not be sent is sent again by the sweeper, and a run that wakes up reads the
row.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock, durable, ids, json_schema
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import payloads, table
from weconnect.errors import Conflict, Forbidden, Invalid
from weconnect.executions.entities import Approval, ApprovalStatus, Approvers, Decision
from weconnect.executions.rows import ApprovalRow
from weconnect.log import logger

PERMISSIONS = {"agent": "agents:execute", "workflow": "workflows:execute"}
INLINE_BYTES = 4_000  # the row stands in two indexes

# What a run does


def request(approval: Approval, days: int, depth: int, actor: dict[str, Any]) -> None:
    """Ask, for a run that stands so deep; harmless when it was asked before."""
    pk, sk = ApprovalRow.at(approval.organization_id, approval.id)
    row = ApprovalRow.of(
        approval,
        pk=pk,
        sk=sk,
        gsi2pk=ApprovalRow.by_status(approval.organization_id, approval.status),
        gsi2sk=str(approval.id),
        arguments=_stored(approval, "arguments", approval.arguments, days),
        depth=depth,
        ttl=clock.epoch() + days * 86_400,
    )
    try:
        table.create(row, actor)
    except Conflict:
        return  # the step was repeated


def wait_at(organization_id: UUID, approval_id: UUID, callback_id: str) -> None:
    """Note where the run waits. Who was so fast to have answered already wakes it at once."""
    row = _need(organization_id, approval_id)
    table.touch(row, put={"callback_id": callback_id})
    if row.status != ApprovalStatus.PENDING:
        _deliver(row)


def settle(organization_id: UUID, approval_ids: list[UUID], actor: dict[str, Any]) -> list[Approval]:
    """The decisions, in the order of the ids; what nobody decided has expired."""
    found = []
    for approval_id in approval_ids:
        row = _need(organization_id, approval_id)
        if row.status == ApprovalStatus.PENDING:
            row = _close(row, ApprovalStatus.EXPIRED, actor) or _need(organization_id, approval_id)
        found.append(_approval(row))
    return found


def withdraw(organization_id: UUID, approval_ids: list[UUID], actor: dict[str, Any]) -> None:
    """Take back what nobody has decided, because its run has ended, and let the run's function end."""
    for approval_id in approval_ids:
        row = table.get(ApprovalRow, ApprovalRow.at(organization_id, approval_id))
        if row and row.status == ApprovalStatus.PENDING and _close(row, ApprovalStatus.CANCELLED, actor):
            _deliver(row)


# What people do


def find(caller: Caller, *, status: ApprovalStatus, limit: int, cursor: str | None) -> Page[Approval]:
    """The questions that the caller may answer, or was allowed to, newest first."""
    pk = ApprovalRow.by_status(caller.organization_id, status)
    rows, following = query_page(
        ApprovalRow,
        pk,
        index="gsi2",
        limit=limit,
        cursor=cursor,
        keep=lambda row: _refusal(caller, row) is None,
        filters=[caller.user_id, caller.api_key_id],
    )
    return Page(items=[_approval(row) for row in rows], next_cursor=following)


def get(caller: Caller, approval_id: UUID) -> Approval:
    """One question with its arguments; raises NotFound."""
    return _approval(_need(caller.organization_id, approval_id))


def decide(caller: Caller, approval_id: UUID, decision: Decision) -> Approval:
    """Answer a question and let its run go on.

    Raises Forbidden for who may not decide, Conflict `already_decided` or `approval_expired`, Invalid when edited
    arguments do not fit the tool's schema.
    """
    row = _need(caller.organization_id, approval_id)
    if refusal := _refusal(caller, row):
        raise refusal
    if row.status != ApprovalStatus.PENDING:
        raise Conflict(f"It is {row.status} already", code="already_decided")
    if datetime.fromisoformat(row.expires_at) <= clock.now():
        raise Conflict("Its time is over", code="approval_expired")
    values: dict[str, Any] = {"note": decision.note}
    if decision.arguments is not None:
        _check(decision.arguments, row.input_schema)
        days = max(1, -((clock.epoch() - int(row.ttl)) // 86_400))
        # Under a name of its own: who loses the race must not overwrite what runs.
        name = f"edited-{ids.new_id()}"
        values["edited_arguments"] = _stored(_approval(row), name, decision.arguments, days)
    values |= {
        "decided_by": str(caller.user_id),
        "decided_by_api_key_id": str(caller.api_key_id) if caller.api_key_id else None,
    }
    status = ApprovalStatus.APPROVED if decision.decision == "approve" else ApprovalStatus.DENIED
    if not _close(row, status, caller.actor(), **values):
        raise Conflict("Somebody else was faster", code="already_decided")
    _deliver(row)
    return _approval(_need(caller.organization_id, approval_id))


def deliver_again() -> int:
    """Send the answers that were not delivered; answers how many were sent."""
    sent = 0
    for row in ApprovalRow.gsi3.query(ApprovalRow.undelivered()):
        try:
            sent += _deliver(row)
            if datetime.fromisoformat(row.expires_at) <= clock.now():
                _put_away(row)  # its run has woken up by itself, if it ever waited
        except Exception as error:  # must not hold up the others
            logger.warning("could not deliver an answer", approval_id=row.id, error=repr(error))
    return sent


def require_approver(caller: Caller, approvers: Approvers) -> None:
    """Hold what the caller does at once to the rule of what they would ask for; raises Forbidden."""
    named = approvers.model_dump(mode="json")
    if refusal := _not_approver(caller, PERMISSIONS["agent"], named, caller.api_key_id):
        raise refusal


def _refusal(caller: Caller, row: ApprovalRow) -> Forbidden | None:
    """Why the caller may not decide; None when they may."""
    return _not_approver(caller, PERMISSIONS[row.run_type], row.approvers or {}, row.api_key_id)


def _not_approver(
    caller: Caller, permission: str, named: dict[str, list[str]], asked_by: UUID | str | None
) -> Forbidden | None:
    if not caller.may(permission):
        return Forbidden(f"This needs the permission {permission}", code="permission_missing")
    if named.get("users") or named.get("roles"):
        chosen = str(caller.user_id) in named.get("users", []) or caller.role in named.get("roles", [])
        if not chosen:
            return Forbidden("Others were asked to decide this", code="not_an_approver")
    if caller.api_key_id and str(caller.api_key_id) == str(asked_by):
        return Forbidden("The API key that started a run cannot approve what it does", code="own_run")
    return None


def _close(
    row: ApprovalRow, status: ApprovalStatus, actor: dict[str, Any], **values: Any
) -> ApprovalRow | None:
    """Move a pending question to its last state, to be delivered; None when somebody was faster."""
    organization_id = UUID(row.organization_id)
    values |= {
        "status": status.value,
        "decided_at": clock.iso(clock.now()),
        "gsi2pk": ApprovalRow.by_status(organization_id, status),
    }
    if status != ApprovalStatus.EXPIRED:  # whose run has woken up by itself
        values |= {"gsi3pk": ApprovalRow.undelivered(), "gsi3sk": row.id}
    try:
        return table.change(row, values, actor, condition=ApprovalRow.status == ApprovalStatus.PENDING.value)
    except Conflict:
        return None


def _deliver(row: ApprovalRow) -> bool:
    """Wake the run; True when it is awake, or gone. What the run needs to know it reads from the row."""
    if not row.callback_id:
        return False  # it does not wait yet, and wakes itself when it does
    client = durable.lambda_client()
    try:
        client.send_durable_execution_callback_success(
            CallbackId=row.callback_id, Result=json.dumps({"approvalId": row.id})
        )
    except Exception as error:
        if getattr(error, "response", {}).get("Error", {}).get("Code") not in _GONE:
            logger.warning("could not wake a run; the sweeper will", approval_id=row.id, error=repr(error))
            return False
    _put_away(row)
    return True


def _put_away(row: ApprovalRow) -> None:
    """Take an answer off the sweeper's list."""
    table.touch(row, put={"gsi3pk": None, "gsi3sk": None})


_GONE = {"CallbackTimeoutException", "ResourceNotFoundException"}


def _check(arguments: dict[str, Any], schema: dict[str, Any]) -> None:
    if error := json_schema.mismatch(schema, arguments):
        raise Invalid(
            f"The arguments do not fit the tool: {error.detail}",
            errors=[{"pointer": f"/arguments{error.pointer}", "detail": error.detail}],
        )


def _stored(approval: Approval, name: str, arguments: dict[str, Any], days: int) -> Any:
    place = f"approvals/{approval.id}/{name}"
    return payloads.store(approval.organization_id, place, json.dumps(arguments), days, INLINE_BYTES)


def _need(organization_id: UUID, approval_id: UUID) -> ApprovalRow:
    return table.need(ApprovalRow, ApprovalRow.at(organization_id, approval_id), "approval")


def _approval(row: ApprovalRow) -> Approval:
    values = row.values()
    for name in ("arguments", "edited_arguments"):
        if name in values:
            values[name] = json.loads(payloads.load(row.organization_id, values[name]))
    return Approval.model_validate(values, by_name=True)
