"""The verification of an address with the token from the mail, and the first operator."""

from datetime import timedelta

import boto3
import pytest

from tests.auth.sent_mails import last_token, texts
from tests.factories import client_with_tokens, register
from tests.gateway import ApiResponse, Client
from weconnect import clock, mail
from weconnect.identity.rows import UserRow
from weconnect.settings import settings


def verify(token: str) -> ApiResponse:
    return Client().post("/v1/auth/verify-email", {"token": token})


def test_the_token_from_the_mail_verifies_the_address_once(aws: None) -> None:
    person = register()
    response = verify(last_token())
    assert response.status == 200, response.text
    assert (response.json["emailVerified"], response.json["role"]) == (True, "user")
    assert person.client.get("/v1/users/me").json["emailVerified"] is True
    again = verify(last_token())
    assert (again.status, again.json["code"]) == (400, "invalid_token")


def test_a_token_expires_after_a_day(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=1, seconds=1))
    assert verify(last_token()).json["code"] == "invalid_token"


@pytest.mark.parametrize("token", ["x", "é", "a" * 43, "#", "a" * 201, ""])
def test_an_invented_token_is_refused(aws: None, token: str) -> None:
    register()
    assert verify(token).status in (400, 422)


def test_a_token_for_an_address_that_has_changed_is_refused(aws: None) -> None:
    person = register()
    UserRow.get(*UserRow.at(person.user["id"])).update([UserRow.email.set("other@example.com")])
    assert verify(last_token()).status == 400


def test_a_confirmation_hands_the_deployment_to_nobody_who_knows_the_password(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger registers first with the address of an operator, who confirms the mail that they expect."""
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    stranger = register("Boss@Example.com")
    first = last_token()
    assert Client().post("/v1/auth/resend-verification", {"email": "boss@example.com"}).status == 204
    for token in (first, last_token()):
        response = verify(token)
        assert (response.status, response.json["code"]) == (403, "operator_address"), response.text
        assert "/v1/auth/forgot-password" in response.json["detail"]
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": stranger.tokens["refreshToken"]})
    me = client_with_tokens(refreshed.json).get("/v1/users/me").json
    assert (me["role"], me["emailVerified"]) == ("user", False)


def test_the_first_operator_of_a_deployment_registers_and_requests_a_new_password(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `docs/deployment.md` says."""
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    person = register("Boss@Example.com")
    assert person.user["role"] == "user"
    assert Client().post("/v1/auth/forgot-password", {"email": "boss@example.com"}).status == 204
    credentials = {"password": "Another-Horse-8-Battery"}
    assert Client().post("/v1/auth/reset-password", {"token": last_token(), **credentials}).status == 204
    signed_in = Client().post("/v1/auth/login", {"email": "boss@example.com", **credentials}).json
    operator = client_with_tokens(signed_in)
    me = operator.get("/v1/users/me").json
    assert (me["role"], me["emailVerified"]) == ("admin", True)
    assert [each["id"] for each in operator.get("/v1/users?role=admin").json["items"]] == [person.user["id"]]
    listed = [row.id for row in UserRow.gsi2.query(UserRow.by_role("admin"))]
    assert listed == [person.user["id"]]


def test_the_mail_has_the_token_a_link_and_a_command(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    mail._read_url.cache_clear()
    boto3.client("ssm").put_parameter(Name="/weconnect/url", Value="https://api.example.com/", Type="String")
    monkeypatch.setitem(settings.__dict__, "url_parameter", "/weconnect/url")
    monkeypatch.setitem(settings.__dict__, "app_url", "https://app.example.com/")
    register()
    token, text = last_token(), texts()[-1]
    assert f"https://app.example.com/verify-email?token={token}\n" in text
    assert "curl -X POST https://api.example.com/v1/auth/verify-email" in text
    mail._read_url.cache_clear()


def test_a_host_header_never_appears_in_a_mail(aws: None) -> None:
    evil = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
    body = {"email": "a@example.com", "password": "Correct-Horse-7", "firstName": "A", "lastName": "B"}
    assert Client(headers=evil).post("/v1/auth/register", body).status == 201
    assert "evil" not in texts()[-1]


def test_a_mail_that_cannot_be_sent_does_not_stop_a_registration(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "mail_from", "unverified@example.org")
    assert register().user["emailVerified"] is False
    assert texts() == []


def test_without_a_mail_sender_the_address_counts_as_verified_but_makes_nobody_an_operator(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "mail_from", "")
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    person = register("boss@example.com")
    assert (person.user["emailVerified"], person.user["role"]) == (True, "user")
    assert texts() == []


def test_the_mail_service_can_have_its_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:2")
    mail._create_client.cache_clear()
    assert mail._create_client("sesv2").meta.endpoint_url == "http://127.0.0.1:2"
    assert mail._create_client("ssm").meta.endpoint_url == "http://127.0.0.1:1"
    mail._create_client.cache_clear()
