"""Which role may do what."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weconnect.api.caller import Caller
from weconnect.errors import Forbidden
from weconnect.identity.permissions import (
    ACTIONS,
    ROLES,
    WORDS,
    effective,
    of_api_key,
    require_own,
    spelled_out,
    within_user_role,
)
from weconnect.organizations.entities import MemberPermissions

some_words = st.frozensets(st.sampled_from(sorted(WORDS)))
some_flags = st.dictionaries(
    st.sampled_from(["can_read", "can_write", "can_delete", "can_execute"]),
    st.sampled_from([True, False, None]),
)
own_permissions = st.dictionaries(
    st.sampled_from(sorted(ACTIONS)),
    st.dictionaries(
        st.sampled_from(["create", "read", "update", "delete", "execute", "billing"]), st.booleans()
    ),
)


def test_the_roles() -> None:
    assert spelled_out(ROLES["owner"]) == WORDS
    assert WORDS - ROLES["admin"] == {"organization:billing"}
    assert {word.partition(":")[2] for word in ROLES["member"]} == {
        "create",
        "read",
        "update",
        "execute",
        "use",
    }
    assert ROLES["viewer"] == {word for word in WORDS if word.endswith(":read")}
    assert not [word for word in ROLES["member"] | ROLES["viewer"] if word.startswith("organization:")]


def test_a_members_map_has_every_word() -> None:
    for resource, actions in ACTIONS.items():
        kind = MemberPermissions.model_fields[resource].annotation.__args__[0]  # type: ignore[union-attr]
        assert set(actions) <= set(kind.model_fields), resource


@given(st.sampled_from(sorted(ROLES)), own_permissions, st.none() | some_words)
def test_a_members_own_booleans_win_except_over_the_owner(
    role: str, own: dict[str, dict[str, bool]], custom: frozenset[str] | None
) -> None:
    granted = spelled_out(effective(role, own, custom))
    assert granted <= WORDS
    for word in WORDS:
        resource, action = word.split(":")
        flag = own.get(resource, {}).get(action)
        base = WORDS if role == "owner" else ROLES[role] if custom is None else custom
        assert (word in granted) == (True if role == "owner" else word in base if flag is None else flag)


@given(some_words, st.lists(st.sampled_from([*sorted(WORDS), "*", "x"])), some_flags)
def test_a_key_never_has_more_than_its_user_or_its_scopes(
    granted: frozenset[str], scopes: list[str], flags: dict[str, bool | None]
) -> None:
    held = of_api_key(granted, scopes, flags)
    assert held <= granted
    assert "*" in scopes or held <= set(scopes)
    if not scopes or not any(flags.values()):
        assert not held


@pytest.mark.parametrize(
    ("flag", "word"),
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
def test_each_flag_of_a_key_opens_its_words_and_no_others(flag: str, word: str) -> None:
    everything = ROLES["owner"]
    assert word in of_api_key(everything, ["*"], {flag: True})
    others = dict.fromkeys({"can_read", "can_write", "can_delete", "can_execute"} - {flag}, True)
    assert word not in of_api_key(everything, ["*"], others)


def test_user_roles_bound_a_member() -> None:
    assert (
        within_user_role(ROLES["owner"], "user")
        == within_user_role(ROLES["owner"], "admin")
        == ROLES["owner"]
    )
    assert within_user_role(ROLES["owner"], "readonly") == ROLES["viewer"]
    assert within_user_role(ROLES["owner"], "guest") == frozenset()


def test_members_edit_their_own() -> None:
    user, other = uuid4(), uuid4()
    require_own(Caller(user, uuid4(), "member", frozenset()), user)
    require_own(Caller(user, uuid4(), "admin", frozenset()), other)
    with pytest.raises(Forbidden):
        require_own(Caller(user, uuid4(), "member", frozenset()), other)
