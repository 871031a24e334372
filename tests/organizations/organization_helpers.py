"""Users, members and invitations for the tests of organizations."""

from typing import Any

from tests.auth.sent_mails import last_token
from tests.factories import RegisteredUser, add_member, register
from tests.gateway import ApiResponse, Client
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import UserRow
from weconnect.organizations.entities import DomainStatus, MailDomain, OrganizationMember
from weconnect.organizations.rows import (
    DomainOwnerRow,
    DomainRow,
    MemberCountRow,
    MemberRow,
    OrganizationRow,
)


def register_verified(email: str | None = None, **more: Any) -> RegisteredUser:
    """Register a user whose e-mail address is verified."""
    person = register(email, **more)
    verify_email(person)
    return person


def prove_domain(person: RegisteredUser, domain: str) -> None:
    """Make a mail domain the proved one of a user's organization, without DNS."""
    organization_id = person.organization["id"]
    moment = clock.now()
    proved = MailDomain(
        id=person.user["id"],
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=person.user["id"],
        domain=domain,
        status=DomainStatus.VERIFIED,
        record_name=f"_weconnect.{domain}",
        record_value=f"weconnect-domain={organization_id}",
        verified_at=moment,
    )
    pk, sk = DomainRow.at(organization_id, domain)
    table.create(DomainRow.of(proved, pk=pk, sk=sk), {})
    pk, sk = DomainOwnerRow.at(domain)
    table.create(DomainOwnerRow(pk=pk, sk=sk, organization_id=organization_id), {})


def verify_email(person: RegisteredUser) -> None:
    """Mark a user's e-mail address as verified."""
    row = UserRow.get(*UserRow.at(person.user["id"]))
    table.change(row, {"email_verified": True}, {})


def create_membership(organization_id: str, user_id: str, role: str) -> None:
    """Make a user a member of an organization, without counting them against its plan and without a switch to it."""
    moment = clock.now()
    member = OrganizationMember(
        id=user_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=user_id,
        role=role,
        joined_at=moment,
    )
    pk, sk = MemberRow.at(organization_id, user_id)
    index = {"gsi1pk": MemberRow.of_user(user_id), "gsi1sk": MemberRow.of_user_order(organization_id)}
    table.create(MemberRow.of(member, pk=pk, sk=sk, **index), {})


def register_member(owner: RegisteredUser, role: str) -> RegisteredUser:
    """Register a verified user with a role in the owner's organization, who is signed in there and counted."""
    person = register_verified()
    add_member(person, owner, role)
    return person


def organization_path(person: RegisteredUser, suffix: str = "") -> str:
    """Return a path of the user's organization."""
    return f"/v1/organizations/{person.organization['id']}{suffix}"


def member_path(owner: RegisteredUser, person: RegisteredUser) -> str:
    """Return the path of a member of the owner's organization."""
    return organization_path(owner, f"/members/{person.user['id']}")


def set_plan(person: RegisteredUser, plan: str, **limits: int) -> None:
    """Set the plan of a user's organization directly in the table; `limits` override those of the plan."""
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    values: dict[str, Any] = {"plan": plan}
    if limits:
        own = row.to_entity().model_copy(update={"plan": plan}).get_plan_limits()
        values["plan_limits"] = own.model_copy(update=limits).model_dump()
    table.change(row, values, {})


def count_members(person: RegisteredUser) -> int:
    """Return how many members and open invitations the organization counts."""
    row = table.get(MemberCountRow, MemberCountRow.at(person.organization["id"]))
    return int(row.total) if row else 0


def invite(owner: RegisteredUser, email: str, **more: Any) -> ApiResponse:
    """Request an invitation."""
    return owner.client.post(organization_path(owner, "/invitations"), {"email": email, **more})


def invite_for_token(owner: RegisteredUser, email: str, **more: Any) -> str:
    """Invite an address and return the token from the mail."""
    response = invite(owner, email, **more)
    assert response.status == 201, response.text
    return last_token()


def accept_invitation(person: RegisteredUser, token: str) -> ApiResponse:
    """Accept an invitation as `person`."""
    return person.client.post("/v1/invitations/accept", {"token": token})


def status_and_code(response: ApiResponse) -> tuple[int, str | None]:
    """Return the status of a response and the code of its problem, if it has one."""
    return response.status, response.json["code"] if response.status >= 400 else None


def client_with_new_key(person: RegisteredUser, *scopes: str) -> Client:
    """Return a client with a new API key of the user."""
    flags = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    body = {"name": "k", "scopes": list(scopes or ("agents:read", "agents:create")), "permissions": flags}
    response = person.client.post("/v1/api-keys", body)
    assert response.status == 201, response.text
    return Client(headers={"X-API-Key": response.json["key"]})
