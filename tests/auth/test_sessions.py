"""Sessions: refreshing, reuse of tokens, two browser tabs, and the end of a session."""

from typing import Any

import pytest

from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from weconnect.db import table
from weconnect.identity.rows import SessionRow, UserRow
from weconnect.organizations.rows import MemberRow, OrganizationRow


def refresh(tokens: dict[str, Any], **more: Any) -> ApiResponse:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"], **more})


def test_a_refresh_returns_the_next_pair_of_tokens(aws: None, time: MovableClock) -> None:
    person = register()
    time.advance(minutes=20)
    assert person.client.get("/v1/users/me").json["code"] == "token_expired"
    response = refresh(person.tokens)
    assert response.status == 200, response.text
    assert response.json["refreshToken"] != person.tokens["refreshToken"]
    assert client_with_tokens(response.json).get("/v1/users/me").json["id"] == person.user["id"]


def test_two_browser_tabs_get_the_same_successor(aws: None, time: MovableClock) -> None:
    person = register()
    first = refresh(person.tokens)
    time.advance(seconds=9)
    second = refresh(person.tokens)
    assert (first.status, second.status) == (200, 200)
    assert first.json["refreshToken"] == second.json["refreshToken"]
    assert refresh(first.json).status == 200


def test_reusing_a_refresh_token_ends_the_session(aws: None, time: MovableClock) -> None:
    person = register()
    stolen, successor = person.tokens, refresh(person.tokens).json
    time.advance(seconds=11)
    reused = refresh(stolen)
    assert (reused.status, reused.json["code"]) == (401, "refresh_token_reused")
    ended = refresh(successor)
    assert (ended.status, ended.json["code"]) == (401, "session_ended")


def test_a_token_two_generations_old_is_refused_even_at_once(aws: None, time: MovableClock) -> None:
    person = register()
    newest = refresh(refresh(person.tokens).json).json
    assert refresh(person.tokens).json["code"] == "refresh_token_reused"
    assert refresh(newest).status == 401


def test_the_slower_of_two_tabs_gets_the_successor_of_the_faster_one(
    aws: None, time: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = register()
    real_touch = table.touch
    faster: list[dict[str, Any]] = []

    def refresh_first(row: Any, **options: Any) -> bool:
        monkeypatch.setattr(table, "touch", real_touch)
        faster.append(refresh(person.tokens).json)
        return real_touch(row, **options)

    monkeypatch.setattr(table, "touch", refresh_first)
    assert refresh(person.tokens).json["refreshToken"] == faster[0]["refreshToken"]


def test_a_session_ends_after_thirty_idle_days(aws: None, time: MovableClock) -> None:
    person = register()
    time.advance(days=30, seconds=1)
    assert refresh(person.tokens).json["code"] == "session_ended"


def test_a_session_ends_after_ninety_days_however_busy(aws: None, time: MovableClock) -> None:
    person = register()
    tokens = person.tokens
    for _ in range(3):
        time.advance(days=29)
        tokens = refresh(tokens).json
    time.advance(days=2)
    tokens = refresh(tokens).json
    time.advance(days=1, seconds=1)
    assert refresh(tokens).json["code"] == "session_ended"


def test_an_organization_can_limit_the_age_of_a_session(aws: None, time: MovableClock) -> None:
    person = register()
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    table.change(row, {"custom_settings": {"security": {"session_timeout": 60}}}, {})
    time.advance(minutes=59)
    tokens = refresh(person.tokens).json
    time.advance(minutes=2)
    assert refresh(tokens).json["code"] == "session_expired"


def test_logging_out_ends_one_session(aws: None) -> None:
    person = register("ada@example.com")
    other = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json
    response = person.client.post("/v1/auth/logout")
    assert (response.status, response.text) == (204, "")
    assert refresh(person.tokens).json["code"] == "session_ended"
    assert refresh(other).status == 200
    assert person.client.post("/v1/auth/logout", {}).json["code"] == "session_ended"


def test_logging_out_everywhere_ends_all(aws: None) -> None:
    person, stranger = register("ada@example.com"), register()
    other = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json
    assert person.client.post("/v1/auth/logout", {"everywhere": True}).status == 204
    assert [refresh(tokens).status for tokens in (person.tokens, other, stranger.tokens)] == [401, 401, 200]


@pytest.mark.parametrize("row_class", ["user", "member", "organization"])
def test_an_inactive_user_member_or_organization_allows_no_refresh_and_no_sign_in(
    aws: None, row_class: str
) -> None:
    person = register("ada@example.com")
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
    else:  # a user who is left without an organization gets a new personal one
        organizations = client_with_tokens(anywhere.json).get("/v1/organizations").json["items"]
        assert person.organization["id"] not in [item["id"] for item in organizations if item["isActive"]]


def test_a_refused_refresh_for_another_organization_does_not_use_up_the_token(aws: None) -> None:
    person, stranger = register(), register()
    response = refresh(person.tokens, organizationId=stranger.organization["id"])
    assert (response.status, response.json["code"]) == (403, "not_a_member")
    assert refresh(person.tokens).status == 200


def test_no_part_of_a_token_is_stored(aws: None) -> None:
    person = register()
    rows = list(
        SessionRow.query(UserRow.at(person.user["id"])[0], SessionRow.sk.startswith(SessionRow.PREFIX))
    )
    stored = repr([row.to_simple_dict() for row in rows])
    assert len(rows) == 1
    assert person.tokens["refreshToken"].split(".")[0] not in stored and "eyJ" not in stored


def _row(person: RegisteredUser, name: str) -> Any:
    user, organization = person.user["id"], person.organization["id"]
    if name == "user":
        return UserRow.get(*UserRow.at(user))
    if name == "member":
        return MemberRow.get(*MemberRow.at(organization, user))
    return OrganizationRow.get(*OrganizationRow.at(organization))
