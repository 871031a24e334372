"""Things that tests need, made through the routes as a client makes them."""

import itertools
from dataclasses import dataclass
from typing import Any

from tests.gateway import Client

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
