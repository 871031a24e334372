"""A hundred concurrent requests in organizations: unique things are unique, quotas hold, and an owner remains."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.factories import RegisteredUser, add_member, register
from tests.integration.racing import count_outcomes, owner_caller, run_concurrently
from tests.organizations.organization_helpers import set_plan
from weconnect.api.caller import Caller
from weconnect.auth.api_keys import api_keys
from weconnect.auth.schemas import NewApiKey
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.organizations import service
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.invitations import acceptance, invitations
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
from weconnect.settings import settings

REQUEST_COUNT = 100


@pytest.fixture
def owner(aws: None) -> RegisteredUser:
    return register()


def rows_of(person: RegisteredUser, kind: Any) -> list[Any]:
    """Return the rows of a kind in a user's organization."""
    pk, _ = OrganizationRow.at(person.organization["id"])
    return list(kind.query(pk, table.Row.sk.startswith(kind.PREFIX), consistent_read=True))


def count_members(person: RegisteredUser) -> int:
    return int(MemberCountRow.get(*MemberCountRow.at(person.organization["id"])).total)


def set_member_limit(person: RegisteredUser, number: int) -> None:
    """Limit the members of a user's organization."""
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    limits = row.to_entity().get_plan_limits().model_copy(update={"max_team_members": number})
    table.change(row, {"plan_limits": limits.model_dump()}, {})


def in_organization(person: RegisteredUser, owner: RegisteredUser) -> Caller:
    """Return a user as a caller in the owner's organization."""
    organization = UUID(owner.organization["id"])
    return Caller(UUID(person.user["id"]), organization, "owner", frozenset({"*"}), session_id="s")


def list_owners(person: RegisteredUser) -> list[str]:
    return [row.user_id for row in rows_of(person, MemberRow) if row.role == "owner" and row.is_active]


def test_one_of_many_requests_gets_a_slug(owner: RegisteredUser) -> None:
    slug, caller = f"slug-{uuid4().hex}", owner_caller(owner)
    outcomes = count_outcomes(
        run_concurrently(
            REQUEST_COUNT, lambda _: service.create(caller, NewOrganization(name="A", slug=slug))
        )
    )
    assert outcomes == {"ok": 1, "slug_taken": REQUEST_COUNT - 1}
    slug_row = SlugRow.get(*SlugRow.at(slug))
    organization_ids = [
        row.organization_id for row in MemberRow.gsi1.query(MemberRow.of_user(owner.user["id"]))
    ]
    assert slug_row.organization_id in organization_ids and len(organization_ids) == 2, (
        "nothing is left of the refused organizations"
    )


def test_two_invitations_use_the_last_of_the_quota(owner: RegisteredUser) -> None:
    set_member_limit(owner, 3)
    caller, organization = owner_caller(owner), UUID(owner.organization["id"])

    def invite(number: int) -> Any:
        new = NewInvitation(email=f"p{number}-{organization}@example.com")
        return invitations.create(caller, organization, new)

    assert count_outcomes(run_concurrently(REQUEST_COUNT, invite)) == {
        "ok": 2,
        "member_limit_reached": REQUEST_COUNT - 2,
    }
    assert len(rows_of(owner, InvitationRow)) == 2 and count_members(owner) == 3


def test_an_address_is_invited_once(owner: RegisteredUser) -> None:
    caller, organization = owner_caller(owner), UUID(owner.organization["id"])
    new = NewInvitation(email=f"{organization}@example.com")
    outcomes = count_outcomes(
        run_concurrently(REQUEST_COUNT, lambda _: invitations.create(caller, organization, new))
    )
    assert outcomes == {"ok": 1, "already_invited": REQUEST_COUNT - 1}
    assert len(rows_of(owner, InvitationRow)) == 1 and count_members(owner) == 2


def test_one_of_two_owners_who_remove_each_other_remains(owner: RegisteredUser) -> None:
    second = register()
    add_member(second, owner, "owner")
    organization = UUID(owner.organization["id"])
    callers = [in_organization(person, owner) for person in (owner, second)]

    def remove(number: int) -> None:
        caller, other = callers[number % 2], callers[1 - number % 2]
        members.remove(caller, organization, other.user_id, None)

    outcomes = count_outcomes(run_concurrently(REQUEST_COUNT, remove))
    assert outcomes["ok"] == 1, outcomes
    assert set(outcomes) <= {"ok", "member_not_found", "not_a_member", "version_conflict", "last_owner"}
    assert len(list_owners(owner)) == 1 and count_members(owner) == 1


@pytest.mark.parametrize("attempt", range(10))
def test_one_of_two_owners_who_demote_each_other_remains(owner: RegisteredUser, attempt: int) -> None:
    second = register()
    add_member(second, owner, "owner")
    organization = UUID(owner.organization["id"])
    callers = [in_organization(person, owner) for person in (owner, second)]
    demotion = MemberChanges(role=OrganizationRole.VIEWER)

    def demote(number: int) -> Any:
        return members.update(callers[number], organization, callers[1 - number].user_id, demotion, None)

    outcomes = count_outcomes(run_concurrently(2, demote))
    assert outcomes["ok"] == 1 and len(list_owners(owner)) == 1, outcomes


def test_one_of_three_owners_who_leave_remains(owner: RegisteredUser) -> None:
    people = [owner, register(), register()]
    for person in people[1:]:
        add_member(person, owner, "owner")
    organization = UUID(owner.organization["id"])
    callers = [in_organization(person, owner) for person in people]
    outcomes = count_outcomes(
        run_concurrently(3, lambda number: members.leave(callers[number], organization))
    )
    assert outcomes == {"ok": 2, "last_owner": 1}
    assert len(list_owners(owner)) == 1 and count_members(owner) == 1


def test_an_invitation_is_accepted_once(owner: RegisteredUser) -> None:
    person, organization = register(), UUID(owner.organization["id"])
    new = NewInvitation(email=person.user["email"])
    token = InvitationToken(token=invitations.create(owner_caller(owner), organization, new).token)
    caller = owner_caller(person)
    outcomes = count_outcomes(run_concurrently(REQUEST_COUNT, lambda _: acceptance.accept(caller, token)))
    assert outcomes["ok"] == 1 and set(outcomes) <= {
        "ok",
        "invitation_not_found",
        "already_member",
        "version_conflict",
    }
    assert [row.user_id for row in rows_of(owner, MemberRow) if row.joined_at].count(person.user["id"]) == 1
    assert rows_of(owner, InvitationRow) == [] and count_members(owner) == 2


def test_an_invitation_is_accepted_declined_or_revoked_once(owner: RegisteredUser) -> None:
    person, organization = register(), UUID(owner.organization["id"])
    new = NewInvitation(email=person.user["email"])
    invitation = invitations.create(owner_caller(owner), organization, new)
    token = InvitationToken(token=invitation.token)
    caller, owner_as_caller = owner_caller(person), owner_caller(owner)

    def work(number: int) -> Any:
        if number % 3 == 0:
            return acceptance.accept(caller, token)
        if number % 3 == 1:
            return acceptance.decline(token, caller.request)
        return invitations.revoke(owner_as_caller, organization, invitation.id, None)

    results = run_concurrently(30, work)
    assert count_outcomes(results)["ok"] == 1
    joined = [row for row in rows_of(owner, MemberRow) if row.user_id == person.user["id"]]
    accepted = any(not isinstance(results[number], Problem) for number in range(0, 30, 3))
    assert len(joined) == (1 if accepted else 0) and count_members(owner) == 1 + len(joined)
    assert rows_of(owner, InvitationRow) == []


def test_a_role_is_either_assigned_or_deleted(owner: RegisteredUser) -> None:
    people = [register() for _ in range(10)]
    for person in people:
        add_member(person, owner, "viewer")
    caller, organization = owner_caller(owner), UUID(owner.organization["id"])
    role = roles.create(caller, organization, NewRole(name="R", permissions=["agents:read"]))
    assignment = MemberChanges(custom_role_id=UUID(role.id))

    def work(number: int) -> Any:
        if number % 10 == 0:
            return roles.delete(caller, organization, role.id, None)
        return members.update(caller, organization, UUID(people[number % 10].user["id"]), assignment, None)

    outcomes: Counter[str] = count_outcomes(run_concurrently(REQUEST_COUNT, work))
    members_with_role = [row for row in rows_of(owner, MemberRow) if row.custom_role_id == role.id]
    remaining_roles = rows_of(owner, RoleRow)
    assert set(outcomes) <= {"ok", "role_in_use", "role_not_found", "version_conflict", "unavailable"}, (
        outcomes
    )
    if remaining_roles:
        assert remaining_roles[0].member_count == len(members_with_role) > 0
    else:
        assert members_with_role == []


def test_no_more_organizations_and_keys_are_created_at_once_than_allowed(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "organizations_per_user", 4)
    person = register()
    caller = owner_caller(person)
    created = run_concurrently(8, lambda number: service.create(caller, NewOrganization(name=f"N{number}")))
    assert count_outcomes(created) == {"ok": 3, "organization_limit_reached": 5}, "beside the first"
    set_plan(person, "free", max_api_keys=3)
    new = NewApiKey(name="ci", scopes=["agents:read"], permissions={"canRead": True})
    keys = run_concurrently(8, lambda _: api_keys.create(caller, new))
    assert count_outcomes(keys) == {"ok": 3, "api_key_limit_reached": 5}
