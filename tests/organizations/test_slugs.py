"""Slugs that were given up: held back for 30 days, for the organization that had them."""

from collections.abc import Callable

import pytest

from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import organization_path, register_verified, status_and_code

TAKEN = (409, "slug_taken")


@pytest.fixture
def owner(aws: None) -> RegisteredUser:
    person = register_verified()
    assert change(person, "acme").status == 200
    return person


def change(person: RegisteredUser, slug: str) -> ApiResponse:
    return person.client.patch(organization_path(person), {"slug": slug})


def found(person: RegisteredUser, slug: str) -> ApiResponse:
    return person.client.post("/v1/organizations", {"name": "Another", "slug": slug})


def sign_in_anew(person: RegisteredUser) -> None:
    credentials = {"email": person.user["email"], "password": PASSWORD}
    person.client = client_with_tokens(Client().post("/v1/auth/login", credentials).json)


def delete(owner: RegisteredUser) -> None:
    assert owner.client.delete(organization_path(owner)).status == 204


def purge(owner: RegisteredUser) -> None:
    delete(owner)
    purged = owner.client.call("DELETE", organization_path(owner) + "?purge=true", {"password": PASSWORD})
    assert purged.status == 204


def rename(owner: RegisteredUser) -> None:
    assert change(owner, "acme-2").status == 200


@pytest.mark.parametrize("give_up", [rename, delete, purge])
def test_a_slug_that_was_given_up_is_held_back_for_30_days(
    owner: RegisteredUser, give_up: Callable[[RegisteredUser], None], time: MovableClock
) -> None:
    other = register_verified()
    give_up(owner)
    time.advance(days=29, hours=23)
    sign_in_anew(other)
    assert status_and_code(found(other, "acme")) == TAKEN
    assert status_and_code(change(other, "acme")) == TAKEN
    time.advance(hours=1)
    sign_in_anew(other)
    assert change(other, "acme").status == 200
    assert status_and_code(found(register_verified(), "acme")) == TAKEN


def test_only_the_organization_itself_takes_its_slug_back(owner: RegisteredUser) -> None:
    rename(owner)
    assert status_and_code(found(owner, "acme")) == TAKEN, "not even another one of the same owner"
    assert change(owner, "acme").status == 200
    assert status_and_code(found(register_verified(), "acme-2")) == TAKEN


def test_a_restored_organization_has_its_slug_again(owner: RegisteredUser, time: MovableClock) -> None:
    delete(owner)
    assert owner.client.post(organization_path(owner, "/restore")).json["slug"] == "acme"
    time.advance(days=31)
    assert status_and_code(found(register_verified(), "acme")) == TAKEN


def test_an_organization_holds_back_few_slugs_a_month(aws: None, time: MovableClock) -> None:
    person = register()
    assert [change(person, f"slug-{number}").status for number in range(6)] == [200] * 5 + [429]
    refused = change(person, "slug-6")
    assert status_and_code(refused) == (429, "too_many_slug_changes") and refused.headers["Retry-After"]
    assert person.client.patch(organization_path(person), {"slug": "slug-4", "name": "B"}).status == 200
    time.advance(days=31)
    sign_in_anew(person)
    assert change(person, "slug-6").status == 200


def test_a_slug_that_is_held_back_is_taken_back_whatever_else_was_changed(aws: None) -> None:
    person = register()
    assert [change(person, f"slug-{number}").status for number in range(6)] == [200] * 5 + [429]
    assert change(person, "slug-0").status == 200
    assert change(person, "slug-3").status == 200
    assert status_and_code(change(person, "slug-6")) == (429, "too_many_slug_changes")
    assert status_and_code(found(register_verified(), "slug-0")) == TAKEN
