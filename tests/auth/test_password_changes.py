"""Forgotten and changed passwords: one response for all, tokens that work once, and sessions that end."""

from typing import Any

import pytest
from botocore.client import BaseClient

from tests.auth import sent_mails
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from weconnect.auth.sessions import sessions
from weconnect.identity.rows import SessionRow, UserRow
from weconnect.identity.sessions import open_sessions

NEW = "Another-Horse-8-Battery"


def login(email: str, password: str) -> ApiResponse:
    return Client().post("/v1/auth/login", {"email": email, "password": password})


def request_reset(email: str) -> ApiResponse:
    return Client().post("/v1/auth/forgot-password", {"email": email})


def reset(token: str, password: str = NEW) -> ApiResponse:
    return Client().post("/v1/auth/reset-password", {"token": token, "password": password})


def refresh(tokens: dict[str, str]) -> ApiResponse:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})


def test_a_reset_sets_a_new_password_and_ends_all_sessions(aws: None, time: MovableClock) -> None:
    person = register("ada@example.com")
    other = login("ada@example.com", PASSWORD).json
    time.advance(minutes=1)
    assert (request_reset(" ADA@example.com ").status, request_reset("ada@example.com").text) == (204, "")
    response = reset(sent_mails.last_token())
    assert (response.status, response.text) == (204, ""), response.text
    assert [refresh(tokens).json["code"] for tokens in (person.tokens, other)] == ["session_ended"] * 2
    assert (login("ada@example.com", PASSWORD).status, login("ada@example.com", NEW).status) == (401, 200)
    me = client_with_tokens(login("ada@example.com", NEW).json).get("/v1/users/me").json
    assert me["passwordChangedAt"] > person.user["passwordChangedAt"]
    assert "was changed" in sent_mails.texts()[-1]


def test_a_token_works_once_and_invalidates_older_ones(aws: None, time: MovableClock) -> None:
    register("ada@example.com")
    time.advance(minutes=1)
    request_reset("ada@example.com")
    first = sent_mails.last_token()
    time.advance(minutes=1)
    request_reset("ada@example.com")
    second = sent_mails.last_token()
    assert reset(second).status == 204
    time.advance(minutes=1)
    for token in (first, second):
        again = reset(token, "Third-Horse-9-Battery")
        assert (again.status, again.json["code"]) == (400, "invalid_token")
    assert login("ada@example.com", NEW).status == 200


def test_a_token_expires_after_an_hour(aws: None, time: MovableClock) -> None:
    register("ada@example.com")
    request_reset("ada@example.com")
    time.advance(hours=1)
    assert reset(sent_mails.last_token()).json["code"] == "invalid_token"


def test_a_token_works_only_for_its_own_purpose(aws: None) -> None:
    register("ada@example.com")
    verifying = sent_mails.last_token()
    assert reset(verifying).json["code"] == "invalid_token"
    request_reset("ada@example.com")
    resetting = sent_mails.last_token()
    response = Client().post("/v1/auth/verify-email", {"token": resetting})
    assert (response.status, response.json["code"]) == (400, "invalid_token")
    assert reset(resetting).status == 204


def test_a_weak_new_password_does_not_use_up_the_token(aws: None) -> None:
    register("ada@example.com")
    request_reset("ada@example.com")
    refused = reset(sent_mails.last_token(), "Password123")
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/password")
    assert reset(sent_mails.last_token()).status == 204


def test_an_address_without_an_account_gets_the_same_response_after_the_same_work(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("ada@example.com")
    calls: list[str] = []
    real = BaseClient._make_api_call

    def counted(self: BaseClient, operation: str, parameters: dict[str, object]) -> object:
        calls.append(operation)
        return real(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    for path in ("forgot-password", "resend-verification"):
        work = []
        for email in ("ada@example.com", "nobody@example.com"):
            calls.clear()
            response = Client().post(f"/v1/auth/{path}", {"email": email})
            work.append((response.status, response.text, list(calls)))
        assert work[0] == work[1]
        assert "SendEmail" in work[0][2]
        assert "it has no account" in sent_mails.texts_to("nobody@example.com")[-1]
        assert "Your token" not in sent_mails.texts_to("nobody@example.com")[-1]


def test_mails_to_an_address_and_from_a_network_are_limited(aws: None) -> None:
    register("ada@example.com")
    assert len(sent_mails.texts_to("ada@example.com")) == 1
    for _ in range(7):
        assert request_reset("ada@example.com").status == 204
    assert len(sent_mails.texts_to("ada@example.com")) == 6, "with that of the registration"
    for number in range(13):
        assert request_reset(f"{number}@example.com").status == 204
    refused = request_reset("last@example.com")
    assert (refused.status, refused.json["code"]) == (429, "too_many_attempts")
    assert int(refused.headers["Retry-After"]) > 0


def request_resets(email: str, *ips: str) -> int:
    """Request seven resets for an address at each of these IP addresses; return how many mails they caused."""
    before = len(sent_mails.texts_to(email))
    for ip in ips:
        for _ in range(7):
            assert Client(ip=ip).post("/v1/auth/forgot-password", {"email": email}).status == 204
    return len(sent_mails.texts_to(email)) - before


def test_a_strangers_mails_shut_nobody_out(aws: None, time: MovableClock) -> None:
    ada, stranger, cafe = "ada@example.com", "198.51.100.1", "192.0.2.77"
    register(ada)  # at a network that is known to the account from then on
    assert request_resets(ada, stranger) == 5
    assert request_resets(ada, cafe) == 5, "at another network that is not known either"
    assert request_resets(ada, "198.51.100.2", "198.51.100.3") == 0, "many networks have one more limit"
    assert request_resets(ada, Client().ip) == 5, "the network is known"
    time.advance(hours=1)
    assert request_resets(ada, stranger) == 5


def test_only_resets_use_up_resets(aws: None) -> None:
    ada, strangers = "ada@example.com", ("198.51.100.1", "198.51.100.2", "198.51.100.3")
    register(ada)
    for ip in strangers:
        for _ in range(6):
            assert Client(ip=ip).post("/v1/auth/resend-verification", {"email": ada}).status == 204
    assert len(sent_mails.texts_to(ada)) == 1 + 10, "with the mail of the registration"
    assert request_resets(ada, strangers[0], "192.0.2.77") == 10


def test_a_reset_forgets_the_networks_of_whoever_knew_the_password(aws: None, time: MovableClock) -> None:
    ada, home = "ada@example.com", Client(ip="192.0.2.77")
    register(ada)  # by a stranger
    strangers = [f"198.51.100.{number}" for number in range(3)]
    for ip in strangers:
        assert Client(ip=ip).post("/v1/auth/login", {"email": ada, "password": PASSWORD}).status == 200
    assert home.post("/v1/auth/forgot-password", {"email": ada}).status == 204
    body = {"token": sent_mails.last_token(), "password": NEW}
    assert home.post("/v1/auth/reset-password", body).status == 204
    time.advance(hours=1)
    assert request_resets(ada, *strangers) == 10
    assert request_resets(ada, home.ip) == 5, (
        "the network of the reset is known, those of the stranger are not"
    )


def test_known_networks_have_a_limit_together(aws: None) -> None:
    ada = "ada@example.com"
    register(ada)
    ips = [f"192.0.2.{number}" for number in range(4)]
    for ip in ips:
        assert Client(ip=ip).post("/v1/auth/login", {"email": ada, "password": PASSWORD}).status == 200
    assert request_resets(ada, *ips) == 10


def test_mails_of_tenants_shut_nobody_out(aws: None) -> None:
    ada, owners = "ada@example.com", [register(verified=True) for _ in range(6)]
    register(ada)
    invited = [
        owner.client.post(f"/v1/organizations/{owner.organization['id']}/invitations", {"email": ada}).status
        for owner in owners
    ]
    assert invited == [201] * 6
    assert request_resets(ada, "192.0.2.77") == 5


def test_changing_a_password_ends_the_other_sessions(aws: None) -> None:
    person = register("ada@example.com")
    other = login("ada@example.com", PASSWORD).json
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    response = person.client.post("/v1/auth/change-password", body)
    assert (response.status, response.text) == (204, ""), response.text
    assert (refresh(other).status, refresh(person.tokens).status) == (401, 200)
    assert (login("ada@example.com", PASSWORD).status, login("ada@example.com", NEW).status) == (401, 200)


def test_a_change_requires_the_current_password_and_throttles_guesses(aws: None) -> None:
    person = register("ada@example.com")
    for _ in range(5):
        wrong = person.client.post(
            "/v1/auth/change-password", {"currentPassword": "wrong", "newPassword": NEW}
        )
        assert (wrong.status, wrong.json["code"]) == (422, "wrong_password")
        assert wrong.json["errors"][0]["pointer"] == "/currentPassword"
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert person.client.post("/v1/auth/change-password", body).json["code"] == "too_many_attempts"
    assert UserRow.get(*UserRow.at(person.user["id"])).version == 1


def test_a_weak_new_password_is_refused_with_its_pointer(aws: None) -> None:
    person = register("ada@example.com")
    body = {"currentPassword": PASSWORD, "newPassword": "Password123"}
    response = person.client.post("/v1/auth/change-password", body)
    assert (response.status, response.json["errors"][0]["pointer"]) == (422, "/newPassword")


def test_a_sign_in_that_races_with_a_reset_gets_no_session(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old password is checked before the reset, and the session is stored after all others were ended."""
    person = register("ada@example.com")
    request_reset("ada@example.com")
    real = sessions.build_session_row

    def reset_first(*arguments: Any, **options: Any) -> SessionRow:
        monkeypatch.setattr(sessions, "build_session_row", real)
        assert reset(sent_mails.last_token()).status == 204
        return real(*arguments, **options)

    monkeypatch.setattr(sessions, "build_session_row", reset_first)
    assert login("ada@example.com", PASSWORD).json["code"] == "wrong_credentials"
    assert open_sessions(person.user["id"]) == []


def test_the_verification_mail_can_be_sent_again(aws: None) -> None:
    register("ada@example.com")
    first = sent_mails.last_token()
    assert Client().post("/v1/auth/resend-verification", {"email": "ada@example.com"}).status == 204
    assert sent_mails.last_token() != first
    assert Client().post("/v1/auth/verify-email", {"token": sent_mails.last_token()}).json["emailVerified"]
    assert Client().post("/v1/auth/resend-verification", {"email": "ada@example.com"}).status == 204
    assert "confirmed already" in sent_mails.texts()[-1]
