"""Users, members and clients for tests, created through the routes as a client does."""

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.gateway import Client
from weconnect.auth.account.users import role_index_keys
from weconnect.db import table
from weconnect.identity.rows import UserRow
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.rows import MemberCountRow, MemberRow

PASSWORD = "Correct-Horse-7-Battery"
_numbers = itertools.count(1)


@dataclass
class RegisteredUser:
    """A new user, signed in to a personal organization as its owner."""

    client: Client
    user: dict[str, Any]
    organization: dict[str, Any]
    tokens: dict[str, Any]


def client_with_tokens(tokens: dict[str, Any]) -> Client:
    """Return a client that sends the access token of `tokens`."""
    return Client(headers={"Authorization": f"Bearer {tokens['accessToken']}"})


def register(email: str | None = None, *, verified: bool = False, **fields: Any) -> RegisteredUser:
    """Register a user, with a `verified` address or not; `fields` are added to the body."""
    body = {
        "email": email or f"person{next(_numbers)}@example.com",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        **fields,
    }
    response = Client().post("/v1/auth/register", body)
    assert response.status == 201, response.text
    registration = response.json
    if verified:
        table.touch(
            UserRow.get(*UserRow.at(registration["user"]["id"])), put={"email_verified": True}
        )  # no new version: the user could have registered like this
    tokens = {name: registration[name] for name in ("accessToken", "refreshToken", "tokenType", "expiresIn")}
    return RegisteredUser(
        client_with_tokens(tokens), registration["user"], registration["organization"], tokens
    )


def set_user_role(person: RegisteredUser, role: str = "admin", *, verified: bool = True) -> RegisteredUser:
    """Set a user's role, such as `admin` for an operator, sign in again, and return the user."""
    row = UserRow.get(*UserRow.at(person.user["id"]))
    keys = role_index_keys(role, bool(row.is_active), row.id)
    table.change(row, {"role": role, "email_verified": verified, **keys}, {})
    credentials = {"email": person.user["email"], "password": PASSWORD}
    person.tokens = Client().post("/v1/auth/login", credentials).json
    person.client.headers["Authorization"] = f"Bearer {person.tokens['accessToken']}"
    return person


def add_member(person: RegisteredUser, owner: RegisteredUser, role: str) -> None:
    """Make `person` a member of the owner's organization, and switch to it."""
    organization, user = owner.organization["id"], person.user["id"]
    own = MemberRow.get(*MemberRow.at(person.organization["id"], user)).to_entity()
    member = own.model_copy(update={"organization_id": UUID(organization), "role": OrganizationRole(role)})
    pk, sk = MemberRow.at(organization, user)
    keys = {"gsi1pk": MemberRow.of_user(user), "gsi1sk": MemberRow.of_user_order(organization)}
    count_pk, count_sk = MemberCountRow.at(organization)
    with table.transaction({}) as writes:
        writes.create(MemberRow.of(member, pk=pk, sk=sk, **keys))
        writes.increment(MemberCountRow(pk=count_pk, sk=count_sk), "total", 1)
    response = person.client.post(f"/v1/organizations/{organization}/switch")
    assert response.status == 200, response.text
    person.tokens = response.json
    person.client.headers["Authorization"] = f"Bearer {response.json['accessToken']}"
