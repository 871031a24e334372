"""Shares: give, list, change and take back. What they let somebody do is decided in `access`."""

import hashlib
import math
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.auth.rows import TokenRow
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound
from weconnect.identity.permissions import ROLES
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, RoleRow
from weconnect.workflows import service as workflows
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing import access
from weconnect.workflows.sharing.entities import (
    CreatedWorkflowShare,
    NewWorkflowShare,
    ShareLevel,
    WorkflowShare,
    WorkflowShareChanges,
)
from weconnect.workflows.sharing.rows import WorkflowShareRow

MAX_SHARES = 100
LINK_DAYS, MAX_LINK_DAYS = 7, 90
PURPOSE = "workflow_share"


def find(caller: Caller, workflow_id: UUID, *, limit: int, cursor: str | None) -> Page[WorkflowShare]:
    """The shares of a workflow that are in force, links by when they were made."""
    workflows.need(caller, workflow_id, access.SEE_SHARES)
    pk, prefix = WorkflowShareRow.of_workflow(caller.organization_id, workflow_id)
    rows, following = query_page(
        WorkflowShareRow,
        pk,
        prefix,
        limit=limit,
        cursor=cursor,
        keep=lambda row: access.in_force(row) is not None,
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=following)


def create(caller: Caller, workflow_id: UUID, new: NewWorkflowShare) -> CreatedWorkflowShare:
    """Share a workflow; a second share with the same is 409 `already_shared`: change the first.

    Raises Forbidden `cannot_grant`, Invalid for an end that cannot be, NotFound for a member or a role, LimitReached
    at 100 shares.
    """
    head = workflows.need(caller, workflow_id, access.SHARE)
    until = access.require_may_grant(caller, head, new.level)
    if len(_in_force(caller, workflow_id)) >= MAX_SHARES:
        raise LimitReached(f"A workflow takes {MAX_SHARES} shares", code="share_limit_reached")
    share_id, moment = new_id(), clock.now()
    values = new.model_dump() | {
        "shared_with_role": _role(new.shared_with_role),
        "expires_at": _end(new.expires_at, until, link=new.link, given=new.expires_at is not None),
    }
    share = WorkflowShare(
        id=share_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        workflow_id=workflow_id,
        **values,
    )
    token = secrets.token_urlsafe(32) if new.link else None
    row = _row(share, token)
    with table.transaction(caller.actor()) as writes:
        at = WorkflowRow.at(caller.organization_id, workflow_id)
        writes.check(WorkflowRow, at, WorkflowRow.pk.exists(), access.no_workflow())
        _check_whom(writes, share)
        writes.create(row, Conflict("It is shared with them already: change that", code="already_shared"))
        if token:
            writes.create(_token_row(token, share))
    return CreatedWorkflowShare(**share.model_dump(), token=token)


def update(
    caller: Caller, workflow_id: UUID, share_id: UUID, changes: WorkflowShareChanges, if_match: int | None
) -> WorkflowShare:
    """Change level or end, both within what the caller has."""
    head = workflows.need(caller, workflow_id, access.SHARE)
    row = _need(caller, workflow_id, share_id)
    before: WorkflowShare = row.to_entity()
    level = changes.level or before.level
    if before.link and level != ShareLevel.VIEW:
        errors = [{"pointer": "/level", "detail": "a link is to view only"}]
        raise Invalid("Not valid: /level", errors=errors)
    access.require_may_grant(caller, head, before.level)
    until = access.require_may_grant(caller, head, level)
    given = "expires_at" in changes.model_fields_set
    wanted = changes.expires_at if given else before.expires_at
    if given or until:
        wanted = _end(wanted, until, link=before.link, given=True)
    values: dict[str, Any] = {
        "level": level.value,
        "expires_at": clock.iso(wanted) if wanted else None,
        "ttl": _ttl(wanted),
    }
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        if row.token_hash:
            writes.touch(_token_at(row), {}, {"ttl": values["ttl"]}, _no_share())
    return row.to_entity()  # type: ignore[no-any-return]


def revoke(caller: Caller, workflow_id: UUID, share_id: UUID, if_match: int | None) -> None:
    """End a share at once, for good."""
    head = workflows.need(caller, workflow_id, access.SHARE)
    row = _need(caller, workflow_id, share_id)
    access.require_may_grant(caller, head, ShareLevel(row.level))
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        if row.token_hash:
            writes.discard(_token_at(row))


def _check_whom(writes: table.Transaction, share: WorkflowShare) -> None:
    """Make the transaction hold only while the member is one, or the role is there."""
    organization_id = share.organization_id
    if share.shared_with_user_id:
        at = MemberRow.at(organization_id, share.shared_with_user_id)
        missing = NotFound("No such member", code="member_not_found")
        if access.joined(table.get(MemberRow, at)) is None:
            raise missing
        writes.check(MemberRow, at, MemberRow.is_active == True, missing)  # noqa: E712
    elif share.shared_with_role and share.shared_with_role not in ROLES:
        at = RoleRow.at(organization_id, share.shared_with_role)
        writes.check(RoleRow, at, RoleRow.pk.exists(), membership.no_role())


def _role(name: str | None) -> str | None:
    """One of the four roles, but for the owner's, or the id of a custom one as it stands in keys."""
    if name == "owner":
        errors = [{"pointer": "/sharedWithRole", "detail": "owners have every permission"}]
        raise Invalid("Not valid: /sharedWithRole", errors=errors)
    if name is None or name in ROLES:
        return name
    try:
        return str(UUID(name))
    except ValueError:
        raise membership.no_role() from None


def _end(wanted: datetime | None, until: datetime | None, *, link: bool, given: bool) -> datetime | None:
    """When a share ends: in the future, a link's within 90 days, and not after what its giver has."""
    now = clock.now()
    last = now + timedelta(days=MAX_LINK_DAYS)
    if not given:
        wanted = now + timedelta(days=LINK_DAYS) if link else until
        return min(wanted, until) if wanted and until else wanted
    if wanted is not None and wanted <= now:
        raise _bad_end("is over already")
    if link and (wanted is None or wanted > last):
        raise _bad_end(f"a link ends within {MAX_LINK_DAYS} days")
    if until and (wanted is None or wanted > until):
        text = f"What is shared with you ends at {clock.iso(until)}, and so does what you share"
        raise Forbidden(text, code="cannot_grant", errors=[{"pointer": "/expiresAt", "detail": "is later"}])
    return wanted


def _bad_end(detail: str) -> Invalid:
    return Invalid("Not valid: /expiresAt", errors=[{"pointer": "/expiresAt", "detail": detail}])


def _ttl(moment: datetime | None) -> int | None:
    """The first second in which it is over."""
    return math.ceil(moment.timestamp()) if moment else None


def _row(share: WorkflowShare, token: str | None) -> WorkflowShareRow:
    organization_id, workflow_id = share.organization_id, share.workflow_id
    index: dict[str, str] = {}
    if share.shared_with_user_id:
        pk, sk = WorkflowShareRow.at_user(organization_id, workflow_id, share.shared_with_user_id)
        index["gsi1pk"] = WorkflowShareRow.of_user(organization_id, share.shared_with_user_id)
    elif share.shared_with_role:
        pk, sk = WorkflowShareRow.at_role(organization_id, workflow_id, share.shared_with_role)
        index["gsi1pk"] = WorkflowShareRow.of_role(organization_id, share.shared_with_role)
    else:
        pk, sk = WorkflowShareRow.at_link(organization_id, workflow_id, share.id)
    if index:
        index["gsi1sk"] = str(workflow_id)
    token_hash = hashlib.sha256(token.encode()).hexdigest() if token else None
    return WorkflowShareRow.of(
        share, pk=pk, sk=sk, ttl=_ttl(share.expires_at), token_hash=token_hash, **index
    )


def _token_row(token: str, share: WorkflowShare) -> TokenRow:
    names = ("organization_id", "workflow_id", "id")
    details = {name: str(getattr(share, name)) for name in names}
    pk, sk = TokenRow.at(token)
    return TokenRow(pk=pk, sk=sk, purpose=PURPOSE, details=details, ttl=_ttl(share.expires_at))


def _token_at(row: WorkflowShareRow) -> TokenRow:
    return TokenRow(*TokenRow.at_hash(row.token_hash))


def _in_force(caller: Caller, workflow_id: UUID) -> list[WorkflowShareRow]:
    pk, prefix = WorkflowShareRow.of_workflow(caller.organization_id, workflow_id)
    rows = WorkflowShareRow.query(pk, WorkflowShareRow.sk.startswith(prefix), consistent_read=True)
    return [row for row in rows if access.in_force(row)]


def _need(caller: Caller, workflow_id: UUID, share_id: UUID) -> WorkflowShareRow:
    """A share by its id, among all of its workflow."""
    for row in _in_force(caller, workflow_id):
        if row.id == str(share_id):
            return row
    raise _no_share()


def _no_share() -> NotFound:
    return NotFound("No such share", code="share_not_found")


def discard(organization_id: UUID, workflow_id: UUID, batch: Any) -> int:
    """Delete all shares of a workflow that is gone for good; answers how many."""
    pk, prefix = WorkflowShareRow.of_workflow(organization_id, workflow_id)
    rows: list[Row] = list(WorkflowShareRow.query(pk, WorkflowShareRow.sk.startswith(prefix)))
    for row in rows:
        if row.token_hash:
            batch.delete(TokenRow(*TokenRow.at_hash(row.token_hash)))
        batch.delete(row)
    return len(rows)
