"""The second factor: enrolling, signing in, replays, recovery codes, and organizations that enforce it."""

import re
from typing import Any

import pyotp
import pytest

from tests.auth import sent_mails
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, add_member, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from weconnect import clock
from weconnect.auth.rows import MfaRow
from weconnect.auth.sessions import tokens
from weconnect.db import table
from weconnect.organizations.rows import OrganizationRow

EMAIL = "ada@example.com"


def current_code(secret: str) -> str:
    """Return the code that an authenticator app shows now."""
    return pyotp.TOTP(secret).at(clock.now())


def login(code: str | None = None, ip: str = "203.0.113.7", **more: Any) -> ApiResponse:
    body = {"email": EMAIL, "password": PASSWORD, **more} | ({"mfaCode": code} if code else {})
    return Client(ip=ip).post("/v1/auth/login", body)


def confirmation(secret: str) -> dict[str, str]:
    """Return the body that confirms an enrollment."""
    return {"code": current_code(secret), "password": PASSWORD}


def enroll(person: RegisteredUser, time: MovableClock) -> dict[str, Any]:
    """Turn the second factor on, and advance the clock to the next code."""
    response = person.client.post("/v1/auth/mfa/enroll")
    assert response.status == 200, response.text
    confirmed = person.client.post("/v1/auth/mfa/confirm", confirmation(response.json["secret"]))
    assert confirmed.status == 204, confirmed.text
    time.advance(seconds=30)
    return response.json  # type: ignore[no-any-return]


def refresh_client(person: RegisteredUser) -> Client:
    person.tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    return client_with_tokens(person.tokens)


def has_mfa(token_pair: dict[str, Any]) -> bool:
    return tokens.verify_access_token(token_pair["accessToken"]).has_second_factor


def test_enrolling_shows_secret_and_codes_and_confirming_turns_the_second_factor_on(
    aws: None, time: MovableClock
) -> None:
    person = register(EMAIL, verified=True)
    assert person.user["mfaEnabled"] is False
    assert not has_mfa(login().json)
    enrollment = enroll(person, time)
    assert enrollment["uri"].startswith(
        "otpauth://totp/WeConnect:ada%40example.com?secret=" + enrollment["secret"]
    )
    assert len(set(enrollment["recoveryCodes"])) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in enrollment["recoveryCodes"])
    assert person.client.get("/v1/users/me").json["mfaEnabled"] is True
    assert "turned on" in sent_mails.texts()[-1]
    assert has_mfa(Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json)


def test_signing_in_requires_the_code(aws: None, time: MovableClock) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    missing = login()
    assert (missing.status, missing.json["code"]) == (401, "mfa_required")
    wrong = login("000000" if current_code(enrollment["secret"]) != "000000" else "000001")
    assert (wrong.status, wrong.json["code"]) == (401, "invalid_mfa_code")
    right = login(current_code(enrollment["secret"]))
    assert right.status == 200 and has_mfa(right.json), right.text


def test_a_wrong_password_does_not_use_up_the_code(aws: None, time: MovableClock) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    response = login(current_code(enrollment["secret"]), password="wrong")
    assert response.json["code"] == "wrong_credentials"
    assert login(current_code(enrollment["secret"])).status == 200


def test_a_code_works_once_and_no_older_code_works_after_it(aws: None, time: MovableClock) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    older = current_code(enrollment["secret"])
    time.advance(seconds=30)
    newer = current_code(enrollment["secret"])
    assert login(newer).status == 200
    for code in (newer, older):
        assert login(code).json["code"] == "invalid_mfa_code"
    time.advance(seconds=30)
    assert login(current_code(enrollment["secret"])).status == 200


def test_an_open_browser_turns_no_second_factor_on(aws: None, time: MovableClock) -> None:
    person = register(EMAIL, verified=True)
    code = current_code(person.client.post("/v1/auth/mfa/enroll").json["secret"])
    refused = person.client.post("/v1/auth/mfa/confirm", {"code": code})
    assert (refused.status, refused.json["code"]) == (403, "confirmation_required")
    wrong = person.client.post("/v1/auth/mfa/confirm", {"code": code, "password": "not the password"})
    assert (wrong.status, wrong.json["code"]) == (422, "wrong_password")
    assert login().status == 200
    confirmed = person.client.post("/v1/auth/mfa/confirm", {"code": code, "password": PASSWORD})
    assert confirmed.status == 204


def test_the_code_that_confirmed_the_enrollment_does_not_sign_in(aws: None, time: MovableClock) -> None:
    person = register(EMAIL, verified=True)
    secret = person.client.post("/v1/auth/mfa/enroll").json["secret"]
    assert person.client.post("/v1/auth/mfa/confirm", confirmation(secret)).status == 204
    assert login(current_code(secret)).json["code"] == "invalid_mfa_code"


@pytest.mark.parametrize(("seconds", "status"), [(-61, 401), (-30, 200), (30, 200), (61, 401)])
def test_the_clock_of_a_device_may_be_wrong_by_one_step(
    aws: None, time: MovableClock, seconds: int, status: int
) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    time.advance(minutes=5)
    time.advance(seconds=30 - time.time.timestamp() % 30)
    code = pyotp.TOTP(enrollment["secret"]).at(int(time.time.timestamp()) + seconds)
    assert login(code).status == status


def test_a_recovery_code_works_once(aws: None, time: MovableClock) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    first, second = enrollment["recoveryCodes"][:2]
    assert has_mfa(login(first).json)
    assert login(first).json["code"] == "invalid_mfa_code"
    assert login(second.upper().replace("-", " ")).status == 200


def test_wrong_codes_are_throttled_like_wrong_passwords(aws: None, time: MovableClock) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    for _ in range(5):
        assert login("aaaa-bbbb-cccc-dddd").status == 401
    assert login(current_code(enrollment["secret"])).json["code"] == "too_many_attempts"
    assert login(enrollment["recoveryCodes"][0], ip="203.0.113.8").status == 200


def test_a_sign_in_without_a_code_does_not_clear_the_failures(aws: None, time: MovableClock) -> None:
    enrollment = enroll(register(EMAIL, verified=True), time)
    for _ in range(5):
        assert login("aaaa-bbbb-cccc-dddd").status == 401
        login()
    assert login(current_code(enrollment["secret"])).status == 429


@pytest.mark.parametrize("code", ["12345", "1234567", "１２３４５６", "aaaaaa", "", " " * 6, "\u0661" * 6])
def test_a_malformed_code_is_refused(aws: None, time: MovableClock, code: str) -> None:
    enroll(register(EMAIL, verified=True), time)
    response = login(code)
    assert response.status in (401, 422), response.text


def test_turning_the_second_factor_off_requires_password_and_code(aws: None, time: MovableClock) -> None:
    person = register(EMAIL, verified=True)
    enrollment = enroll(person, time)

    def disable(password: str, code: str) -> ApiResponse:
        return person.client.post("/v1/auth/mfa/disable", {"password": password, "code": code})

    assert disable("wrong", current_code(enrollment["secret"])).json["code"] == "wrong_password"
    assert disable(PASSWORD, "000 000").json["code"] == "invalid_mfa_code"
    assert disable(PASSWORD, current_code(enrollment["secret"])).status == 204
    assert "turned off" in sent_mails.texts()[-1]
    assert login().status == 200
    assert disable(PASSWORD, enrollment["recoveryCodes"][0]).json["code"] == "mfa_not_enabled"
    assert not has_mfa(
        Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    )


def test_a_new_enrollment_replaces_only_an_unconfirmed_one(aws: None, time: MovableClock) -> None:
    person = register(EMAIL, verified=True)
    first = person.client.post("/v1/auth/mfa/enroll").json["secret"]
    second = person.client.post("/v1/auth/mfa/enroll").json["secret"]
    assert login().status == 200, "an unconfirmed second factor is not required"
    wrong = person.client.post("/v1/auth/mfa/confirm", confirmation(first))
    assert (wrong.status, wrong.json["code"]) == (422, "invalid_mfa_code")
    assert person.client.post("/v1/auth/mfa/confirm", confirmation(second)).status == 204
    again = person.client.post("/v1/auth/mfa/enroll")
    assert (again.status, again.json["code"]) == (409, "mfa_enabled")
    confirmed = person.client.post("/v1/auth/mfa/confirm", confirmation(second))
    assert (confirmed.status, confirmed.json["code"]) == (409, "mfa_not_enrolling")


def test_an_ended_session_cannot_enroll(aws: None) -> None:
    person = register(EMAIL, verified=True)
    assert person.client.post("/v1/auth/logout").status == 204
    response = person.client.post("/v1/auth/mfa/enroll")
    assert (response.status, response.json["code"]) == (401, "session_ended")


def test_secret_and_codes_are_neither_stored_in_plain_text_nor_replayed(aws: None) -> None:
    person = register(EMAIL, verified=True)
    header = {"Idempotency-Key": "one"}
    first = person.client.post("/v1/auth/mfa/enroll", headers=header)
    again = person.client.post("/v1/auth/mfa/enroll", headers=header)
    assert again.json["secret"] != first.json["secret"], "/v1/auth ignores the Idempotency-Key"
    row = MfaRow.get(*MfaRow.at(person.user["id"]))
    stored = repr(row.serialize())
    assert again.json["secret"] not in stored
    for code in again.json["recoveryCodes"]:
        assert code not in stored and code.replace("-", "") not in stored
    assert row.secret.startswith("wc1.")


def test_a_secret_copied_to_another_user_cannot_be_decrypted(aws: None, time: MovableClock) -> None:
    person, eve = register(EMAIL, verified=True), register("eve@example.com", verified=True)
    enrollment = enroll(person, time)
    enroll(eve, time)
    sealed = MfaRow.get(*MfaRow.at(eve.user["id"])).secret
    MfaRow.get(*MfaRow.at(person.user["id"])).update([MfaRow.secret.set(sealed)])
    response = login(current_code(enrollment["secret"]))
    assert (response.status, response.json["code"]) == (500, "secret_unreadable")


# Organizations that enforce a second factor


def enforce_mfa(owner: RegisteredUser) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"custom_settings": {"security": {"enforce_mfa": True}}}, {})


def test_an_organization_that_enforces_a_second_factor_still_lets_its_members_enroll(
    aws: None, time: MovableClock
) -> None:
    person = register(EMAIL, verified=True)
    enforce_mfa(person)
    confined = refresh_client(person)
    refused = confined.get("/v1/agents")
    assert (refused.status, refused.json["code"]) == (403, "mfa_required_by_organization")
    assert confined.post("/v1/agents", {"name": "x"}).json["code"] == "mfa_required_by_organization"
    assert confined.get("/v1/users/me").status == 200
    person.client = confined
    enrollment = enroll(person, time)
    assert refresh_client(person).get("/v1/agents").status == 200
    without = login()
    assert without.json["code"] == "mfa_required"
    assert client_with_tokens(login(current_code(enrollment["secret"])).json).get("/v1/agents").status == 200


def test_signing_in_to_such_an_organization_by_name_requires_the_second_factor(aws: None) -> None:
    person = register(EMAIL, verified=True)
    enforce_mfa(person)
    by_name = login(organizationId=person.organization["id"])
    assert (by_name.status, by_name.json["code"]) == (403, "mfa_required_by_organization")
    assert client_with_tokens(login().json).get("/v1/agents").json["code"] == "mfa_required_by_organization"


def test_switching_or_refreshing_to_such_an_organization_requires_the_second_factor(
    aws: None, time: MovableClock
) -> None:
    owner, person = register(), register(EMAIL, verified=True)
    personal = person.organization["id"]
    add_member(person, owner, "member")
    assert person.client.post(f"/v1/organizations/{personal}/switch").status == 200
    person.tokens = login(organizationId=personal).json
    person.client = client_with_tokens(person.tokens)
    enforce_mfa(owner)
    switched = person.client.post(f"/v1/organizations/{owner.organization['id']}/switch")
    assert (switched.status, switched.json["code"]) == (403, "mfa_required_by_organization")
    body = {"refreshToken": person.tokens["refreshToken"], "organizationId": owner.organization["id"]}
    assert Client().post("/v1/auth/refresh", body).json["code"] == "mfa_required_by_organization"
    assert refresh_client(person).get("/v1/agents").status == 200
    enroll(person, time)
    assert person.client.post(f"/v1/organizations/{owner.organization['id']}/switch").status == 200


def test_an_api_key_of_a_user_without_a_second_factor_is_refused_there(aws: None, time: MovableClock) -> None:
    person = register(EMAIL, verified=True)
    key = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}).json["key"]
    key_client = Client(headers={"X-API-Key": key})
    assert key_client.get("/v1/agents").status == 200
    enforce_mfa(person)
    assert key_client.get("/v1/agents").json["code"] == "mfa_required_by_organization"
    enroll(person, time)
    assert key_client.get("/v1/agents").status == 200
