"""Shares of workflows: create, list, change and revoke. `access` decides what a share allows."""

import hashlib
import math
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.errors import Invalid
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE
from weconnect.identity.rows import TokenRow
from weconnect.identity.verified_addresses import require_verified
from weconnect.organizations.errors import CannotGrant, MemberNotFound, RoleNotFound
from weconnect.organizations.rows import MemberRow, RoleRow
from weconnect.workflows import service as workflows
from weconnect.workflows.errors import AlreadyShared, ShareLimitReached, ShareNotFound, WorkflowNotFound
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
TOKEN_PURPOSE = "workflow_share"


def find(caller: Caller, workflow_id: UUID, *, limit: int, cursor: str | None) -> Page[WorkflowShare]:
    """Return a page of a workflow's valid shares, links in the order of their creation."""
    workflows.require(caller, workflow_id, access.VIEW_SHARES)
    pk, prefix = WorkflowShareRow.of_workflow(caller.organization_id, workflow_id)
    rows, next_cursor = query_page(
        WorkflowShareRow,
        pk,
        prefix,
        limit=limit,
        cursor=cursor,
        keep=lambda row: access.get_share_in_force(row) is not None,
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=next_cursor)


def create(caller: Caller, workflow_id: UUID, new: NewWorkflowShare) -> CreatedWorkflowShare:
    """Share a workflow with a member, a role, or by a link whose token is returned this once.

    Raises AlreadyShared, CannotGrant, ShareLimitReached, MemberNotFound, RoleNotFound, Invalid for an end that is not
    allowed; for a link also EmailNotVerified.
    """
    row = workflows.require(caller, workflow_id, access.SHARE)
    until = access.require_may_grant(caller, row, new.level)
    if new.link:
        require_verified(caller.user_id, "share by link")
    if len(_load_in_force(caller, workflow_id)) >= MAX_SHARES:
        raise ShareLimitReached(f"The workflow has {MAX_SHARES} shares, the maximum. Revoke one first.")
    share_id, moment = replay_safe_id(), clock.now()
    values = new.model_dump() | {
        "shared_with_role": _normalize_role(new.shared_with_role),
        "expires_at": _compute_default_end(until, link=new.link)
        if new.expires_at is None
        else _require_allowed_end(new.expires_at, until, link=new.link),
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
    with table.transaction(caller.actor()) as writes:
        at = WorkflowRow.at(caller.organization_id, workflow_id)
        writes.check(WorkflowRow, at, WorkflowRow.pk.exists(), WorkflowNotFound())
        _check_recipient(writes, share)
        writes.create(_build_share_row(share, token), AlreadyShared())
        if token:
            writes.create(_build_token_row(token, share))
    return CreatedWorkflowShare(**share.model_dump(), token=token)


def update(
    caller: Caller, workflow_id: UUID, share_id: UUID, changes: WorkflowShareChanges, if_match: int | None
) -> WorkflowShare:
    """Change the level or the end of a share, both within the caller's own access.

    Raises ShareNotFound, CannotGrant, StaleVersion, Invalid.
    """
    workflow_row = workflows.require(caller, workflow_id, access.SHARE)
    row = _require_share(caller, workflow_id, share_id)
    before = row.to_entity()
    level = changes.level or before.level
    if before.link and level != ShareLevel.VIEW:
        raise Invalid("A link has the level view. Share with a member or a role instead.", pointer="/level")
    access.require_may_grant(caller, workflow_row, before.level)
    until = access.require_may_grant(caller, workflow_row, level)
    is_end_requested = "expires_at" in changes.model_fields_set
    expires_at = changes.expires_at if is_end_requested else before.expires_at
    if is_end_requested or until:
        expires_at = _require_allowed_end(expires_at, until, link=before.link)
    values: dict[str, Any] = {
        "level": level.value,
        "expires_at": clock.iso(expires_at) if expires_at else None,
        "ttl": _compute_ttl(expires_at),
    }
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        if row.token_hash:
            writes.touch(_build_token_key(row.token_hash), {}, {"ttl": values["ttl"]}, ShareNotFound())
    return row.to_entity()


def revoke(caller: Caller, workflow_id: UUID, share_id: UUID, if_match: int | None) -> None:
    """Delete a share, which ends it at once. Raises ShareNotFound, CannotGrant, StaleVersion."""
    workflow_row = workflows.require(caller, workflow_id, access.SHARE)
    row = _require_share(caller, workflow_id, share_id)
    access.require_may_grant(caller, workflow_row, ShareLevel(row.level))
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        if row.token_hash:
            writes.discard(_build_token_key(row.token_hash))


def delete_all(organization_id: UUID, workflow_id: UUID, batch: Any) -> int:
    """Delete all shares of a workflow within a batch of writes; return how many."""
    pk, prefix = WorkflowShareRow.of_workflow(organization_id, workflow_id)
    rows = list(WorkflowShareRow.query(pk, WorkflowShareRow.sk.startswith(prefix)))
    for row in rows:
        if row.token_hash:
            batch.delete(_build_token_key(row.token_hash))
        batch.delete(row)
    return len(rows)


def _check_recipient(writes: table.Transaction, share: WorkflowShare) -> None:
    """Make the transaction succeed only while the member is active, or the custom role exists."""
    organization_id = share.organization_id
    if share.shared_with_user_id:
        at = MemberRow.at(organization_id, share.shared_with_user_id)
        if access.get_active_member(table.get(MemberRow, at)) is None:
            raise MemberNotFound()
        writes.check(MemberRow, at, MemberRow.is_active == True, MemberNotFound())  # noqa: E712
    elif share.shared_with_role and share.shared_with_role not in PERMISSIONS_BY_ROLE:
        at = RoleRow.at(organization_id, share.shared_with_role)
        writes.check(RoleRow, at, RoleRow.pk.exists(), RoleNotFound())


def _normalize_role(name: str | None) -> str | None:
    """Return the name of a built-in role, or the ID of a custom one as it is written in keys."""
    if name == "owner":
        raise Invalid("Owners have every permission already. Name another role.", pointer="/sharedWithRole")
    if name is None or name in PERMISSIONS_BY_ROLE:
        return name
    try:
        return str(UUID(name))
    except ValueError:
        raise RoleNotFound() from None


def _compute_default_end(until: datetime | None, *, link: bool) -> datetime | None:
    """Return when a share ends that names no end: a link after 7 days, and none after its giver's access."""
    end = clock.now() + timedelta(days=LINK_DAYS) if link else until
    return min(end, until) if end and until else end


def _require_allowed_end(end: datetime | None, until: datetime | None, *, link: bool) -> datetime | None:
    """Return the end, if it is in the future, a link's within 90 days, and not after its giver's access."""
    now = clock.now()
    if end is not None and end <= now:
        raise Invalid("The end is in the past. Give a later one.", pointer="/expiresAt")
    if link and (end is None or end > now + timedelta(days=MAX_LINK_DAYS)):
        text = f"A link ends within {MAX_LINK_DAYS} days. Give an earlier end."
        raise Invalid(text, pointer="/expiresAt")
    if until and (end is None or end > until):
        text = f"Your own access ends at {clock.iso(until)}. Give an end that is not later."
        raise CannotGrant(text, pointer="/expiresAt")
    return end


def _compute_ttl(moment: datetime | None) -> int | None:
    """Return the first whole second, in Unix time, at which the share has expired."""
    return math.ceil(moment.timestamp()) if moment else None


def _build_share_row(share: WorkflowShare, token: str | None) -> WorkflowShareRow:
    """Return the row of a share, keyed by its recipient."""
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
        share, pk=pk, sk=sk, ttl=_compute_ttl(share.expires_at), token_hash=token_hash, **index
    )


def _build_token_row(token: str, share: WorkflowShare) -> TokenRow:
    """Return the row by which a link's token is looked up."""
    names = ("organization_id", "workflow_id", "id")
    details = {name: str(getattr(share, name)) for name in names}
    pk, sk = TokenRow.at(token)
    return TokenRow(pk=pk, sk=sk, purpose=TOKEN_PURPOSE, details=details, ttl=_compute_ttl(share.expires_at))


def _build_token_key(token_hash: str) -> TokenRow:
    """Return the row (not read) of a token with this hash."""
    return TokenRow(*TokenRow.at_hash(token_hash))


def _load_in_force(caller: Caller, workflow_id: UUID) -> list[WorkflowShareRow]:
    """Return the rows of a workflow's valid shares."""
    pk, prefix = WorkflowShareRow.of_workflow(caller.organization_id, workflow_id)
    rows = WorkflowShareRow.query(pk, WorkflowShareRow.sk.startswith(prefix), consistent_read=True)
    return [row for row in rows if access.get_share_in_force(row)]


def _require_share(caller: Caller, workflow_id: UUID, share_id: UUID) -> WorkflowShareRow:
    """Return a share by its ID, which is in no key: it is looked for among all of its workflow."""
    for row in _load_in_force(caller, workflow_id):
        if row.id == str(share_id):
            return row
    raise ShareNotFound()
