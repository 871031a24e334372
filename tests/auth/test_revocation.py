"""The end of a session applies to its refresh and to writes at once, to reading within fifteen minutes."""

import pytest

from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register, set_user_role
from tests.gateway import ApiResponse, Client

EMAIL = "ada@example.com"


def refresh(tokens: dict[str, str]) -> ApiResponse:
    return Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})


def list_sessions(person: RegisteredUser) -> list[dict[str, object]]:
    response = person.client.get("/v1/auth/sessions")
    assert response.status == 200, response.text
    return response.json["items"]  # type: ignore[no-any-return]


def log_in(**headers: str) -> dict[str, str]:
    body = {"email": EMAIL, "password": PASSWORD}
    response = Client(ip="198.51.100.1", headers=headers).post("/v1/auth/login", body)
    assert response.status == 200, response.text
    return response.json  # type: ignore[no-any-return]


def test_a_user_sees_only_their_own_sessions(aws: None, time: MovableClock) -> None:
    person = register(EMAIL)
    register("eve@example.com")
    time.advance(minutes=1)
    log_in(**{"User-Agent": "Phone"})
    newest, oldest = list_sessions(person)
    assert (newest["userAgent"], newest["ip"], newest["current"]) == ("Phone", "198.51.100.1", False)
    assert (oldest["current"], oldest["mfa"]) == (True, False)
    assert oldest["organizationId"] == person.organization["id"]
    assert str(newest["createdAt"]) > str(oldest["createdAt"])


def end_by_id(person: RegisteredUser, operator: RegisteredUser) -> None:
    other = next(item for item in list_sessions(person) if not item["current"])
    assert person.client.delete(f"/v1/auth/sessions/{other['id']}").status == 204


def log_out(person: RegisteredUser, operator: RegisteredUser) -> None:
    assert person.client.post("/v1/auth/logout", {"everywhere": True}).status == 204


def deactivate(person: RegisteredUser, operator: RegisteredUser) -> None:
    assert operator.client.patch(f"/v1/users/{person.user['id']}", {"isActive": False}).status == 200


def change_password(person: RegisteredUser, operator: RegisteredUser) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": "Another-Horse-8-Battery"}
    assert person.client.post("/v1/auth/change-password", body).status == 204


@pytest.mark.parametrize("end", [end_by_id, log_out, deactivate, change_password])
def test_an_access_token_of_an_ended_session_reads_for_at_most_fifteen_minutes(
    aws: None, time: MovableClock, end: object
) -> None:
    operator, person = set_user_role(register("boss@example.com")), register(EMAIL)
    stolen = log_in()
    end(person, operator)  # type: ignore[operator]
    response = refresh(stolen)
    assert (response.status, response.json["code"]) == (401, "session_ended")
    time.advance(minutes=14, seconds=59)
    assert client_with_tokens(stolen).get("/v1/agents").status == 200
    written = client_with_tokens(stolen).post("/v1/agents", {"name": "A"})
    assert (written.status, written.json["code"]) == (401, "session_ended")
    time.advance(seconds=1)
    late = client_with_tokens(stolen).get("/v1/agents")
    assert (late.status, late.json["code"]) == (401, "token_expired")


def test_the_session_of_another_user_is_not_found(aws: None) -> None:
    person, stranger = register(EMAIL), register("eve@example.com")
    session = list_sessions(person)[0]["id"]
    response = stranger.client.delete(f"/v1/auth/sessions/{session}")
    assert (response.status, response.json["code"]) == (404, "session_not_found")
    assert refresh(person.tokens).status == 200
    assert person.client.delete(f"/v1/auth/sessions/{session}").status == 204
    ended = person.client.delete(f"/v1/auth/sessions/{session}")
    assert (ended.status, ended.json["code"]) == (401, "session_ended")
    assert refresh(person.tokens).status == 401
