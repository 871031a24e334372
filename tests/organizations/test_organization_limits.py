"""The organizations that one user owns or creates: counted over creation, deletion, restore and transfer."""

import pytest

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
    path = f"/v1/organizations/{organization}"
    tokens = person.client.post(f"{path}/switch").json
    client = Client(headers={"Authorization": f"Bearer {tokens['accessToken']}"})
    assert client.delete(path).status == 204


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


def test_a_deleted_organization_does_not_count_and_a_restored_one_does(aws: None) -> None:
    person = register_verified()
    first = create(person).json["id"]
    assert create(person).status == 201
    delete(person, first)
    assert create(person).status == 201, "in place of the deleted one"
    restore = f"/v1/organizations/{first}/restore"
    assert status_and_code(person.client.post(restore)) == FULL
    second = create_and_find(person)
    delete(person, second)
    assert person.client.post(restore).status == 200
    assert status_and_code(create(person)) == FULL


def create_and_find(person: RegisteredUser) -> str:
    """Return an organization of a user which is not their first."""
    items = person.client.get("/v1/organizations").json["items"]
    return next(str(item["id"]) for item in items if item["id"] != person.organization["id"])


def test_deleting_and_creating_again_is_limited_in_a_month(aws: None) -> None:
    person = register_verified()
    for _ in range(5):
        delete(person, create(person).json["id"])
    refused = create(person)
    assert (
        status_and_code(refused) == FULL and "may create 6 organizations in a month" in refused.json["detail"]
    )


@pytest.mark.parametrize("way", ["transfer", "role"])
def test_an_organization_counts_for_its_new_owner(aws: None, way: str) -> None:
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
        assert [create(owner).status for _ in range(4)] == [201, 201, 201, 429], "it counts no more for them"


def test_a_login_makes_a_personal_organization_whatever_the_limits(aws: None) -> None:
    person = register_verified()
    credentials = {"email": person.user["email"], "password": PASSWORD}
    for _ in range(7):  # more than may be created in a month
        response = Client().post("/v1/auth/login", credentials)
        assert response.status == 200, response.text
        client = client_with_tokens(response.json)
        current = client.get("/v1/users/me").json["currentOrganizationId"]
        assert client.delete(f"/v1/organizations/{current}").status == 204
    person.client = client_with_tokens(Client().post("/v1/auth/login", credentials).json)
    assert [create(person).status for _ in range(2)] == [201, 201], "only creations on request are counted"
