"""The second factor: enrolling, signing in, replays, recovery codes, and organizations that want one."""

import re
from typing import Any

import pyotp
import pytest

from tests.auth import mailbox
from tests.auth.clocks import Clock
from tests.factories import PASSWORD, Registered, bearer, join, registered
from tests.gateway import Answer, Client
from weconnect import clock
from weconnect.auth.rows import MfaRow
from weconnect.auth.sessions import tokens
from weconnect.db import table
from weconnect.organizations.rows import OrganizationRow

EMAIL = "ada@example.com"


def code_of(secret: str) -> str:
    """What the authenticator app shows now."""
    return pyotp.TOTP(secret).at(clock.now())


def login(code: str | None = None, ip: str = "203.0.113.7", **more: Any) -> Answer:
    body = {"email": EMAIL, "password": PASSWORD, **more} | ({"mfaCode": code} if code else {})
    return Client(ip=ip).post("/v1/auth/login", body)


def enrolled(person: Registered, time: Clock) -> dict[str, Any]:
    """Turn the second factor on, and wait until the next code."""
    answer = person.client.post("/v1/auth/mfa/enroll")
    assert answer.status == 200, answer.text
    confirmed = person.client.post("/v1/auth/mfa/confirm", {"code": code_of(answer.json["secret"])})
    assert confirmed.status == 204, confirmed.text
    time.move(seconds=30)
    return answer.json  # type: ignore[no-any-return]


def refreshed(person: Registered) -> Client:
    person.tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    return bearer(person.tokens)


def has_mfa(found: dict[str, Any]) -> bool:
    return tokens.read_access(found["accessToken"]).mfa


def test_enrolling_shows_secret_and_codes_and_confirming_turns_it_on(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    assert person.user["mfaEnabled"] is False
    assert not has_mfa(login().json)
    found = enrolled(person, time)
    assert found["uri"].startswith("otpauth://totp/WeConnect:ada%40example.com?secret=" + found["secret"])
    assert len(set(found["recoveryCodes"])) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in found["recoveryCodes"])
    assert person.client.get("/v1/users/me").json["mfaEnabled"] is True
    assert "turned on" in mailbox.texts()[-1]
    assert has_mfa(Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json)


def test_signing_in_takes_the_code(aws: None, time: Clock) -> None:
    found = enrolled(registered(EMAIL), time)
    missing = login()
    assert (missing.status, missing.json["code"]) == (401, "mfa_required")
    wrong = login("000000" if code_of(found["secret"]) != "000000" else "000001")
    assert (wrong.status, wrong.json["code"]) == (401, "invalid_mfa_code")
    right = login(code_of(found["secret"]))
    assert right.status == 200 and has_mfa(right.json), right.text


def test_the_password_comes_first(aws: None, time: Clock) -> None:
    found = enrolled(registered(EMAIL), time)
    answer = login(code_of(found["secret"]), password="wrong")
    assert answer.json["code"] == "wrong_credentials"
    assert login(code_of(found["secret"])).status == 200


def test_a_code_is_not_taken_twice_nor_an_older_one_after_it(aws: None, time: Clock) -> None:
    found = enrolled(registered(EMAIL), time)
    older = code_of(found["secret"])
    time.move(seconds=30)
    newer = code_of(found["secret"])
    assert login(newer).status == 200
    for code in (newer, older):
        assert login(code).json["code"] == "invalid_mfa_code"
    time.move(seconds=30)
    assert login(code_of(found["secret"])).status == 200


def test_the_code_that_confirmed_does_not_sign_in(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    secret = person.client.post("/v1/auth/mfa/enroll").json["secret"]
    assert person.client.post("/v1/auth/mfa/confirm", {"code": code_of(secret)}).status == 204
    assert login(code_of(secret)).json["code"] == "invalid_mfa_code"


@pytest.mark.parametrize(("seconds", "status"), [(-61, 401), (-30, 200), (30, 200), (61, 401)])
def test_a_clock_may_be_off_by_one_step(aws: None, time: Clock, seconds: int, status: int) -> None:
    found = enrolled(registered(EMAIL), time)
    time.move(minutes=5)
    time.move(seconds=30 - time.time.timestamp() % 30)
    code = pyotp.TOTP(found["secret"]).at(int(time.time.timestamp()) + seconds)
    assert login(code).status == status


def test_a_recovery_code_stands_for_a_code_once(aws: None, time: Clock) -> None:
    found = enrolled(registered(EMAIL), time)
    first, second = found["recoveryCodes"][:2]
    assert has_mfa(login(first).json)
    assert login(first).json["code"] == "invalid_mfa_code"
    assert login(second.upper().replace("-", " ")).status == 200


def test_wrong_codes_are_throttled_as_wrong_passwords(aws: None, time: Clock) -> None:
    found = enrolled(registered(EMAIL), time)
    for _ in range(5):
        assert login("aaaa-bbbb-cccc-dddd").status == 401
    assert login(code_of(found["secret"])).json["code"] == "too_many_attempts"
    assert login(found["recoveryCodes"][0], ip="203.0.113.8").status == 200


def test_leaving_the_code_out_clears_no_count(aws: None, time: Clock) -> None:
    found = enrolled(registered(EMAIL), time)
    for _ in range(5):
        assert login("aaaa-bbbb-cccc-dddd").status == 401
        login()
    assert login(code_of(found["secret"])).status == 429


@pytest.mark.parametrize("code", ["12345", "1234567", "１２３４５６", "aaaaaa", "", " " * 6, "\u0661" * 6])
def test_what_is_no_code_is_refused(aws: None, time: Clock, code: str) -> None:
    enrolled(registered(EMAIL), time)
    answer = login(code)
    assert answer.status in (401, 422), answer.text


def test_turning_it_off_takes_password_and_code(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    found = enrolled(person, time)

    def disable(password: str, code: str) -> Answer:
        return person.client.post("/v1/auth/mfa/disable", {"password": password, "code": code})

    assert disable("wrong", code_of(found["secret"])).json["code"] == "wrong_password"
    assert disable(PASSWORD, "000 000").json["code"] == "invalid_mfa_code"
    assert disable(PASSWORD, code_of(found["secret"])).status == 204
    assert "turned off" in mailbox.texts()[-1]
    assert login().status == 200
    assert disable(PASSWORD, found["recoveryCodes"][0]).json["code"] == "mfa_not_enabled"
    assert not has_mfa(
        Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    )


def test_enrolling_again_forgets_the_unconfirmed_try_only(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    first = person.client.post("/v1/auth/mfa/enroll").json["secret"]
    second = person.client.post("/v1/auth/mfa/enroll").json["secret"]
    assert login().status == 200, "what is not confirmed is not asked for"
    wrong = person.client.post("/v1/auth/mfa/confirm", {"code": code_of(first)})
    assert (wrong.status, wrong.json["code"]) == (422, "invalid_mfa_code")
    assert person.client.post("/v1/auth/mfa/confirm", {"code": code_of(second)}).status == 204
    again = person.client.post("/v1/auth/mfa/enroll")
    assert (again.status, again.json["code"]) == (409, "mfa_enabled")
    confirmed = person.client.post("/v1/auth/mfa/confirm", {"code": code_of(second)})
    assert (confirmed.status, confirmed.json["code"]) == (409, "mfa_not_enrolling")


def test_an_ended_session_cannot_enroll(aws: None) -> None:
    person = registered(EMAIL)
    assert person.client.post("/v1/auth/logout").status == 204
    answer = person.client.post("/v1/auth/mfa/enroll")
    assert (answer.status, answer.json["code"]) == (401, "session_ended")


def test_neither_secret_nor_codes_are_stored_in_clear_or_replayed(aws: None) -> None:
    person = registered(EMAIL)
    header = {"Idempotency-Key": "one"}
    found = person.client.post("/v1/auth/mfa/enroll", headers=header)
    again = person.client.post("/v1/auth/mfa/enroll", headers=header)
    assert again.json["secret"] != found.json["secret"], "/v1/auth takes no Idempotency-Key"
    row = table.need(MfaRow, MfaRow.at(person.user["id"]), "row")
    stored = repr(row.serialize())
    assert again.json["secret"] not in stored
    for code in again.json["recoveryCodes"]:
        assert code not in stored and code.replace("-", "") not in stored
    assert row.secret.startswith("wc1.")


def test_a_secret_moved_to_another_user_does_not_open(aws: None, time: Clock) -> None:
    person, eve = registered(EMAIL), registered("eve@example.com")
    found = enrolled(person, time)
    enrolled(eve, time)
    sealed = table.need(MfaRow, MfaRow.at(eve.user["id"]), "row").secret
    table.need(MfaRow, MfaRow.at(person.user["id"]), "row").update([MfaRow.secret.set(sealed)])
    answer = login(code_of(found["secret"]))
    assert (answer.status, answer.json["code"]) == (500, "secret_unreadable")


# Organizations that want a second factor


def enforce(owner: Registered) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"custom_settings": {"security": {"enforce_mfa": True}}}, {})


def test_an_organization_may_want_a_second_factor_and_lets_one_enroll(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    enforce(person)
    confined = refreshed(person)
    refused = confined.get("/v1/agents")
    assert (refused.status, refused.json["code"]) == (403, "mfa_required_by_organization")
    assert confined.post("/v1/agents", {"name": "x"}).json["code"] == "mfa_required_by_organization"
    assert confined.get("/v1/users/me").status == 200
    person.client = confined
    found = enrolled(person, time)
    assert refreshed(person).get("/v1/agents").status == 200
    without = login()
    assert without.json["code"] == "mfa_required"
    assert bearer(login(code_of(found["secret"])).json).get("/v1/agents").status == 200


def test_signing_in_to_it_by_name_is_refused_without_one(aws: None) -> None:
    person = registered(EMAIL)
    enforce(person)
    by_name = login(organizationId=person.organization["id"])
    assert (by_name.status, by_name.json["code"]) == (403, "mfa_required_by_organization")
    assert bearer(login().json).get("/v1/agents").json["code"] == "mfa_required_by_organization"


def test_switching_or_refreshing_to_it_is_refused_without_one(aws: None, time: Clock) -> None:
    owner, person = registered(), registered(EMAIL)
    personal = person.organization["id"]
    join(person, owner, "member")
    assert person.client.post(f"/v1/organizations/{personal}/switch").status == 200
    person.tokens = login(organizationId=personal).json
    person.client = bearer(person.tokens)
    enforce(owner)
    switched = person.client.post(f"/v1/organizations/{owner.organization['id']}/switch")
    assert (switched.status, switched.json["code"]) == (403, "mfa_required_by_organization")
    body = {"refreshToken": person.tokens["refreshToken"], "organizationId": owner.organization["id"]}
    assert Client().post("/v1/auth/refresh", body).json["code"] == "mfa_required_by_organization"
    assert refreshed(person).get("/v1/agents").status == 200
    enrolled(person, time)
    assert person.client.post(f"/v1/organizations/{owner.organization['id']}/switch").status == 200


def test_an_api_key_of_somebody_without_one_is_refused_there(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    key = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}).json["key"]
    machine = Client(headers={"X-API-Key": key})
    assert machine.get("/v1/agents").status == 200
    enforce(person)
    assert machine.get("/v1/agents").json["code"] == "mfa_required_by_organization"
    enrolled(person, time)
    assert machine.get("/v1/agents").status == 200
