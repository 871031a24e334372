"""Sign-ins of users with accounts, for the tests of single sign-on."""

from typing import Any

from tests.factories import PASSWORD, RegisteredUser
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
