"""The permissions of roles, members and API keys."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weconnect.api.caller import Caller
from weconnect.errors import Forbidden
from weconnect.identity.permissions import (
    ALL_PERMISSIONS,
    PERMISSIONS_BY_ROLE,
    effective_permissions,
    expand_permissions,
    limit_to_api_key,
    limit_to_user_role,
    require_own_entity,
)
from weconnect.organizations.member_permissions import MemberPermissions
from weconnect.registry_index import PERMISSIONS

permission_sets = st.frozensets(st.sampled_from(sorted(ALL_PERMISSIONS)))
key_flags = st.dictionaries(
    st.sampled_from(["can_read", "can_write", "can_delete", "can_execute"]),
    st.sampled_from([True, False, None]),
)
member_flags = st.dictionaries(
    st.sampled_from(sorted(PERMISSIONS)),
    st.dictionaries(
        st.sampled_from(["create", "read", "update", "delete", "execute", "billing"]), st.booleans()
    ),
)


def test_the_built_in_roles_have_their_permissions() -> None:
    assert expand_permissions(PERMISSIONS_BY_ROLE["owner"]) == ALL_PERMISSIONS
    assert ALL_PERMISSIONS - PERMISSIONS_BY_ROLE["admin"] == {"organization:billing"}
    assert {permission.partition(":")[2] for permission in PERMISSIONS_BY_ROLE["member"]} == {
        "create",
        "read",
        "update",
        "execute",
        "use",
    }
    assert PERMISSIONS_BY_ROLE["viewer"] == {
        permission for permission in ALL_PERMISSIONS if permission.endswith(":read")
    }
    assert not [
        permission
        for permission in PERMISSIONS_BY_ROLE["member"] | PERMISSIONS_BY_ROLE["viewer"]
        if permission.startswith("organization:")
    ]


def test_a_members_flags_cover_every_permission() -> None:
    for resource, actions in PERMISSIONS.items():
        kind = MemberPermissions.model_fields[resource].annotation.__args__[0]  # type: ignore[union-attr]
        assert set(actions) <= set(kind.model_fields), resource


@given(st.sampled_from(sorted(PERMISSIONS_BY_ROLE)), member_flags, st.none() | permission_sets)
def test_a_members_own_flags_win_except_over_the_owner(
    role: str, own: dict[str, dict[str, bool]], custom: frozenset[str] | None
) -> None:
    granted = expand_permissions(effective_permissions(role, own, custom))
    assert granted <= ALL_PERMISSIONS
    for permission in ALL_PERMISSIONS:
        resource, action = permission.split(":")
        flag = own.get(resource, {}).get(action)
        base = ALL_PERMISSIONS if role == "owner" else PERMISSIONS_BY_ROLE[role] if custom is None else custom
        assert (permission in granted) == (
            True if role == "owner" else permission in base if flag is None else flag
        )


@given(permission_sets, st.lists(st.sampled_from([*sorted(ALL_PERMISSIONS), "*", "x"])), key_flags)
def test_a_key_never_has_more_than_its_user_or_its_scopes(
    granted: frozenset[str], scopes: list[str], flags: dict[str, bool | None]
) -> None:
    allowed = limit_to_api_key(granted, scopes, flags)
    assert allowed <= granted
    assert "*" in scopes or allowed <= set(scopes)
    if not scopes or not any(flags.values()):
        assert not allowed


@pytest.mark.parametrize(
    ("flag", "permission"),
    [
        ("can_read", "agents:read"),
        ("can_write", "agents:create"),
        ("can_write", "agents:update"),
        ("can_write", "organization:manage"),
        ("can_write", "organization:invite"),
        ("can_write", "organization:billing"),
        ("can_write", "monitoring:manage"),
        ("can_delete", "agents:delete"),
        ("can_execute", "agents:execute"),
        ("can_execute", "credentials:use"),
    ],
)
def test_each_flag_of_a_key_allows_its_permissions_and_no_others(flag: str, permission: str) -> None:
    everything = PERMISSIONS_BY_ROLE["owner"]
    assert permission in limit_to_api_key(everything, ["*"], {flag: True})
    others = dict.fromkeys({"can_read", "can_write", "can_delete", "can_execute"} - {flag}, True)
    assert permission not in limit_to_api_key(everything, ["*"], others)


def test_the_user_role_limits_a_members_permissions() -> None:
    assert (
        limit_to_user_role(PERMISSIONS_BY_ROLE["owner"], "user")
        == limit_to_user_role(PERMISSIONS_BY_ROLE["owner"], "admin")
        == PERMISSIONS_BY_ROLE["owner"]
    )
    assert limit_to_user_role(PERMISSIONS_BY_ROLE["owner"], "readonly") == PERMISSIONS_BY_ROLE["viewer"]
    assert limit_to_user_role(PERMISSIONS_BY_ROLE["owner"], "guest") == frozenset()


def test_plain_members_change_only_their_own_entities() -> None:
    user, other = uuid4(), uuid4()
    require_own_entity(Caller(user, uuid4(), "member", frozenset()), user)
    require_own_entity(Caller(user, uuid4(), "admin", frozenset()), other)
    with pytest.raises(Forbidden):
        require_own_entity(Caller(user, uuid4(), "member", frozenset()), other)
