"""Access to workflows and their executions: the only place that decides it, by the caller's role or by a share.

A `RequiredAccess` names both: the permission that a role grants, and the level of a share that replaces it. The role is
checked first and costs nothing; shares are read, in one call, only when the role does not allow it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import Forbidden
from weconnect.executions.errors import ExecutionNotFound
from weconnect.identity.permissions import may_change_entity_of, require_own_entity
from weconnect.organizations.entities import OrganizationMember
from weconnect.organizations.errors import CannotGrant
from weconnect.organizations.rows import MemberRow
from weconnect.workflows.errors import ShareLevelTooLow, WorkflowNotFound
from weconnect.workflows.executions.rows import WorkflowExecutionRow
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing.entities import ShareLevel, WorkflowShare
from weconnect.workflows.sharing.rows import WorkflowShareRow


@dataclass(frozen=True)
class RequiredAccess:
    """The access that an operation requires: a permission, or a share of at least this level.

    With `own_only`, a role grants it only for what they created themselves, unless they are an owner or an admin.
    """

    permission: str
    level: ShareLevel
    own_only: bool = False


VIEW = RequiredAccess("workflows:read", ShareLevel.VIEW)
EXECUTE = RequiredAccess("workflows:execute", ShareLevel.EXECUTE)
# Whoever tests a node chooses where its secrets are sent.
TEST_NODE = RequiredAccess("workflows:execute", ShareLevel.EDIT)
EDIT = RequiredAccess("workflows:update", ShareLevel.EDIT, own_only=True)
DELETE = RequiredAccess("workflows:delete", ShareLevel.MANAGE)
VIEW_SHARES = RequiredAccess("workflows:read", ShareLevel.MANAGE)
SHARE = RequiredAccess("workflows:update", ShareLevel.MANAGE, own_only=True)
VIEW_EXECUTION = RequiredAccess("executions:read", ShareLevel.EXECUTE)
CONTROL_EXECUTION = RequiredAccess("executions:update", ShareLevel.EXECUTE, own_only=True)
DELETE_EXECUTION = RequiredAccess("executions:delete", ShareLevel.MANAGE)

ACCESS_BY_RANK = (VIEW, EXECUTE, EDIT, DELETE)
"""The access that each level of a share grants, beside that of the levels below it."""


def require(caller: Caller, row: Row | None, required: RequiredAccess) -> WorkflowRow:
    """Return a workflow's row, if the caller has the required access to it. In the trash, shares grant nothing.

    Raises WorkflowNotFound without a row, or when the caller may not even see it, else Forbidden or ShareLevelTooLow.
    """
    if not isinstance(row, WorkflowRow):
        raise WorkflowNotFound()
    if is_allowed_by_role(caller, row, required):
        return row
    share = None if row.deleted_at else find_best_share(caller, UUID(row.id))
    if is_allowed_by_share(caller, share, required):
        return row
    may_see = caller.has_permission(VIEW.permission) or caller.has_permission(required.permission)
    if share is None and not may_see:
        raise WorkflowNotFound()
    if share is not None and share.level.rank < required.level.rank:
        raise ShareLevelTooLow(
            f"Your share has the level {share.level}, but this needs {required.level}. "
            "Ask a person who manages the workflow for a higher level."
        )
    raise _find_refusal(caller, row, required)


def require_execution(caller: Caller, row: WorkflowExecutionRow, required: RequiredAccess) -> None:
    """Raise unless the caller has the required access to an execution.

    It is granted by the role, or by a share that is still valid to the caller who started the execution by it. Raises
    ExecutionNotFound when the caller may not even see it, else Forbidden.
    """
    if is_allowed_by_role(caller, row, required):
        return
    is_own = row.user_id == str(caller.user_id)
    if is_own and is_allowed_by_share(
        caller, _find_share_unless_trashed(caller, UUID(row.workflow_id)), required
    ):
        return
    may_see = caller.has_permission(VIEW_EXECUTION.permission) or caller.has_permission(required.permission)
    if not may_see:
        raise ExecutionNotFound()
    raise _find_refusal(caller, row, required)


def require_may_grant(caller: Caller, row: WorkflowRow, level: ShareLevel) -> datetime | None:
    """Return when the caller's own access at this level ends (None: never). Raises CannotGrant without such access."""
    share, until = None, None
    for access in ACCESS_BY_RANK[: level.rank + 1]:
        if not is_allowed_by_role(caller, row, access):
            share = share or find_best_share(caller, UUID(row.id))
            if share is None or not is_allowed_by_share(caller, share, access):
                raise CannotGrant(f"You do not have the level {access.level} yourself. Share a lower level.")
            until = share.expires_at
    return until


def is_allowed_by_role(
    caller: Caller, row: WorkflowRow | WorkflowExecutionRow, required: RequiredAccess
) -> bool:
    """Return whether the caller's role grants the access, without a call to the table."""
    if not caller.has_permission(required.permission):
        return False
    return not required.own_only or may_change_entity_of(caller, UUID(row.user_id))


def is_allowed_by_share(caller: Caller, share: WorkflowShare | None, required: RequiredAccess) -> bool:
    """Return whether a share grants the access. The scopes of an API key bound it."""
    if share is None or share.level.rank < required.level.rank:
        return False
    return caller.is_within_scopes(required.permission)


def find_best_share(caller: Caller, workflow_id: UUID) -> WorkflowShare | None:
    """Return the caller's best valid share of a workflow, with them or with their role, as the table has it now."""
    organization_id = caller.organization_id
    at_member = MemberRow.at(organization_id, caller.user_id)
    at_user = WorkflowShareRow.at_user(organization_id, workflow_id, caller.user_id)
    at_role = WorkflowShareRow.at_role(organization_id, workflow_id, caller.role)
    rows_by_key = table.get_many([at_member, at_user, at_role])
    member = get_active_member(rows_by_key.get(at_member))
    if member is None:
        return None
    role = get_sharing_role(caller, member)
    if role:
        at_current_role = WorkflowShareRow.at_role(organization_id, workflow_id, role)
        if at_current_role != at_role:  # the caller's token is older than their role
            rows_by_key |= table.get_many([at_current_role])
            at_role = at_current_role
    rows = [rows_by_key.get(at_user), rows_by_key.get(at_role) if role else None]
    return select_best_share([share for row in rows if (share := get_share_in_force(row, member))])


def get_active_member(row: Row | None) -> OrganizationMember | None:
    """Return the member of a row, or None when they were deactivated or left."""
    member = row.to_entity() if isinstance(row, MemberRow) else None
    return member if member and member.is_active else None


def get_sharing_role(caller: Caller, member: OrganizationMember) -> str | None:
    """Return the role whose shares count for the caller: a custom role if they have one; None for a guest."""
    return None if caller.is_guest else member.effective_role


def get_share_in_force(row: Row | None, member: OrganizationMember | None = None) -> WorkflowShare | None:
    """Return the share of a row, or None when it has expired.

    With `member`, None also for a share with them that is older than their present membership.
    """
    if not isinstance(row, WorkflowShareRow):
        return None
    share = row.to_entity()
    if share.expires_at and share.expires_at <= clock.now():
        return None
    since = (member.joined_at or member.created_at) if member else None
    if since and share.shared_with_user_id and share.created_at < since:
        return None
    return share


def select_best_share(shares: list[WorkflowShare]) -> WorkflowShare | None:
    """Return the share of the highest level, and among those the one that lasts longest."""

    def rank_share(share: WorkflowShare) -> tuple[int, float]:
        return share.level.rank, share.expires_at.timestamp() if share.expires_at else float("inf")

    return max(shares, key=rank_share, default=None)


def _find_share_unless_trashed(caller: Caller, workflow_id: UUID) -> WorkflowShare | None:
    """Return the caller's best share of a workflow; None while it is in the trash."""
    row = table.get(WorkflowRow, WorkflowRow.at(caller.organization_id, workflow_id))
    return find_best_share(caller, workflow_id) if row else None


def _find_refusal(
    caller: Caller, row: WorkflowRow | WorkflowExecutionRow, required: RequiredAccess
) -> Forbidden:
    """Return the error of the permission or the ownership that the caller lacks."""
    try:
        caller.require_permission(required.permission)
        require_own_entity(caller, UUID(row.user_id))
    except Forbidden as refusal:
        return refusal
    raise AssertionError("refused what the role allows")
