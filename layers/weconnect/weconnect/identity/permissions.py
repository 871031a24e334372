"""Which role may do what. The authorizer imports this: words and sets only, no rows and no pydantic.

A permission is `resource:action`; the same words are the scopes of API keys.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from weconnect.errors import Forbidden

if TYPE_CHECKING:
    from uuid import UUID

    from weconnect.api.caller import Caller

EVERYTHING = "*"

ACTIONS: dict[str, tuple[str, ...]] = {
    "workflows": ("create", "read", "update", "delete", "execute"),
    "agents": ("create", "read", "update", "delete", "execute"),
    "credentials": ("create", "read", "update", "delete", "use"),
    "organization": ("invite", "manage", "billing"),
    "executions": ("read", "update", "delete"),
    "templates": ("create", "read", "update", "delete"),
    "webhooks": ("create", "read", "update", "delete"),
    "schedules": ("create", "read", "update", "delete", "execute"),
    "monitoring": ("read", "manage"),
}
WORDS = frozenset(f"{resource}:{action}" for resource, actions in ACTIONS.items() for action in actions)

_MEMBERS_ACTIONS = {"create", "read", "update", "execute", "use"}

ROLES: dict[str, frozenset[str]] = {
    "owner": frozenset({EVERYTHING}),
    "admin": WORDS - {"organization:billing"},
    "member": frozenset(word for word in WORDS if word.partition(":")[2] in _MEMBERS_ACTIONS),
    "viewer": frozenset(word for word in WORDS if word.endswith(":read")),
}

_FLAG_OF_ACTION = {"read": "can_read", "delete": "can_delete", "execute": "can_execute", "use": "can_execute"}


def effective(
    role: str,
    member_permissions: Mapping[str, Mapping[str, Any] | None],
    custom_role_permissions: Iterable[str] | None = None,
) -> frozenset[str]:
    """What a member may do: the role's words (or the custom role's), then the member's own booleans win.

    `member_permissions` is the seed's map, `{"workflows": {"create": true}}`. The owner always has all.
    """
    if role == "owner":
        return ROLES["owner"]
    own = {
        f"{resource}:{action}": flag
        for resource, actions in member_permissions.items()
        for action, flag in (actions or {}).items()
        if isinstance(flag, bool)
    }
    granted = (
        ROLES.get(role, frozenset())
        if custom_role_permissions is None
        else WORDS & set(custom_role_permissions)
    )
    granted |= {word for word, flag in own.items() if flag and word in WORDS}
    return granted - {word for word, flag in own.items() if not flag}


def within_user_role(granted: frozenset[str], user_role: str) -> frozenset[str]:
    """What is left of a member's permissions for a user of this role: readonly reads, a guest has none."""
    if user_role == "guest":
        return frozenset()
    if user_role == "readonly":
        return frozenset(word for word in spelled_out(granted) if word.endswith(":read"))
    return granted


def of_api_key(granted: frozenset[str], scopes: Iterable[str], flags: Mapping[str, Any]) -> frozenset[str]:
    """What is left for an API key: `granted` ∩ scopes ∩ flags (`can_read` …); the absent grants nothing."""
    asked = set(scopes)
    inside = spelled_out(granted) if EVERYTHING in asked else spelled_out(granted) & asked
    return frozenset(
        word for word in inside if flags.get(_FLAG_OF_ACTION.get(word.partition(":")[2], "can_write")) is True
    )


def spelled_out(granted: frozenset[str]) -> frozenset[str]:
    """The permissions with `*` replaced by every word there is."""
    return WORDS if EVERYTHING in granted else granted


def owns(caller: "Caller", owner_id: "UUID") -> bool:
    """Whether it counts as the caller's own: what they made, and all of it for who is more than a plain member."""
    return caller.role != "member" or caller.user_id == owner_id


def require_own(caller: "Caller", owner_id: "UUID") -> None:
    """Raise Forbidden when a plain member is about to change what somebody else made."""
    if not owns(caller, owner_id):
        raise Forbidden("Members may change only what they made themselves", code="not_yours")
