"""The organizations that one user owns or gave up: counted over creation, deletion, restore and transfer."""

import pytest

from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    create_membership,
    member_path,
    organization_path,
    register_member,
    register_verified,
    status_and_code,
    verify_email,
)
from weconnect.settings import settings

FULL = (429, "organization_limit_reached")


@pytest.fixture(autouse=True)
def three_organizations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.__dict__, "organizations_per_user", 3)


def create(person: RegisteredUser) -> ApiResponse:
    return person.client.post("/v1/organizations", {"name": "Another"})


def delete(person: RegisteredUser, organization: str) -> None:
    """Delete an organization of a user, who switches to it for that."""
    assert request_deletion(person, organization).status == 204


def request_deletion(person: RegisteredUser, organization: str) -> ApiResponse:
    """Request the deletion of an organization of a user, who switches to it for that."""
    path = f"/v1/organizations/{organization}"
    tokens = person.client.post(f"{path}/switch").json
    return client_with_tokens(tokens).delete(path)


def sign_in_anew(person: RegisteredUser) -> None:
    credentials = {"email": person.user["email"], "password": PASSWORD}
    response = Client().post("/v1/auth/login", credentials)
    assert response.status == 200, response.text
    person.client = client_with_tokens(response.json)


def test_a_user_owns_a_limited_number_of_organizations(aws: None) -> None:
    person = register_verified()
    assert [create(person).status for _ in range(2)] == [201, 201]
    refused = create(person)
    assert status_and_code(refused) == FULL and "may own 3 organizations" in refused.json["detail"]
    assert len(person.client.get("/v1/organizations").json["items"]) == 3
    assert create(register_verified()).status == 201, "each user has their own"


def test_a_user_without_a_verified_address_creates_one(aws: None) -> None:
    person = register()
    assert create(person).status == 201
    refused = create(person)
    assert status_and_code(refused) == FULL and "Verify your e-mail address" in refused.json["detail"]
    verify_email(person)
    assert create(person).status == 201


def test_a_deleted_organization_counts_for_30_days_after_its_foundation(
    aws: None, time: MovableClock
) -> None:
    person = register_verified()
    first = create(person).json["id"]
    assert create(person).status == 201
    delete(person, first)
    assert status_and_code(create(person)) == FULL
    assert person.client.post(f"/v1/organizations/{first}/restore").status == 200, "it has its place"
    delete(person, first)
    time.advance(days=29, hours=23)
    sign_in_anew(person)
    assert status_and_code(create(person)) == FULL
    time.advance(hours=1)
    sign_in_anew(person)
    assert [create(person).status for _ in range(2)] == [201, 429]
    old = create_and_find(person)
    time.advance(days=31)
    sign_in_anew(person)
    delete(person, old)
    assert create(person).status == 201, "in place of an old one"


def test_a_restored_organization_needs_room_again(aws: None, time: MovableClock) -> None:
    person = register_verified()
    first = create(person).json["id"]
    time.advance(days=31)
    sign_in_anew(person)
    delete(person, first)
    assert [create(person).status for _ in range(3)] == [201, 201, 429]
    restore = f"/v1/organizations/{first}/restore"
    assert status_and_code(person.client.post(restore)) == FULL


def create_and_find(person: RegisteredUser) -> str:
    """Return an organization of a user which is not their first."""
    items = person.client.get("/v1/organizations").json["items"]
    return next(str(item["id"]) for item in items if item["id"] != person.organization["id"])


def test_deleting_and_creating_again_begins_no_quota_anew(aws: None) -> None:
    person = register_verified()
    for _ in range(2):
        delete(person, create(person).json["id"])
    assert status_and_code(create(person)) == FULL, "with the one of the registration"


@pytest.mark.parametrize("way", ["transfer", "role"])
def test_an_organization_counts_for_its_new_owner(aws: None, way: str, time: MovableClock) -> None:
    owner = register_verified()
    heir = register_member(owner, "admin")
    other = register_verified()
    create_membership(owner.organization["id"], other.user["id"], "admin")

    def make_owner(person: RegisteredUser) -> ApiResponse:
        if way == "transfer":
            path = organization_path(owner, "/transfer-ownership")
            return owner.client.post(path, {"userId": person.user["id"], "password": PASSWORD})
        return owner.client.patch(member_path(owner, person), {"role": "owner", "password": PASSWORD})

    assert [create(other).status for _ in range(2)] == [201, 201]
    assert status_and_code(make_owner(other)) == FULL
    assert make_owner(heir).status == 200
    assert [create(heir).status for _ in range(2)] == [201, 429]
    if way == "transfer":
        assert [create(owner).status for _ in range(3)] == [201, 201, 429], "it counts for them, too"
        time.advance(days=30)
        sign_in_anew(owner)
        assert [create(owner).status for _ in range(2)] == [201, 429], "it counts no more"


def test_a_sign_in_makes_a_personal_organization_and_deletions_are_limited(
    aws: None, time: MovableClock
) -> None:
    person = register_verified()
    for _ in range(3):
        delete(person, person.client.get("/v1/users/me").json["currentOrganizationId"])
        sign_in_anew(person)
    current = person.client.get("/v1/users/me").json["currentOrganizationId"]
    refused = request_deletion(person, current)
    assert status_and_code(refused) == FULL and "gave up 3 organizations" in refused.json["detail"]
    time.advance(days=30)
    sign_in_anew(person)
    delete(person, current)
    assert person.client.call("DELETE", "/v1/users/me", {"password": PASSWORD}).status == 204


def test_an_account_is_deleted_whatever_was_deleted_before(aws: None) -> None:
    person = register_verified()
    for _ in range(3):
        delete(person, person.client.get("/v1/users/me").json["currentOrganizationId"])
        sign_in_anew(person)
    assert person.client.call("DELETE", "/v1/users/me", {"password": PASSWORD}).status == 204
