"""Sign-ins of users with accounts, for the tests of single sign-on."""

from typing import Any

from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    register_with_provider,
    sign_in,
)
from tests.factories import PASSWORD, RegisteredUser, register
from tests.gateway import ApiResponse, Client
from weconnect.organizations.rows import MemberRow


def status_and_code(response: ApiResponse) -> tuple[int, str]:
    return response.status, response.json["code"]


def refresh(tokens: dict[str, Any], **more: Any) -> ApiResponse:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"], **more})


def login(person: RegisteredUser, **more: Any) -> ApiResponse:
    return Client().post("/v1/auth/login", {"email": person.user["email"], "password": PASSWORD, **more})


def memberships(person: RegisteredUser) -> set[str]:
    """Return the IDs of the organizations of a user."""
    return {row.organization_id for row in MemberRow.gsi1.query(MemberRow.of_user(person.user["id"]))}


def sign_in_existing_user(idp: FakeIdentityProvider) -> tuple[RegisteredUser, RegisteredUser, dict[str, Any]]:
    """Return an owner, a user with their own organization, and the user's tokens from the owner's provider."""
    owner, person = register_with_provider(idp, "corp.example"), register("grace@corp.example")
    change_user(person, email_verified=True)
    response = sign_in(idp, owner, "grace@corp.example")
    assert response.status == 200, response.text
    return owner, person, response.json
