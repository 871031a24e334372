"""Forgotten and changed passwords: one answer for all, one use of a token, and who is signed out."""

import pytest
from botocore.client import BaseClient

from tests.auth import mailbox
from tests.auth.clocks import Clock
from tests.factories import PASSWORD, bearer, registered
from tests.gateway import Answer, Client
from weconnect.auth.rows import UserRow

NEW = "Another-Horse-8-Battery"


def login(email: str, password: str) -> Answer:
    return Client().post("/v1/auth/login", {"email": email, "password": password})


def forgot(email: str) -> Answer:
    return Client().post("/v1/auth/forgot-password", {"email": email})


def reset(token: str, password: str = NEW) -> Answer:
    return Client().post("/v1/auth/reset-password", {"token": token, "password": password})


def refresh(tokens: dict[str, str]) -> Answer:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})


def test_a_forgotten_password_is_set_anew_and_all_sessions_end(aws: None, time: Clock) -> None:
    person = registered("ada@example.com")
    other = login("ada@example.com", PASSWORD).json
    time.move(minutes=1)
    assert (forgot(" ADA@example.com ").status, forgot("ada@example.com").text) == (204, "")
    answer = reset(mailbox.last_token())
    assert (answer.status, answer.text) == (204, ""), answer.text
    assert [refresh(tokens).json["code"] for tokens in (person.tokens, other)] == ["session_ended"] * 2
    assert (login("ada@example.com", PASSWORD).status, login("ada@example.com", NEW).status) == (401, 200)
    me = bearer(login("ada@example.com", NEW).json).get("/v1/users/me").json
    assert me["passwordChangedAt"] > person.user["passwordChangedAt"]
    assert "was changed" in mailbox.texts()[-1]


def test_a_token_is_used_once_and_its_older_sisters_end_with_it(aws: None, time: Clock) -> None:
    registered("ada@example.com")
    time.move(minutes=1)
    forgot("ada@example.com")
    first = mailbox.last_token()
    time.move(minutes=1)
    forgot("ada@example.com")
    second = mailbox.last_token()
    assert reset(second).status == 204
    time.move(minutes=1)
    for token in (first, second):
        again = reset(token, "Third-Horse-9-Battery")
        assert (again.status, again.json["code"]) == (400, "invalid_token")
    assert login("ada@example.com", NEW).status == 200


def test_a_token_ends_after_an_hour(aws: None, time: Clock) -> None:
    registered("ada@example.com")
    forgot("ada@example.com")
    time.move(hours=1)
    assert reset(mailbox.last_token()).json["code"] == "invalid_token"


def test_a_token_serves_its_own_purpose_only(aws: None) -> None:
    registered("ada@example.com")
    verifying = mailbox.last_token()
    assert reset(verifying).json["code"] == "invalid_token"
    forgot("ada@example.com")
    resetting = mailbox.last_token()
    answer = Client().post("/v1/auth/verify-email", {"token": resetting})
    assert (answer.status, answer.json["code"]) == (400, "invalid_token")
    assert reset(resetting).status == 204


def test_a_weak_new_password_leaves_the_token(aws: None) -> None:
    registered("ada@example.com")
    forgot("ada@example.com")
    refused = reset(mailbox.last_token(), "Password123")
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/password")
    assert reset(mailbox.last_token()).status == 204


def test_who_has_no_account_gets_the_same_answer_after_the_same_work(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered("ada@example.com")
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
            answer = Client().post(f"/v1/auth/{path}", {"email": email})
            work.append((answer.status, answer.text, list(calls)))
        assert work[0] == work[1]
        assert "SendEmail" in work[0][2]
        assert "There is no account" in mailbox.to("nobody@example.com")[-1]
        assert "Your token" not in mailbox.to("nobody@example.com")[-1]


def test_mails_to_an_address_and_from_a_network_are_limited(aws: None) -> None:
    registered("ada@example.com")
    before = len(mailbox.to("ada@example.com"))
    for _ in range(7):
        assert forgot("ada@example.com").status == 204
    assert len(mailbox.to("ada@example.com")) == before + 5
    for number in range(13):
        assert forgot(f"{number}@example.com").status == 204
    refused = forgot("last@example.com")
    assert (refused.status, refused.json["code"]) == (429, "too_many_attempts")
    assert int(refused.headers["Retry-After"]) > 0


def test_changing_a_password_ends_the_other_sessions(aws: None) -> None:
    person = registered("ada@example.com")
    other = login("ada@example.com", PASSWORD).json
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    answer = person.client.post("/v1/auth/change-password", body)
    assert (answer.status, answer.text) == (204, ""), answer.text
    assert (refresh(other).status, refresh(person.tokens).status) == (401, 200)
    assert (login("ada@example.com", PASSWORD).status, login("ada@example.com", NEW).status) == (401, 200)


def test_the_old_password_is_needed_and_guessing_it_is_throttled(aws: None) -> None:
    person = registered("ada@example.com")
    for _ in range(5):
        wrong = person.client.post(
            "/v1/auth/change-password", {"currentPassword": "wrong", "newPassword": NEW}
        )
        assert (wrong.status, wrong.json["code"]) == (422, "wrong_password")
        assert wrong.json["errors"][0]["pointer"] == "/currentPassword"
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert person.client.post("/v1/auth/change-password", body).json["code"] == "too_many_attempts"
    assert UserRow.get(*UserRow.at(person.user["id"])).version == 1


def test_a_weak_new_password_is_named(aws: None) -> None:
    person = registered("ada@example.com")
    body = {"currentPassword": PASSWORD, "newPassword": "Password123"}
    answer = person.client.post("/v1/auth/change-password", body)
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/newPassword")


def test_a_sign_in_that_raced_with_a_reset_gets_no_session(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old password was looked at before the reset, and the session stored after all were ended."""
    from weconnect.auth.rows import SessionRow
    from weconnect.auth.sessions import sessions

    person = registered("ada@example.com")
    forgot("ada@example.com")
    real = sessions.new_row

    def late(*arguments: object, **options: object) -> SessionRow:
        monkeypatch.setattr(sessions, "new_row", real)
        assert reset(mailbox.last_token()).status == 204
        return real(*arguments, **options)

    monkeypatch.setattr(sessions, "new_row", late)
    assert login("ada@example.com", PASSWORD).json["code"] == "wrong_credentials"
    assert sessions.of_user(person.user["id"]) == []


def test_sending_the_verification_again(aws: None) -> None:
    registered("ada@example.com")
    first = mailbox.last_token()
    assert Client().post("/v1/auth/resend-verification", {"email": "ada@example.com"}).status == 204
    assert mailbox.last_token() != first
    assert Client().post("/v1/auth/verify-email", {"token": mailbox.last_token()}).json["emailVerified"]
    assert Client().post("/v1/auth/resend-verification", {"email": "ada@example.com"}).status == 204
    assert "confirmed already" in mailbox.texts()[-1]
