"""Members: what they may do, taking them out, leaving, and who the owner is."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, Invalid
from weconnect.organizations import service
from weconnect.organizations.entities import MemberView, OrganizationMember, OrganizationRole
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow, RoleRow
from weconnect.organizations.schemas import MemberChanges, OwnershipTransfer

OWNER = OrganizationRole.OWNER


def update(
    caller: Caller, organization_id: UUID, user_id: UUID, changes: MemberChanges, if_match: int | None
) -> MemberView:
    """Change a member. API keys feel it at once, an access token within its 15 minutes."""
    membership.require_current(caller, organization_id)
    return membership.with_an_owner_left(lambda: _update(caller, organization_id, user_id, changes, if_match))


def _update(
    caller: Caller, organization_id: UUID, user_id: UUID, changes: MemberChanges, if_match: int | None
) -> MemberView:
    row = _need_joined(organization_id, user_id)
    before: OrganizationMember = row.to_entity()
    held = membership.holder(caller)
    membership.require_may_change(held, before)
    after = before.model_copy(update=_given(changes))
    if after.role == OWNER:
        if changes.custom_role_id:
            _refuse_role_of_owner()
        after.custom_role_id = None
    words = membership.words_of(after.model_copy(update={"is_active": True}))
    if after.custom_role_id and after.custom_role_id != before.custom_role_id:
        table.need(RoleRow, RoleRow.at(organization_id, after.custom_role_id), "role")
    membership.require_may_grant(held, after.role, words)
    organization = table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
    with table.transaction(caller.actor()) as writes:
        if before.role == OWNER and before.is_active and not (after.role == OWNER and after.is_active):
            membership.keep_an_owner(writes, organization_id, user_id)
        values = {
            "role": after.role.value,
            "custom_role_id": str(after.custom_role_id) if after.custom_role_id else None,
            "permissions": after.permissions.model_dump(mode="json"),
            "is_active": after.is_active,
        }
        writes.change(row, values, if_match=if_match)
        if after.is_active and not before.is_active:
            membership.take_place(writes, organization.to_entity())
        if before.is_active and not after.is_active:
            membership.free_place(writes, organization_id)
        if before.custom_role_id != after.custom_role_id:
            membership.count_role(writes, organization_id, before.custom_role_id, -1)
            membership.count_role(writes, organization_id, after.custom_role_id, 1)
    if not after.is_active:
        membership.end_sessions(organization_id, user_id)
    return service.member(caller, organization_id, user_id)


def remove(caller: Caller, organization_id: UUID, user_id: UUID, if_match: int | None) -> None:
    """Take a member out: refresh and API keys here end at once, an access token within its 15 minutes."""
    membership.require_current(caller, organization_id)

    def work() -> None:
        row = _need_joined(organization_id, user_id)
        membership.require_may_change(membership.holder(caller), row.to_entity())
        with table.transaction(caller.actor()) as writes:
            membership.depart(writes, row, if_match=if_match)

    membership.with_an_owner_left(work)
    _end_all(caller, organization_id, user_id)


def leave(caller: Caller, organization_id: UUID) -> None:
    """Leave one's organization; the last owner may not."""
    membership.require_current(caller, organization_id)

    def work() -> None:
        row = _need_joined(organization_id, caller.user_id)
        with table.transaction(caller.actor()) as writes:
            membership.depart(writes, row)

    membership.with_an_owner_left(work)
    _end_all(caller, organization_id, caller.user_id)


def transfer(caller: Caller, organization_id: UUID, body: OwnershipTransfer) -> MemberView:
    """Make another member an owner, and the caller an admin; answers the new owner."""
    membership.require_current(caller, organization_id)
    membership.require_owner(caller)
    if body.user_id == caller.user_id:
        errors = [{"pointer": "/userId", "detail": "is yourself"}]
        raise Invalid("Not valid: /userId", errors=errors)
    row = _need_joined(organization_id, body.user_id)
    if not row.is_active:
        raise Conflict("This member is not active", code="member_inactive")
    own = table.get(MemberRow, MemberRow.at(organization_id, caller.user_id))  # an operator may be none
    with table.transaction(caller.actor()) as writes:
        membership.check_organization(writes, organization_id)
        membership.count_role(writes, organization_id, row.to_entity().custom_role_id, -1)
        writes.change(row, {"role": OWNER.value, "custom_role_id": None})
        if own is not None and own.role == OWNER:
            writes.change(own, {"role": OrganizationRole.ADMIN.value})
    return service.member(caller, organization_id, body.user_id)


def _end_all(caller: Caller, organization_id: UUID, user_id: UUID) -> None:
    membership.end_sessions(organization_id, user_id)
    membership.end_keys(caller.actor(), organization_id, user_id)
    membership.forget_limits(organization_id, user_id)
    membership.end_shares(organization_id, user_id)


def _need_joined(organization_id: UUID, user_id: UUID) -> MemberRow:
    row = table.need(MemberRow, MemberRow.at(organization_id, user_id), "member")
    if row.to_entity().is_pending:
        raise Conflict("Not a member yet; revoke the invitation instead", code="member_pending")
    return row


def _given(changes: MemberChanges) -> dict[str, Any]:
    """What was sent; null means something for the custom role alone."""
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    return {name: value for name, value in given.items() if value is not None or name == "custom_role_id"}


def _refuse_role_of_owner() -> None:
    errors = [{"pointer": "/customRoleId", "detail": "an owner has every permission"}]
    raise Invalid("Not valid: /customRoleId", errors=errors)
