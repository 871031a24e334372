"""Custom roles: named sets of permissions beside the four that every organization has."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.db import table
from weconnect.errors import Conflict, Invalid, LimitReached, name_taken
from weconnect.identity.permissions import ROLES, spelled_out
from weconnect.organizations.members import membership
from weconnect.organizations.rows import CountRow, NameRow, OrganizationRow, RoleRow
from weconnect.organizations.schemas import CustomRole, NewRole, RoleChanges, Roles, RoleView

MOST_ROLES = 50


def find(caller: Caller, organization_id: UUID) -> Roles:
    """The four roles, then the custom ones by name."""
    membership.require_current(caller, organization_id)
    custom = sorted(of_organization(organization_id), key=lambda role: role.name.casefold())
    return Roles(items=[*(_builtin(name) for name in ROLES), *map(_view, custom)])


def of_organization(organization_id: UUID) -> list[CustomRole]:
    """All custom roles: at most 50."""
    pk, _ = OrganizationRow.at(organization_id)
    rows = RoleRow.query(pk, RoleRow.sk.startswith(RoleRow.PREFIX), consistent_read=True)
    return [row.to_entity() for row in rows]


def get(caller: Caller, organization_id: UUID, role_id: str) -> RoleView:
    """One role: a custom one by its id, or one of the four by its name."""
    membership.require_current(caller, organization_id)
    if role_id in ROLES:
        return _builtin(role_id)
    return _view(_need(organization_id, role_id).to_entity())


def create(caller: Caller, organization_id: UUID, new: NewRole) -> RoleView:
    """Make a role; nobody puts into one what he does not hold."""
    membership.require_current(caller, organization_id)
    membership.require_may_grant(membership.holder(caller), "", new.permissions)
    _refuse_builtin(new.name)
    moment = clock.now()
    role = CustomRole(
        id=new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=caller.user_id,
        name=new.name,
        description=new.description,
        permissions=sorted(set(new.permissions)),
    )
    pk, sk = RoleRow.at(organization_id, role.id)
    row = RoleRow.of(role, pk=pk, sk=sk)
    refused = LimitReached(f"An organization has {MOST_ROLES} roles at most", code="role_limit_reached")
    with table.transaction(caller.actor()) as writes:
        membership.check_organization(writes, organization_id)
        writes.create(row)
        writes.create(_name(organization_id, role.name), name_taken("a role", role.name))
        writes.count(_count(organization_id), "count", 1, limit=MOST_ROLES, refused=refused)
    return _view(row.to_entity())


def update(
    caller: Caller, organization_id: UUID, role_id: str, changes: RoleChanges, if_match: int | None
) -> RoleView:
    """Change a role. Who has it gets the new permissions with the next token, API keys at once."""
    membership.require_current(caller, organization_id)
    row = _need(organization_id, role_id)
    held = membership.holder(caller)
    membership.require_may_grant(held, "", row.permissions)
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    values: dict[str, Any] = {
        name: value for name, value in given.items() if value is not None or name == "description"
    }
    if "permissions" in values:
        membership.require_may_grant(held, "", values["permissions"])
        values["permissions"] = sorted(set(values["permissions"]))
    name, before = values.get("name", row.name), row.name
    _refuse_builtin(name)
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        if name.casefold() != before.casefold():
            writes.discard(_name(organization_id, before))
            writes.create(_name(organization_id, name), name_taken("a role", name))
    return _view(_need(organization_id, role_id).to_entity())


def delete(caller: Caller, organization_id: UUID, role_id: str, if_match: int | None) -> None:
    """Delete a role that no member and no open invitation has."""
    membership.require_current(caller, organization_id)
    row = _need(organization_id, role_id)
    membership.require_may_grant(membership.holder(caller), "", row.permissions)
    in_use = Conflict(
        "Members or open invitations have this role; give them another first", code="role_in_use"
    )
    with table.transaction(caller.actor()) as writes:
        gone = RoleRow.in_trash(organization_id, role_id)
        table.trash(writes, row, gone, if_match=if_match, condition=RoleRow.member_count == 0, refused=in_use)
        writes.discard(_name(organization_id, row.name))
        writes.count(_count(organization_id), "count", -1)


def _need(organization_id: UUID, role_id: str) -> RoleRow:
    if role_id in ROLES:
        raise Conflict("The four roles are the same everywhere; make a custom one", code="builtin_role")
    try:
        return table.need(RoleRow, RoleRow.at(organization_id, UUID(role_id)), "role")
    except ValueError:
        raise membership.no_role() from None


def _builtin(name: str) -> RoleView:
    return RoleView(id=name, name=name, permissions=sorted(spelled_out(ROLES[name])), is_custom=False)


def _view(role: CustomRole) -> RoleView:
    values = {name: getattr(role, name) for name in RoleView.model_fields if name not in ("id", "is_custom")}
    return RoleView(id=str(role.id), is_custom=True, **values)


def _refuse_builtin(name: str) -> None:
    if name.casefold() in ROLES:
        errors = [{"pointer": "/name", "detail": "is one of the four roles"}]
        raise Invalid("Not valid: /name", errors=errors)


def _name(organization_id: UUID, name: str) -> NameRow:
    pk, sk = NameRow.at(organization_id, "ROLE", name)
    return NameRow(pk=pk, sk=sk)


def _count(organization_id: UUID) -> CountRow:
    pk, sk = CountRow.at(organization_id, "ROLE")
    return CountRow(pk=pk, sk=sk)
