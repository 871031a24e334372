"""What ends a session reaches its refresh at once, and its access token within fifteen minutes."""

import pytest

from tests.auth.clocks import Clock
from tests.factories import PASSWORD, Registered, bearer, become, registered
from tests.gateway import Answer, Client

EMAIL = "ada@example.com"


def refresh(tokens: dict[str, str]) -> Answer:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})


def sessions(person: Registered) -> list[dict[str, object]]:
    answer = person.client.get("/v1/auth/sessions")
    assert answer.status == 200, answer.text
    return answer.json["items"]  # type: ignore[no-any-return]


def signed_in(**headers: str) -> dict[str, str]:
    body = {"email": EMAIL, "password": PASSWORD}
    answer = Client(ip="198.51.100.1", headers=headers).post("/v1/auth/login", body)
    assert answer.status == 200, answer.text
    return answer.json  # type: ignore[no-any-return]


def test_one_sees_ones_sessions_and_no_others(aws: None, time: Clock) -> None:
    person = registered(EMAIL)
    registered("eve@example.com")
    time.move(minutes=1)
    signed_in(**{"User-Agent": "Phone"})
    newest, oldest = sessions(person)
    assert (newest["userAgent"], newest["ip"], newest["current"]) == ("Phone", "198.51.100.1", False)
    assert (oldest["current"], oldest["mfa"]) == (True, False)
    assert oldest["organizationId"] == person.organization["id"]
    assert str(newest["createdAt"]) > str(oldest["createdAt"])


def end_by_id(person: Registered, operator: Registered) -> None:
    other = next(item for item in sessions(person) if not item["current"])
    assert person.client.delete(f"/v1/auth/sessions/{other['id']}").status == 204


def log_out(person: Registered, operator: Registered) -> None:
    assert person.client.post("/v1/auth/logout", {"everywhere": True}).status == 204


def deactivate(person: Registered, operator: Registered) -> None:
    assert operator.client.patch(f"/v1/users/{person.user['id']}", {"isActive": False}).status == 200


def change_password(person: Registered, operator: Registered) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": "Another-Horse-8-Battery"}
    assert person.client.post("/v1/auth/change-password", body).status == 204


@pytest.mark.parametrize("end", [end_by_id, log_out, deactivate, change_password])
def test_the_bound_is_fifteen_minutes(aws: None, time: Clock, end: object) -> None:
    operator, person = become(registered("boss@example.com")), registered(EMAIL)
    stolen = signed_in()
    end(person, operator)  # type: ignore[operator]
    answer = refresh(stolen)
    assert (answer.status, answer.json["code"]) == (401, "session_ended")
    time.move(minutes=14, seconds=59)
    assert bearer(stolen).get("/v1/agents").status == 200
    time.move(seconds=1)
    late = bearer(stolen).get("/v1/agents")
    assert (late.status, late.json["code"]) == (401, "token_expired")


def test_a_strangers_session_is_not_there(aws: None) -> None:
    person, stranger = registered(EMAIL), registered("eve@example.com")
    session = sessions(person)[0]["id"]
    answer = stranger.client.delete(f"/v1/auth/sessions/{session}")
    assert (answer.status, answer.json["code"]) == (404, "session_not_found")
    assert refresh(person.tokens).status == 200
    assert person.client.delete(f"/v1/auth/sessions/{session}").status == 204
    assert person.client.delete(f"/v1/auth/sessions/{session}").status == 404
    assert refresh(person.tokens).status == 401
