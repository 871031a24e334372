"""The export of personal data, and the deletion of the own account."""

import json

import boto3
import pytest

from tests.auth import sent_mails
from tests.factories import PASSWORD, RegisteredUser, add_member, register
from tests.gateway import Client
from weconnect.db import table
from weconnect.identity.rows import EmailRow, UserRow
from weconnect.organizations.rows import MemberCountRow, MemberRow, OrganizationRow

ME, CONFIRMED = "/v1/users/me", {"password": PASSWORD}


def client_with_key(person: RegisteredUser) -> Client:
    body = {"name": "ci", "scopes": ["agents:read"]}
    return Client(headers={"X-API-Key": person.client.post("/v1/api-keys", body).json["key"]})


def member_count(owner: RegisteredUser) -> int:
    row = table.get(MemberCountRow, MemberCountRow.at(owner.organization["id"]))
    return int(row.total) if row else 0


def dump_table() -> str:
    return json.dumps(boto3.client("dynamodb").scan(TableName="weconnect")["Items"], default=str)


def test_deleting_an_account_removes_its_data_and_its_personal_organization(aws: None) -> None:
    person = register("ada@example.com", lastName="Unmistakable")
    key_client = client_with_key(person)
    assert key_client.get("/v1/agents").status == 200
    assert person.client.call("DELETE", ME, CONFIRMED).status == 204
    assert Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).status == 401
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    assert (refreshed.status, refreshed.json["code"]) == (401, "session_ended")
    assert key_client.get("/v1/agents").status == 401
    assert person.client.get(ME).status == 404
    organization = person.organization["id"]
    assert table.get(OrganizationRow, OrganizationRow.at(organization)) is None
    assert table.get(OrganizationRow, OrganizationRow.in_trash(organization)) is not None
    assert "Unmistakable" not in dump_table()
    assert table.get(EmailRow, EmailRow.at("ada@example.com")) is None
    assert register("ada@example.com").user["id"] != person.user["id"]


def test_the_only_owner_of_an_organization_with_other_members_cannot_delete_the_account(aws: None) -> None:
    owner, member = register(), register()
    add_member(member, owner, "admin")
    response = owner.client.call("DELETE", ME, CONFIRMED)
    assert (response.status, response.json["code"]) == (409, "last_owner")
    assert response.json["errors"][0]["detail"] == owner.organization["id"]
    assert owner.client.get(ME).status == 200
    assert owner.client.get("/v1/agents").status == 200, "the refused deletion changed nothing"
    member_row = MemberRow.get(*MemberRow.at(owner.organization["id"], member.user["id"]))
    table.change(member_row, {"role": "owner"}, {})
    assert owner.client.call("DELETE", ME, CONFIRMED).status == 204
    assert table.get(OrganizationRow, OrganizationRow.at(owner.organization["id"])) is not None
    assert member.client.get("/v1/agents").status == 200


def test_deleting_a_members_account_keeps_the_organization_and_revokes_the_keys(aws: None) -> None:
    owner, member = register(), register("ada@example.com")
    add_member(member, owner, "member")
    key_client = client_with_key(member)
    before = member_count(owner)
    assert member.client.call("DELETE", ME, CONFIRMED).status == 204
    organization = owner.organization["id"]
    assert table.get(MemberRow, MemberRow.at(organization, member.user["id"])) is None
    assert member_count(owner) == before - 1
    assert key_client.get("/v1/agents").status == 401
    assert owner.client.get(f"/v1/organizations/{organization}/members").json["items"][0]["userId"]
    assert owner.client.get("/v1/agents").status == 200


def test_deleting_an_account_ends_many_memberships(aws: None) -> None:
    person, owners = register(), [register() for _ in range(13)]
    for owner in owners:
        add_member(person, owner, "member")
    assert person.client.call("DELETE", ME, CONFIRMED).status == 204
    assert list(MemberRow.gsi1.query(MemberRow.of_user(person.user["id"]))) == []


def test_an_ended_session_and_an_api_key_cannot_delete_the_account(aws: None) -> None:
    person = register()
    assert client_with_key(person).call("DELETE", ME, CONFIRMED).json["code"] == "api_key_not_allowed"
    person.client.post("/v1/auth/logout")
    assert person.client.call("DELETE", ME, CONFIRMED).json["code"] == "session_ended"
    assert table.get(UserRow, UserRow.at(person.user["id"])) is not None


def test_an_interrupted_deletion_is_finished_by_repeating_it(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weconnect.auth.account import own_account

    person = register("ada@example.com")
    with monkeypatch.context() as patch:
        patch.setattr(own_account, "_end_memberships", lambda *_, **__: 1 / 0)
        assert person.client.call("DELETE", ME, CONFIRMED).status == 500
    assert person.client.call("DELETE", ME, CONFIRMED).status == 204
    assert table.get(EmailRow, EmailRow.at("ada@example.com")) is None


def test_an_export_has_all_personal_data_and_no_secrets(aws: None) -> None:
    owner, person = register(), register("ada@example.com")
    client_with_key(person)
    add_member(person, owner, "admin")
    client_with_key(person)
    user = person.user["id"]
    assert person.client.put(f"/v1/execution-limits/{user}/hourly", {"maxExecutions": 3}).status == 200
    response = person.client.post(f"{ME}/export")
    assert response.status == 200, response.text
    export = response.json
    assert export["user"]["email"] == "ada@example.com"
    assert {item["organizationId"] for item in export["memberships"]} == {
        owner.organization["id"],
        person.organization["id"],
    }
    assert [item["current"] for item in export["sessions"]] == [True]
    assert len(export["apiKeys"]) == 2 and export["executionLimits"][0]["maxExecutions"] == 3
    assert (
        "$2b$" not in response.text and "keyHash" not in response.text and '"password"' not in response.text
    )
    assert sent_mails.texts() != []
