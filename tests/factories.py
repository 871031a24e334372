"""Things that tests need, made through the routes as a client makes them."""

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.gateway import Client
from weconnect.auth.account.users import role_keys
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.rows import MemberCountRow, MemberRow

PASSWORD = "Correct-Horse-7-Battery"
_numbers = itertools.count(1)


@dataclass
class Registered:
    """A new user, signed in to a personal organization as its owner."""

    client: Client
    user: dict[str, Any]
    organization: dict[str, Any]
    tokens: dict[str, Any]


def bearer(tokens: dict[str, Any]) -> Client:
    """A client with these tokens' access token."""
    return Client(headers={"Authorization": f"Bearer {tokens['accessToken']}"})


def registered(email: str | None = None, **more: Any) -> Registered:
    """Register; `more` goes into the body."""
    body = {
        "email": email or f"person{next(_numbers)}@example.com",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        **more,
    }
    answer = Client().post("/v1/auth/register", body)
    assert answer.status == 201, answer.text
    found = answer.json
    tokens = {name: found[name] for name in ("accessToken", "refreshToken", "tokenType", "expiresIn")}
    return Registered(bearer(tokens), found["user"], found["organization"], tokens)


def become(person: Registered, role: str = "admin", *, verified: bool = True) -> Registered:
    """Give a user a role, such as `admin` for an operator, and sign in anew."""
    row = UserRow.get(*UserRow.at(person.user["id"]))
    keys = role_keys(role, bool(row.is_active), row.id)
    table.change(row, {"role": role, "email_verified": verified, **keys}, {})
    credentials = {"email": person.user["email"], "password": PASSWORD}
    person.tokens = Client().post("/v1/auth/login", credentials).json
    person.client.headers["Authorization"] = f"Bearer {person.tokens['accessToken']}"
    return person


def join(person: Registered, owner: Registered, role: str) -> None:
    """Make `person` a member of the owner's organization, and sign in there."""
    organization, user = owner.organization["id"], person.user["id"]
    own = MemberRow.get(*MemberRow.at(person.organization["id"], user)).to_entity()
    member = own.model_copy(update={"organization_id": UUID(organization), "role": OrganizationRole(role)})
    pk, sk = MemberRow.at(organization, user)
    keys = {"gsi1pk": MemberRow.of_user(user), "gsi1sk": MemberRow.of_user_order(organization)}
    count_pk, count_sk = MemberCountRow.at(organization)
    with table.transaction({}) as writes:
        writes.create(MemberRow.of(member, pk=pk, sk=sk, **keys))
        writes.count(MemberCountRow(pk=count_pk, sk=count_sk), "total", 1)
    answer = person.client.post(f"/v1/organizations/{organization}/switch")
    assert answer.status == 200, answer.text
    person.tokens = answer.json
    person.client.headers["Authorization"] = f"Bearer {answer.json['accessToken']}"
