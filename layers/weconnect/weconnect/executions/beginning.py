"""The beginning of an execution, which asks again for one that was queued: much may have changed since its request."""

from collections import deque
from typing import TypeVar
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import EVERYTHING
from weconnect.auth.api_keys import api_keys
from weconnect.db import table
from weconnect.errors import Forbidden, Problem, Unauthenticated
from weconnect.executions import children, lifecycle
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.followups import complete_execution
from weconnect.executions.kinds import kind_of
from weconnect.executions.results import Completion
from weconnect.executions.rows import AnyRow
from weconnect.identity.rows import UserRow
from weconnect.identity.verified_addresses import is_operator
from weconnect.organizations.members import membership
from weconnect.organizations.members.active_membership import load_active_membership

R = TypeVar("R", bound=AnyRow)


def begin(row: R) -> R | None:
    """Set a pending execution to running and return its present row; None when it does not run. Idempotent.

    One that was queued is cancelled, with the reason as its error, when what it executes was deactivated or deleted
    since its request, or when nobody may act for it in the organization any more.
    """
    if row.status == ExecutionStatus.PENDING:
        values = {"started_at": clock.iso(clock.now())}
        if row.was_queued:
            try:
                kind_of(row).require_executable(row)
                values["user_id"] = str(_choose_acting_user(row))
            except Problem as refusal:
                if refusal.status >= 500:
                    raise
                message = f"The execution was cancelled when it left the queue. {refusal.detail}"
                end = Completion.with_error(ExecutionStatus.CANCELLED, refusal.code, message)
                complete_execution(row, end)
                return None
        if not lifecycle.change_status(row, ExecutionStatus.PENDING, ExecutionStatus.RUNNING, **values):
            row = lifecycle.reload(row)
    if row.status == ExecutionStatus.RUNNING:
        return row
    if not lifecycle.may_continue(row):  # cancelled while pending, by a process that crashed in doing so
        complete_execution(row, Completion.cancelled())
    return None


def _choose_acting_user(row: AnyRow) -> UUID:
    """Return the user for whom a queued execution is executed: whoever requested it, while they may act.

    An owner takes over what the organization relies on, such as executions that events start. Raises Unauthenticated,
    Forbidden or NotFound when nobody may act for it.
    """
    organization_id, user_id = UUID(row.organization_id), UUID(row.user_id)
    (origin,) = deque(children.list_ancestors(row), maxlen=1)
    if origin.is_of_organization:
        return membership.resolve_acting_user(organization_id, user_id)
    permissions = _load_permissions(organization_id, user_id)
    if row.api_key_id:
        api_keys.restrict_to_api_key(organization_id, user_id, UUID(row.api_key_id), permissions)
    return user_id


def _load_permissions(organization_id: UUID, user_id: UUID) -> frozenset[str]:
    """Return the permissions of an active member, or of an operator. Raises Unauthenticated or Forbidden."""
    try:
        return load_active_membership(user_id, organization_id).permissions()
    except (Unauthenticated, Forbidden):
        user = table.get(UserRow, UserRow.at(user_id))
        if user and user.is_active and is_operator(user):
            return frozenset({EVERYTHING})
        raise
