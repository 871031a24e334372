"""People for the tests of organizations."""

from typing import Any

from tests.auth.mailbox import last_token
from tests.factories import Registered, join, registered
from tests.gateway import Answer, Client
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.organizations.rows import MemberCountRow, OrganizationRow


def verified(email: str | None = None, **more: Any) -> Registered:
    """A registered person whose address counts as confirmed."""
    person = registered(email, **more)
    confirm(person)
    return person


def confirm(person: Registered) -> None:
    """Confirm a person's address."""
    row = UserRow.get(*UserRow.at(person.user["id"]))
    table.change(row, {"email_verified": True}, {})


def colleague(owner: Registered, role: str) -> Registered:
    """A verified person with a role in the owner's organization, signed in there, and counted."""
    person = verified()
    join(person, owner, role)
    return person


def path(person: Registered, suffix: str = "") -> str:
    """A path under a person's own organization."""
    return f"/v1/organizations/{person.organization['id']}{suffix}"


def member_path(owner: Registered, person: Registered) -> str:
    """A member's path."""
    return path(owner, f"/members/{person.user['id']}")


def on_plan(person: Registered, plan: str, **limits: int) -> None:
    """Put a person's organization on a plan, below the routes; `limits` override it."""
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    values: dict[str, Any] = {"plan": plan}
    if limits:
        own = row.to_entity().model_copy(update={"plan": plan}).get_plan_limits()
        values["plan_limits"] = own.model_copy(update=limits).model_dump()
    table.change(row, values, {})


def places(person: Registered) -> int:
    """How many places of the plan are taken."""
    row = table.get(MemberCountRow, MemberCountRow.at(person.organization["id"]))
    return int(row.total) if row else 0


def invite(owner: Registered, email: str, **more: Any) -> Answer:
    """Ask for an invitation."""
    return owner.client.post(path(owner, "/invitations"), {"email": email, **more})


def invited(owner: Registered, email: str, **more: Any) -> str:
    """Invite, and give the token of the mail."""
    answer = invite(owner, email, **more)
    assert answer.status == 201, answer.text
    return last_token()


def accept(person: Registered, token: str) -> Answer:
    """Accept an invitation."""
    return person.client.post("/v1/invitations/accept", {"token": token})


def code(answer: Answer) -> tuple[int, str | None]:
    """An answer's status, and its problem's code."""
    return answer.status, answer.json["code"] if answer.status >= 400 else None


def key_of(person: Registered, *scopes: str) -> Client:
    """A client with a new API key of the person's."""
    flags = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    body = {"name": "k", "scopes": list(scopes or ("agents:read", "agents:create")), "permissions": flags}
    answer = person.client.post("/v1/api-keys", body)
    assert answer.status == 201, answer.text
    return Client(headers={"X-API-Key": answer.json["key"]})
