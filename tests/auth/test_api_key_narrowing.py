"""The keys of others: a manager makes them narrower, and only who may change their user makes them wider."""

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import RegisteredUser, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    member_path,
    organization_path,
    register_member,
    register_verified,
    status_and_code,
)
from weconnect import clock

NOW = clock.now()
SETTINGS: dict[str, Any] = {
    "name": "integration",
    "scopes": ["agents:read", "agents:create"],
    "permissions": {"canRead": True, "canExecute": True, "restrictedIPs": ["203.0.113.0/24"]},
    "expiresAt": (NOW + timedelta(days=9)).isoformat(),
    "rateLimits": {"requestsPerHour": 50},
}


def changed_permissions(**values: Any) -> dict[str, Any]:
    return {"permissions": {**SETTINGS["permissions"], **values}}


WIDER: dict[str, dict[str, Any]] = {
    "more scopes": {"scopes": [*SETTINGS["scopes"], "agents:update"]},
    "every scope": {"scopes": ["*"]},
    "writing": changed_permissions(canWrite=True),
    "deleting": changed_permissions(canDelete=True),
    "every address": changed_permissions(restrictedIPs=None),
    "more addresses": changed_permissions(restrictedIPs=["203.0.112.0/23"]),
    "other addresses": changed_permissions(restrictedIPs=["203.0.113.0/24", "198.51.100.1"]),
    "addresses of another version": changed_permissions(restrictedIPs=["::/0"]),
    "no expiry": {"expiresAt": None},
    "a later expiry": {"expiresAt": (NOW + timedelta(days=10)).isoformat()},
    "no rate limit": {"rateLimits": {}},
    "a higher rate": {"rateLimits": {"requestsPerHour": 51}},
    "another rate": {"rateLimits": {"requestsPerDay": 1}},
    "another name": {"name": "x"},
}
NARROWER: dict[str, dict[str, Any]] = {
    "fewer scopes": {"scopes": ["agents:read"]},
    "no flag": {"permissions": {"canRead": True, "restrictedIPs": ["203.0.113.0/24"]}},
    "fewer addresses": changed_permissions(restrictedIPs=["203.0.113.8/29", "203.0.113.77"]),
    "an earlier expiry": {"expiresAt": (NOW + timedelta(days=8)).isoformat()},
    "a lower rate": {"rateLimits": {"requestsPerHour": 49, "requestsPerDay": 7}},
    "inactive": {"isActive": False},
}


@pytest.fixture
def owner(aws: None) -> RegisteredUser:
    return register_verified()


@pytest.fixture
def manager(owner: RegisteredUser) -> RegisteredUser:
    """Return a member who manages the organization, and lacks what an admin has besides."""
    person = register_member(owner, "member")
    manages = {"permissions": {"organization": {"manage": True}}}
    assert owner.client.patch(member_path(owner, person), manages).status == 200
    person.client = Client(
        headers={"Authorization": f"Bearer {refresh(person)['accessToken']}"}, ip=person.client.ip
    )
    return person


def refresh(person: RegisteredUser) -> dict[str, Any]:
    response = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    return response.json  # type: ignore[no-any-return]


def create_key(person: RegisteredUser) -> dict[str, Any]:
    response = person.client.post("/v1/api-keys", SETTINGS)
    assert response.status == 201, response.text
    return response.json  # type: ignore[no-any-return]


def change(client: Client, key: dict[str, Any], body: dict[str, Any]) -> ApiResponse:
    return client.patch(f"/v1/api-keys/{key['id']}?userId={key['userId']}", body)


def read(person: RegisteredUser, key: dict[str, Any]) -> dict[str, Any]:
    return person.client.get(f"/v1/api-keys/{key['id']}").json  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", WIDER)
def test_a_manager_does_not_widen_the_key_of_an_owner_or_an_admin(
    owner: RegisteredUser, manager: RegisteredUser, how: str
) -> None:
    for person, code in ((owner, "owner_only"), (register_member(owner, "admin"), "outranked")):
        key = create_key(person)
        before = read(person, key)
        refused = change(manager.client, key, WIDER[how])
        assert status_and_code(refused) == (403, code), refused.text
        assert read(person, key) == before


@pytest.mark.parametrize("how", NARROWER)
def test_a_manager_narrows_the_key_of_an_owner_and_does_not_widen_it_again(
    owner: RegisteredUser, manager: RegisteredUser, how: str
) -> None:
    key = create_key(owner)
    narrowed = change(manager.client, key, NARROWER[how])
    assert narrowed.status == 200, narrowed.text
    back = {name: SETTINGS[name] for name in NARROWER[how] if name in SETTINGS} or {"isActive": True}
    assert status_and_code(change(manager.client, key, back)) == (403, "owner_only")
    assert change(manager.client, key, {}).status == 200, "an empty change widens nothing"


def test_a_read_only_key_of_an_owner_makes_no_manager_an_owner(
    owner: RegisteredUser, manager: RegisteredUser
) -> None:
    new = {"name": "integrator", "scopes": ["*"], "permissions": {"canRead": True}}
    key = owner.client.post("/v1/api-keys", new).json
    flags = dict.fromkeys(("canRead", "canWrite", "canDelete", "canExecute"), True)
    assert status_and_code(change(manager.client, key, {"permissions": flags})) == (403, "owner_only")
    with_key = Client(headers={"X-API-Key": key["key"]})
    promoted = with_key.patch(member_path(owner, manager), {"role": "owner"})
    assert status_and_code(promoted) == (403, "permission_missing")


def test_who_may_change_a_member_widens_their_key_up_to_their_own_permissions(
    owner: RegisteredUser, manager: RegisteredUser
) -> None:
    member, admin = register_member(owner, "member"), register_member(owner, "admin")
    key = create_key(member)
    assert change(manager.client, key, changed_permissions(canWrite=True)).status == 200
    assert change(admin.client, key, {"expiresAt": None, "name": "renamed"}).status == 200
    beyond = change(manager.client, key, {"scopes": ["agents:delete"]})
    assert status_and_code(beyond) == (403, "scope_not_held")
    assert change(owner.client, create_key(admin), {"scopes": ["*"]}).status == 200


def test_an_own_key_is_widened_within_the_own_permissions(aws: None) -> None:
    person = register()
    key = create_key(person)
    path = f"/v1/api-keys/{key['id']}?userId={person.user['id']}"
    for body in WIDER.values():
        assert person.client.patch(path, body).status == 200
    assert person.client.get(organization_path(person)).status == 200
