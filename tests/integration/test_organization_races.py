"""A hundred at once in organizations: what there is one of goes to one, and there is always an owner."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.factories import Registered, join, registered
from tests.integration.racing import caller_of, outcomes, together
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.organizations import service
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.invitations import answers as invitation_answers
from weconnect.organizations.invitations import invitations
from weconnect.organizations.members import members, roles
from weconnect.organizations.rows import (
    InvitationRow,
    MemberCountRow,
    MemberRow,
    OrganizationRow,
    RoleRow,
    SlugRow,
)
from weconnect.organizations.schemas import (
    InvitationToken,
    MemberChanges,
    NewInvitation,
    NewOrganization,
    NewRole,
)

MANY = 100


@pytest.fixture
def owner(aws: None) -> Registered:
    return registered()


def rows_of(person: Registered, kind: Any) -> list[Any]:
    """The rows of a kind in a person's organization."""
    pk, _ = OrganizationRow.at(person.organization["id"])
    return list(kind.query(pk, table.Row.sk.startswith(kind.PREFIX), consistent_read=True))


def taken(person: Registered) -> int:
    return int(table.get(MemberCountRow, MemberCountRow.at(person.organization["id"])).total)


def places(person: Registered, number: int) -> None:
    """Leave a person's organization so many places."""
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    limits = row.to_entity().get_plan_limits().model_copy(update={"max_team_members": number})
    table.change(row, {"plan_limits": limits.model_dump()}, {})


def in_organization(person: Registered, owner: Registered) -> Caller:
    """A person as a caller in the owner's organization."""
    organization = UUID(owner.organization["id"])
    return Caller(UUID(person.user["id"]), organization, "owner", frozenset({"*"}), session_id="s")


def owners(person: Registered) -> list[str]:
    return [row.user_id for row in rows_of(person, MemberRow) if row.role == "owner" and row.is_active]


def test_one_of_a_hundred_gets_a_slug(owner: Registered) -> None:
    slug, caller = f"slug-{uuid4().hex}", caller_of(owner)
    found = outcomes(together(MANY, lambda _: service.create(caller, NewOrganization(name="A", slug=slug))))
    assert found == {"ok": 1, "slug_taken": MANY - 1}
    held = table.get(SlugRow, SlugRow.at(slug))
    mine = [row.organization_id for row in MemberRow.gsi1.query(MemberRow.of_user(owner.user["id"]))]
    assert held.organization_id in mine and len(mine) == 2, "and nothing is left of the others"


def test_the_last_two_places_go_to_two(owner: Registered) -> None:
    places(owner, 3)
    caller, organization = caller_of(owner), UUID(owner.organization["id"])

    def invite(number: int) -> Any:
        new = NewInvitation(email=f"p{number}-{organization}@example.com")
        return invitations.create(caller, organization, new)

    assert outcomes(together(MANY, invite)) == {"ok": 2, "member_limit_reached": MANY - 2}
    assert len(rows_of(owner, InvitationRow)) == 2 and taken(owner) == 3


def test_one_address_is_invited_once(owner: Registered) -> None:
    caller, organization = caller_of(owner), UUID(owner.organization["id"])
    new = NewInvitation(email=f"{organization}@example.com")
    found = outcomes(together(MANY, lambda _: invitations.create(caller, organization, new)))
    assert found == {"ok": 1, "already_invited": MANY - 1}
    assert len(rows_of(owner, InvitationRow)) == 1 and taken(owner) == 2


def test_two_owners_remove_each_other(owner: Registered) -> None:
    second = registered()
    join(second, owner, "owner")
    organization = UUID(owner.organization["id"])
    callers = [in_organization(person, owner) for person in (owner, second)]

    def remove(number: int) -> None:
        mine, other = callers[number % 2], callers[1 - number % 2]
        members.remove(mine, organization, other.user_id, None)

    found = outcomes(together(MANY, remove))
    assert found["ok"] == 1, found
    assert set(found) <= {"ok", "member_not_found", "not_a_member", "version_conflict", "last_owner"}
    assert len(owners(owner)) == 1 and taken(owner) == 1


@pytest.mark.parametrize("attempt", range(10))
def test_two_owners_demote_each_other(owner: Registered, attempt: int) -> None:
    second = registered()
    join(second, owner, "owner")
    organization = UUID(owner.organization["id"])
    callers = [in_organization(person, owner) for person in (owner, second)]
    demotion = MemberChanges(role=OrganizationRole.VIEWER)

    def demote(number: int) -> Any:
        return members.update(callers[number], organization, callers[1 - number].user_id, demotion, None)

    found = outcomes(together(2, demote))
    assert found["ok"] == 1 and len(owners(owner)) == 1, found


def test_three_owners_leave_at_once(owner: Registered) -> None:
    people = [owner, registered(), registered()]
    for person in people[1:]:
        join(person, owner, "owner")
    organization = UUID(owner.organization["id"])
    callers = [in_organization(person, owner) for person in people]
    found = outcomes(together(3, lambda number: members.leave(callers[number], organization)))
    assert found == {"ok": 2, "last_owner": 1}
    assert len(owners(owner)) == 1 and taken(owner) == 1


def test_a_token_is_accepted_once(owner: Registered) -> None:
    person, organization = registered(), UUID(owner.organization["id"])
    new = NewInvitation(email=person.user["email"])
    token = InvitationToken(token=invitations.create(caller_of(owner), organization, new).token)
    caller = caller_of(person)
    found = outcomes(together(MANY, lambda _: invitation_answers.accept(caller, token)))
    assert found["ok"] == 1 and set(found) <= {
        "ok",
        "invitation_not_found",
        "already_member",
        "version_conflict",
    }
    assert [row.user_id for row in rows_of(owner, MemberRow) if row.joined_at].count(person.user["id"]) == 1
    assert rows_of(owner, InvitationRow) == [] and taken(owner) == 2


def test_accepted_declined_and_taken_back_at_once(owner: Registered) -> None:
    person, organization = registered(), UUID(owner.organization["id"])
    new = NewInvitation(email=person.user["email"])
    made = invitations.create(caller_of(owner), organization, new)
    token = InvitationToken(token=made.token)
    caller, host = caller_of(person), caller_of(owner)

    def work(number: int) -> Any:
        if number % 3 == 0:
            return invitation_answers.accept(caller, token)
        if number % 3 == 1:
            return invitation_answers.decline(token, caller.request)
        return invitations.revoke(host, organization, made.id, None)

    answers = together(30, work)
    assert outcomes(answers)["ok"] == 1
    joined = [row for row in rows_of(owner, MemberRow) if row.user_id == person.user["id"]]
    accepted = any(not isinstance(answers[number], Problem) for number in range(0, 30, 3))
    assert len(joined) == (1 if accepted else 0) and taken(owner) == 1 + len(joined)
    assert rows_of(owner, InvitationRow) == []


def test_a_role_is_given_and_deleted_at_once(owner: Registered) -> None:
    people = [registered() for _ in range(10)]
    for person in people:
        join(person, owner, "viewer")
    caller, organization = caller_of(owner), UUID(owner.organization["id"])
    role = roles.create(caller, organization, NewRole(name="R", permissions=["agents:read"]))
    give = MemberChanges(custom_role_id=UUID(role.id))

    def work(number: int) -> Any:
        if number % 10 == 0:
            return roles.delete(caller, organization, role.id, None)
        return members.update(caller, organization, UUID(people[number % 10].user["id"]), give, None)

    found: Counter[str] = outcomes(together(MANY, work))
    having = [row for row in rows_of(owner, MemberRow) if row.custom_role_id == role.id]
    left = rows_of(owner, RoleRow)
    assert set(found) <= {"ok", "role_in_use", "role_not_found", "version_conflict", "unavailable"}, found
    if left:
        assert left[0].member_count == len(having) > 0
    else:
        assert having == []
