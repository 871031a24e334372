"""Custom roles: named sets of permissions besides the four built-in roles."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.db import table
from weconnect.errors import Invalid, NameTaken
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE, expand_permissions
from weconnect.organizations.entities import CustomRole
from weconnect.organizations.errors import BuiltinRole, RoleInUse, RoleLimitReached, RoleNotFound
from weconnect.organizations.members import membership
from weconnect.organizations.rows import CountRow, NameRow, OrganizationRow, RoleRow
from weconnect.organizations.schemas import NewRole, Role, RoleChanges, RoleList

MAX_ROLES = 50


def find(caller: Caller, organization_id: UUID) -> RoleList:
    """Return the four built-in roles, then the custom ones by name."""
    membership.require_current_organization(caller, organization_id)
    custom = sorted(list_custom_roles(organization_id), key=lambda role: role.name.casefold())
    return RoleList(items=[*map(_build_builtin_role, PERMISSIONS_BY_ROLE), *map(_to_role, custom)])


def list_custom_roles(organization_id: UUID) -> list[CustomRole]:
    """Return all custom roles of an organization, at most 50."""
    pk, _ = OrganizationRow.at(organization_id)
    rows = RoleRow.query(pk, RoleRow.sk.startswith(RoleRow.PREFIX), consistent_read=True)
    return [row.to_entity() for row in rows]


def get(caller: Caller, organization_id: UUID, role_id: str) -> Role:
    """Return a custom role by its ID, or a built-in one by its name. Raises RoleNotFound."""
    membership.require_current_organization(caller, organization_id)
    if role_id in PERMISSIONS_BY_ROLE:
        return _build_builtin_role(role_id)
    return _to_role(_require_custom_role(organization_id, role_id).to_entity())


def create(caller: Caller, organization_id: UUID, new: NewRole) -> Role:
    """Create a custom role. Raises CannotGrant, NameTaken or RoleLimitReached."""
    membership.require_current_organization(caller, organization_id)
    membership.require_may_grant(caller, "", new.permissions)
    _refuse_builtin_name(new.name)
    moment = clock.now()
    role = CustomRole(
        id=replay_safe_id(),
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
    exceeded = RoleLimitReached(f"An organization has at most {MAX_ROLES} custom roles. Delete one first.")
    with table.transaction(caller.actor()) as writes:
        membership.require_active_organization(writes, organization_id)
        writes.create(row)
        writes.create(_build_name_row(organization_id, role.name), NameTaken("a role", role.name))
        writes.increment(_build_count_row(organization_id), "count", 1, limit=MAX_ROLES, if_refused=exceeded)
    return _to_role(row.to_entity())


def update(
    caller: Caller, organization_id: UUID, role_id: str, changes: RoleChanges, if_match: int | None
) -> Role:
    """Change a custom role. It applies at once, except to GETs with an access token that was issued before.

    Raises RoleNotFound, BuiltinRole, CannotGrant or NameTaken.
    """
    membership.require_current_organization(caller, organization_id)
    row = _require_custom_role(organization_id, role_id)
    membership.require_may_grant(caller, "", row.permissions)
    values: dict[str, Any] = {}
    for field in changes.model_fields_set:
        value = getattr(changes, field)
        if value is not None or field == "description":
            values[field] = value
    if "permissions" in values:
        membership.require_may_grant(caller, "", values["permissions"])
        values["permissions"] = sorted(set(values["permissions"]))
    name, before = values.get("name", row.name), row.name
    _refuse_builtin_name(name)
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        if name.casefold() != before.casefold():
            writes.discard(_build_name_row(organization_id, before))
            writes.create(_build_name_row(organization_id, name), NameTaken("a role", name))
    return _to_role(_require_custom_role(organization_id, role_id).to_entity())


def delete(caller: Caller, organization_id: UUID, role_id: str, if_match: int | None) -> None:
    """Delete a custom role. Raises RoleInUse while a member or an open invitation has it."""
    membership.require_current_organization(caller, organization_id)
    row = _require_custom_role(organization_id, role_id)
    membership.require_may_grant(caller, "", row.permissions)
    in_use = RoleInUse("Members or open invitations have this role. Give them another role first.")
    with table.transaction(caller.actor()) as writes:
        table.move_to_trash(
            writes,
            row,
            RoleRow.in_trash(organization_id, role_id),
            if_match=if_match,
            condition=RoleRow.member_count == 0,
            if_refused=in_use,
        )
        writes.discard(_build_name_row(organization_id, row.name))
        writes.increment(_build_count_row(organization_id), "count", -1)


def _require_custom_role(organization_id: UUID, role_id: str) -> RoleRow:
    """Return the row of a custom role. Raises BuiltinRole for a built-in role's name, and RoleNotFound."""
    if role_id in PERMISSIONS_BY_ROLE:
        raise BuiltinRole("The four built-in roles cannot be changed. Create a custom role instead.")
    try:
        at = RoleRow.at(organization_id, UUID(role_id))
    except ValueError:
        raise RoleNotFound() from None
    return table.require(RoleRow, at, RoleNotFound)


def _build_builtin_role(name: str) -> Role:
    """Return a built-in role with its permissions, wildcards expanded."""
    return Role(
        id=name, name=name, permissions=sorted(expand_permissions(PERMISSIONS_BY_ROLE[name])), is_custom=False
    )


def _to_role(role: CustomRole) -> Role:
    """Return a custom role as the API shows it beside the built-in ones."""
    values = {name: getattr(role, name) for name in Role.model_fields if name not in ("id", "is_custom")}
    return Role(id=str(role.id), is_custom=True, **values)


def _refuse_builtin_name(name: str) -> None:
    """Raise Invalid for the name of a built-in role, in any case."""
    if name.casefold() in PERMISSIONS_BY_ROLE:
        raise Invalid(f"{name!r} is a built-in role. Choose another name.", pointer="/name")


def _build_name_row(organization_id: UUID, name: str) -> NameRow:
    """Return the marker that reserves the name of a custom role."""
    pk, sk = NameRow.at(organization_id, "ROLE", name)
    return NameRow(pk=pk, sk=sk)


def _build_count_row(organization_id: UUID) -> CountRow:
    """Return the organization's counter of custom roles, with its key alone."""
    pk, sk = CountRow.at(organization_id, "ROLE")
    return CountRow(pk=pk, sk=sk)
