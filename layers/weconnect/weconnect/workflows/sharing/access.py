"""Who may do what with a workflow and with its runs: by their role, or by a share. Nothing else decides it.

A `Need` names both: the word that a role gives, and the level of a share that stands in for it. The role comes first
and costs nothing; only whom it refuses is looked up among the shares, in one read.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import Forbidden, NotFound
from weconnect.identity.permissions import owns, require_own
from weconnect.organizations.entities import OrganizationMember
from weconnect.organizations.rows import MemberRow
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing.entities import ShareLevel, WorkflowShare
from weconnect.workflows.sharing.rows import WorkflowShareRow


@dataclass(frozen=True)
class Need:
    """What an operation asks for. `own`: by the role alone, a plain member does it only with what they made."""

    word: str
    level: ShareLevel
    own: bool = False


VIEW = Need("workflows:read", ShareLevel.VIEW)
EXECUTE = Need("workflows:execute", ShareLevel.EXECUTE)
TEST = Need("workflows:execute", ShareLevel.EDIT)  # who tests a node chooses what it sends its secrets with
EDIT = Need("workflows:update", ShareLevel.EDIT, own=True)
DELETE = Need("workflows:delete", ShareLevel.MANAGE)
SEE_SHARES = Need("workflows:read", ShareLevel.MANAGE)
SHARE = Need("workflows:update", ShareLevel.MANAGE, own=True)
SEE_RUN = Need("executions:read", ShareLevel.EXECUTE)
STEER_RUN = Need("executions:update", ShareLevel.EXECUTE, own=True)
DELETE_RUN = Need("executions:delete", ShareLevel.MANAGE)

LADDER = (VIEW, EXECUTE, EDIT, DELETE)
"""What each level of a share stands for."""


def require(caller: Caller, head: Row | None, need: Need) -> WorkflowRow:
    """The head of a workflow, for who may do this with it; in the trash its shares rest, and the role alone counts.

    Raises NotFound for who may not even see it, else Forbidden.
    """
    if not isinstance(head, WorkflowRow):
        raise no_workflow()
    if by_role(caller, head, need):
        return head
    share = None if head.deleted_at else held(caller, UUID(head.id))
    if by_share(caller, share, need):
        return head
    if share is None and not caller.may(VIEW.word) and not caller.may(need.word):
        raise no_workflow()
    if share is not None and share.level.rank < need.level.rank:
        text = f"It is shared with you to {share.level}; this takes {need.level}"
        raise Forbidden(text, code="share_too_low")
    raise _refusal(caller, head, need)


def require_run(caller: Caller, run: Row, need: Need) -> None:
    """Let those reach a run whose role does, and who began it by a share that lets them still; as `require`."""
    if by_role(caller, run, need):
        return
    began = run.user_id == str(caller.user_id)
    if began and by_share(caller, _held_now(caller, UUID(run.workflow_id)), need):
        return
    if not caller.may(SEE_RUN.word) and not caller.may(need.word):
        raise NotFound("No such execution", code="execution_not_found")
    raise _refusal(caller, run, need)


def require_may_grant(caller: Caller, head: WorkflowRow, level: ShareLevel) -> datetime | None:
    """Nobody gives more than they have: Forbidden `cannot_grant`. Answers when theirs ends, None for never."""
    from weconnect.organizations.members import membership  # only those who share pay for it

    words = frozenset[str]() if caller.is_guest else membership.holder(caller).words
    share, until = None, None
    for need in LADDER[: level.rank + 1]:
        if need.word not in words or (need.own and not owns(caller, UUID(head.user_id))):
            share = share or held(caller, UUID(head.id))
            if share is None or not by_share(caller, share, need):
                raise Forbidden(f"You may not {need.level} it yourself", code="cannot_grant")
            until = share.expires_at
    return until


def by_role(caller: Caller, row: Row, need: Need) -> bool:
    """Whether the role suffices."""
    return caller.may(need.word) and (not need.own or owns(caller, UUID(row.user_id)))


def by_share(caller: Caller, share: WorkflowShare | None, need: Need) -> bool:
    """Whether the share suffices; an API key's scopes bound what it can be used for."""
    return share is not None and share.level.rank >= need.level.rank and caller.may_be_lent(need.word)


def held(caller: Caller, workflow_id: UUID) -> WorkflowShare | None:
    """The best share of a workflow that the caller has, by themselves or by their role, at this moment."""
    organization_id = caller.organization_id
    at_member = MemberRow.at(organization_id, caller.user_id)
    at_user = WorkflowShareRow.at_user(organization_id, workflow_id, caller.user_id)
    at_role = WorkflowShareRow.at_role(organization_id, workflow_id, caller.role)
    found = table.get_many([at_member, at_user, at_role])
    member = joined(found.get(at_member))
    if member is None:
        return None
    if role := role_of(caller, member):
        wanted = WorkflowShareRow.at_role(organization_id, workflow_id, role)
        if wanted != at_role:
            found |= table.get_many([wanted])
            at_role = wanted
    rows = [found.get(at_user), found.get(at_role) if role else None]
    return best([share for row in rows if (share := in_force(row, member))])


def joined(row: Row | None) -> OrganizationMember | None:
    """The member, unless they are none any more, or not yet."""
    member: OrganizationMember | None = row.to_entity() if isinstance(row, MemberRow) else None
    return member if member and member.is_active and not member.is_pending else None


def role_of(caller: Caller, member: OrganizationMember) -> str | None:
    """The role whose shares count: a custom one in place of the other; a guest acts without a role."""
    return None if caller.is_guest else str(member.custom_role_id or member.role.value)


def in_force(row: Row | None, member: OrganizationMember | None = None) -> WorkflowShare | None:
    """The share, unless its time is over, or it was given to a `member` before they left and came back."""
    if not isinstance(row, WorkflowShareRow):
        return None
    share: WorkflowShare = row.to_entity()
    if share.expires_at and share.expires_at <= clock.now():
        return None
    since = (member.joined_at or member.created_at) if member else None
    if since and share.shared_with_user_id and share.created_at < since:
        return None
    return share


def best(shares: list[WorkflowShare]) -> WorkflowShare | None:
    """The one of the highest level, and among those the one that lasts longest."""

    def worth(share: WorkflowShare) -> tuple[int, float]:
        return share.level.rank, share.expires_at.timestamp() if share.expires_at else float("inf")

    return max(shares, key=worth, default=None)


def no_workflow() -> NotFound:
    """What a workflow is that is not there, or not to be seen."""
    return NotFound("No such workflow", code="workflow_not_found")


def _held_now(caller: Caller, workflow_id: UUID) -> WorkflowShare | None:
    """The same of a workflow that may be in the trash, where its shares rest."""
    head = table.get(WorkflowRow, WorkflowRow.at(caller.organization_id, workflow_id))
    return held(caller, workflow_id) if head else None


def _refusal(caller: Caller, row: Row, need: Need) -> Forbidden:
    try:
        caller.require(need.word)
        require_own(caller, UUID(row.user_id))
    except Forbidden as refusal:
        return refusal
    raise AssertionError("refused what the role allows")
