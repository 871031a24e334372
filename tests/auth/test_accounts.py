"""Taking one's data along, and leaving."""

import json

import boto3
import pytest

from tests.auth import mailbox
from tests.factories import PASSWORD, Registered, join, registered
from tests.gateway import Client
from weconnect import clock
from weconnect.auth.rows import EmailRow, UserRow
from weconnect.db import table
from weconnect.organizations.rows import MemberCountRow, MemberRow, OrganizationRow

ME = "/v1/users/me"


def key_of(person: Registered) -> Client:
    body = {"name": "ci", "scopes": ["agents:read"]}
    return Client(headers={"X-API-Key": person.client.post("/v1/api-keys", body).json["key"]})


def members(owner: Registered) -> int:
    found = table.get(MemberCountRow, MemberCountRow.at(owner.organization["id"]))
    return int(found.total) if found else 0


def everything() -> str:
    return json.dumps(boto3.client("dynamodb").scan(TableName="weconnect")["Items"], default=str)


def test_who_is_alone_leaves_nothing_of_himself(aws: None) -> None:
    person = registered("ada@example.com", lastName="Unmistakable")
    machine = key_of(person)
    assert machine.get("/v1/agents").status == 200
    assert person.client.delete(ME).status == 204
    assert Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).status == 401
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    assert (refreshed.status, refreshed.json["code"]) == (401, "session_ended")
    assert machine.get("/v1/agents").status == 401
    assert person.client.get(ME).status == 404
    organization = person.organization["id"]
    assert table.get(OrganizationRow, OrganizationRow.at(organization)) is None
    assert table.get(OrganizationRow, OrganizationRow.in_trash(organization)) is not None
    assert "Unmistakable" not in everything()
    assert table.get(EmailRow, EmailRow.at("ada@example.com")) is None
    assert registered("ada@example.com").user["id"] != person.user["id"]


def test_the_only_owner_of_an_organization_with_others_stays(aws: None) -> None:
    owner, member = registered(), registered()
    join(member, owner, "admin")
    answer = owner.client.delete(ME)
    assert (answer.status, answer.json["code"]) == (409, "last_owner")
    assert answer.json["errors"][0]["detail"] == owner.organization["id"]
    assert owner.client.get(ME).status == 200
    assert owner.client.get("/v1/agents").status == 200, "nothing of it has happened"
    join_as_owner = MemberRow.get(*MemberRow.at(owner.organization["id"], member.user["id"]))
    table.change(join_as_owner, {"role": "owner"}, {})
    assert owner.client.delete(ME).status == 204
    assert table.get(OrganizationRow, OrganizationRow.at(owner.organization["id"])) is not None
    assert member.client.get("/v1/agents").status == 200


def test_an_owner_who_was_only_invited_does_not_count(aws: None) -> None:
    owner, invited = registered(), registered()
    join(invited, owner, "owner")
    row = MemberRow.get(*MemberRow.at(owner.organization["id"], invited.user["id"]))
    table.change(row, {"joined_at": None, "invited_at": clock.iso(clock.now())}, {})
    assert owner.client.delete(ME).json["code"] == "last_owner"


def test_a_member_leaves_what_goes_on_and_takes_his_keys_along(aws: None) -> None:
    owner, member = registered(), registered("ada@example.com")
    join(member, owner, "member")
    machine = key_of(member)
    before = members(owner)
    assert member.client.delete(ME).status == 204
    organization = owner.organization["id"]
    assert table.get(MemberRow, MemberRow.at(organization, member.user["id"])) is None
    assert members(owner) == before - 1
    assert machine.get("/v1/agents").status == 401
    assert owner.client.get(f"/v1/organizations/{organization}/members").json["items"][0]["userId"]
    assert owner.client.get("/v1/agents").status == 200


def test_who_is_in_many_organizations_leaves_them_all(aws: None) -> None:
    person, owners = registered(), [registered() for _ in range(13)]
    for owner in owners:
        join(person, owner, "member")
    assert person.client.delete(ME).status == 204
    assert list(MemberRow.gsi1.query(MemberRow.of_user(person.user["id"]))) == []


def test_an_ended_session_and_an_api_key_delete_nobody(aws: None) -> None:
    person = registered()
    assert key_of(person).delete(ME).json["code"] == "api_key_not_allowed"
    person.client.post("/v1/auth/logout")
    assert person.client.delete(ME).json["code"] == "session_ended"
    assert table.get(UserRow, UserRow.at(person.user["id"])) is not None


def test_an_interrupted_deletion_is_finished_by_asking_again(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weconnect.auth.account import account as accounts

    person = registered("ada@example.com")
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "_leave", lambda *_, **__: 1 / 0)
        assert person.client.delete(ME).status == 500
    assert person.client.delete(ME).status == 204
    assert table.get(EmailRow, EmailRow.at("ada@example.com")) is None


def test_one_takes_ones_data_along_without_secrets(aws: None) -> None:
    owner, person = registered(), registered("ada@example.com")
    key_of(person)
    join(person, owner, "admin")
    key_of(person)
    user = person.user["id"]
    assert person.client.put(f"/v1/execution-limits/{user}/hourly", {"maxExecutions": 3}).status == 200
    answer = person.client.post(f"{ME}/export")
    assert answer.status == 200, answer.text
    found = answer.json
    assert found["user"]["email"] == "ada@example.com"
    assert {item["organizationId"] for item in found["memberships"]} == {
        owner.organization["id"],
        person.organization["id"],
    }
    assert [item["current"] for item in found["sessions"]] == [True]
    assert len(found["apiKeys"]) == 2 and found["executionLimits"][0]["maxExecutions"] == 3
    assert "$2b$" not in answer.text and "keyHash" not in answer.text and '"password"' not in answer.text
    assert mailbox.texts() != []
