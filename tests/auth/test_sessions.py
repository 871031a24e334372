"""Refreshing, reuse, two tabs, ends."""

from typing import Any

import pytest

from tests.auth.clocks import Clock
from tests.factories import PASSWORD, Registered, bearer, registered
from tests.gateway import Answer, Client
from weconnect import clock
from weconnect.auth.rows import SessionRow, UserRow
from weconnect.db import table
from weconnect.organizations.rows import MemberRow, OrganizationRow


def refresh(tokens: dict[str, Any], **more: Any) -> Answer:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"], **more})


def test_refreshing_gives_the_next_pair(aws: None, time: Clock) -> None:
    person = registered()
    time.move(minutes=20)
    assert person.client.get("/v1/users/me").json["code"] == "token_expired"
    answer = refresh(person.tokens)
    assert answer.status == 200, answer.text
    assert answer.json["refreshToken"] != person.tokens["refreshToken"]
    assert bearer(answer.json).get("/v1/users/me").json["id"] == person.user["id"]


def test_two_tabs_get_the_same_successor(aws: None, time: Clock) -> None:
    person = registered()
    first = refresh(person.tokens)
    time.move(seconds=9)
    second = refresh(person.tokens)
    assert (first.status, second.status) == (200, 200)
    assert first.json["refreshToken"] == second.json["refreshToken"]
    assert refresh(first.json).status == 200


def test_reuse_ends_the_family(aws: None, time: Clock) -> None:
    person = registered()
    stolen, kept = person.tokens, refresh(person.tokens).json
    time.move(seconds=11)
    reused = refresh(stolen)
    assert (reused.status, reused.json["code"]) == (401, "refresh_token_reused")
    ended = refresh(kept)
    assert (ended.status, ended.json["code"]) == (401, "session_ended")


def test_a_generation_before_the_last_is_reuse_even_at_once(aws: None, time: Clock) -> None:
    person = registered()
    newest = refresh(refresh(person.tokens).json).json
    assert refresh(person.tokens).json["code"] == "refresh_token_reused"
    assert refresh(newest).status == 401


def test_the_slower_of_two_tabs_gets_the_faster_ones_successor(
    aws: None, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = registered()
    real, answers = table.touch, []

    def late(row: Any, **options: Any) -> bool:
        if not answers:
            answers.append(None)
            answers.append(refresh(person.tokens).json)
        return real(row, **options)

    monkeypatch.setattr(table, "touch", late)
    assert refresh(person.tokens).json["refreshToken"] == answers[1]["refreshToken"]


def test_a_session_ends_after_thirty_idle_days(aws: None, time: Clock) -> None:
    person = registered()
    time.move(days=30, seconds=1)
    assert refresh(person.tokens).json["code"] == "session_ended"


def test_a_session_ends_after_ninety_days_however_busy(aws: None, time: Clock) -> None:
    person = registered()
    tokens = person.tokens
    for _ in range(3):
        time.move(days=29)
        tokens = refresh(tokens).json
    time.move(days=2)
    tokens = refresh(tokens).json
    time.move(days=1, seconds=1)
    assert refresh(tokens).json["code"] == "session_ended"


def test_an_organization_may_bound_the_age_of_a_session(aws: None, time: Clock) -> None:
    person = registered()
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    table.change(row, {"custom_settings": {"security": {"session_timeout": 60}}}, {})
    time.move(minutes=59)
    tokens = refresh(person.tokens).json
    time.move(minutes=2)
    assert refresh(tokens).json["code"] == "session_expired"


def test_logging_out_ends_one_session(aws: None) -> None:
    person = registered("ada@example.com")
    other = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json
    answer = person.client.post("/v1/auth/logout")
    assert (answer.status, answer.text) == (204, "")
    assert refresh(person.tokens).json["code"] == "session_ended"
    assert refresh(other).status == 200
    assert person.client.post("/v1/auth/logout", {}).status == 204


def test_logging_out_everywhere_ends_all(aws: None) -> None:
    person, stranger = registered("ada@example.com"), registered()
    other = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json
    assert person.client.post("/v1/auth/logout", {"everywhere": True}).status == 204
    assert [refresh(tokens).status for tokens in (person.tokens, other, stranger.tokens)] == [401, 401, 200]


@pytest.mark.parametrize("row_class", ["user", "member", "organization"])
def test_who_was_deactivated_cannot_refresh_or_sign_in_there(aws: None, row_class: str) -> None:
    person = registered("ada@example.com")
    row = _row(person, row_class)
    table.change(row, {"is_active": False}, {})
    expected = 401 if row_class == "user" else 403
    assert refresh(person.tokens).status == expected
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    there = credentials | {"organizationId": person.organization["id"]}
    assert Client().post("/v1/auth/login", there).status == expected
    anywhere = Client().post("/v1/auth/login", credentials)
    if row_class == "user":
        assert anywhere.json["code"] == "account_inactive"
    else:  # who is left without an organization gets a personal one again
        found = bearer(anywhere.json).get("/v1/organizations").json["items"]
        assert person.organization["id"] not in [item["id"] for item in found if item["isActive"]]


def test_a_pending_member_has_no_rights(aws: None) -> None:
    person = registered()
    table.change(_row(person, "member"), {"joined_at": None, "invited_at": clock.iso(clock.now())}, {})
    assert refresh(person.tokens).json["code"] == "not_a_member"


def test_a_refresh_for_a_strangers_organization_is_refused_and_costs_nothing(aws: None) -> None:
    person, stranger = registered(), registered()
    answer = refresh(person.tokens, organizationId=stranger.organization["id"])
    assert (answer.status, answer.json["code"]) == (403, "not_a_member")
    assert refresh(person.tokens).status == 200


def test_nothing_of_a_token_is_stored(aws: None) -> None:
    person = registered()
    rows = list(
        SessionRow.query(UserRow.at(person.user["id"])[0], SessionRow.sk.startswith(SessionRow.PREFIX))
    )
    stored = repr([row.to_simple_dict() for row in rows])
    assert len(rows) == 1
    assert person.tokens["refreshToken"].split(".")[0] not in stored and "eyJ" not in stored


def _row(person: Registered, name: str) -> Any:
    user, organization = person.user["id"], person.organization["id"]
    if name == "user":
        return UserRow.get(*UserRow.at(user))
    if name == "member":
        return MemberRow.get(*MemberRow.at(organization, user))
    return OrganizationRow.get(*OrganizationRow.at(organization))
