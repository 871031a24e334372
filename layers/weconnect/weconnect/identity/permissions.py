"""Permissions, and the roles that have them. The authorizer imports this module: no rows and no pydantic here.

A permission is `resource:action`, such as `agents:read`; the scopes of API keys are permissions too.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from weconnect import registry_index
from weconnect.identity.errors import NotOwnEntity

if TYPE_CHECKING:
    from uuid import UUID

    from weconnect.api.caller import Caller

EVERYTHING = "*"

ALL_PERMISSIONS = frozenset(
    f"{resource}:{action}" for resource, actions in registry_index.PERMISSIONS.items() for action in actions
)

_MEMBER_ACTIONS = {"create", "read", "update", "execute", "use"}

PERMISSIONS_BY_ROLE: dict[str, frozenset[str]] = {
    "owner": frozenset({EVERYTHING}),
    "admin": ALL_PERMISSIONS - {"organization:billing"},
    "member": frozenset(
        permission for permission in ALL_PERMISSIONS if permission.partition(":")[2] in _MEMBER_ACTIONS
    ),
    "viewer": frozenset(permission for permission in ALL_PERMISSIONS if permission.endswith(":read")),
}

ROLES_OVER_OTHERS = ("owner", "admin")
"""The roles whose holders change what others created."""

_FLAG_BY_ACTION = {"read": "can_read", "delete": "can_delete", "execute": "can_execute", "use": "can_execute"}


def effective_role(role: str, custom_role_id: object) -> str:
    """Return the role that a member has: the ID of their custom role, or else the built-in one, unless they own.

    The built-in role below a custom one means nothing, neither as a name nor as a rank.
    """
    return str(custom_role_id) if custom_role_id and role != "owner" else role


def effective_permissions(
    role: str,
    member_permissions: Mapping[str, Mapping[str, Any] | None],
    custom_role_permissions: Iterable[str] | None = None,
) -> frozenset[str]:
    """Return the permissions of a member: those of the role or custom role, then the member's own booleans applied.

    `member_permissions` is the member's own map, `{"workflows": {"create": true}}`: true grants, false denies. An owner
    always has all permissions.
    """
    if role == "owner":
        return PERMISSIONS_BY_ROLE["owner"]
    own = {
        f"{resource}:{action}": flag
        for resource, actions in member_permissions.items()
        for action, flag in (actions or {}).items()
        if isinstance(flag, bool)
    }
    granted = (
        PERMISSIONS_BY_ROLE.get(role, frozenset())
        if custom_role_permissions is None
        else ALL_PERMISSIONS & set(custom_role_permissions)
    )
    granted |= {permission for permission, flag in own.items() if flag and permission in ALL_PERMISSIONS}
    return granted - {permission for permission, flag in own.items() if not flag}


def limit_to_user_role(granted: frozenset[str], user_role: str) -> frozenset[str]:
    """Return those of a member's permissions that the role of the user allows: readonly reads, a guest has none."""
    if user_role == "guest":
        return frozenset()
    if user_role == "readonly":
        return frozenset(
            permission for permission in expand_permissions(granted) if permission.endswith(":read")
        )
    return granted


def limit_to_api_key(
    granted: frozenset[str], scopes: Iterable[str], flags: Mapping[str, Any]
) -> frozenset[str]:
    """Return the permissions of an API key: those of its user that both a scope and a flag (`can_read`, …) allow.

    A missing scope or flag allows nothing.
    """
    scope_set = set(scopes)
    in_scope = (
        expand_permissions(granted) if EVERYTHING in scope_set else expand_permissions(granted) & scope_set
    )
    return frozenset(
        permission
        for permission in in_scope
        if flags.get(_FLAG_BY_ACTION.get(permission.partition(":")[2], "can_write")) is True
    )


def expand_permissions(granted: frozenset[str]) -> frozenset[str]:
    """Return the permissions with `*` replaced by all that exist."""
    return ALL_PERMISSIONS if EVERYTHING in granted else granted


def holds_role(caller: "Caller", role: str) -> bool:
    """Return whether the caller counts as a holder of a role.

    An API key does only if it may do all that the built-in role may, and never counts as a holder of a custom one.
    """
    if caller.role != role or caller.scopes is None:
        return caller.role == role
    return role in PERMISSIONS_BY_ROLE and caller.scopes >= expand_permissions(PERMISSIONS_BY_ROLE[role])


def may_change_entity_of(caller: "Caller", owner_id: "UUID") -> bool:
    """Return whether the caller may change what `owner_id` created: owners and admins everything, others their own."""
    return caller.role in ROLES_OVER_OTHERS or caller.user_id == owner_id


def require_own_entity(caller: "Caller", owner_id: "UUID") -> None:
    """Raise NotOwnEntity when neither an owner nor an admin is about to change what another member created."""
    if not may_change_entity_of(caller, owner_id):
        raise NotOwnEntity()
