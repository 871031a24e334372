"""Limits on attempts to sign in. Races are in tests/integration."""

import bcrypt
import pytest
from botocore.client import BaseClient

from tests.auth import sent_mails
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, register
from tests.gateway import ApiResponse, Client
from weconnect.db import table
from weconnect.identity.rows import AttemptsRow

NEW = "Another-Horse-8-Battery"


def login(password: str = "wrong", ip: str = "203.0.113.7", email: str = "ada@example.com") -> ApiResponse:
    return Client(ip=ip).post("/v1/auth/login", {"email": email, "password": password})


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com", "no address"])
def test_after_five_failures_an_account_waits_longer_each_time_at_that_address(
    aws: None, time: MovableClock, email: str
) -> None:
    register("ada@example.com")
    assert [login(email=email).json["code"] for _ in range(5)] == ["wrong_credentials"] * 5
    for wait in (30, 60, 120, 240, 480, 900, 900):
        refused = login(email=email)
        assert (refused.status, refused.json["code"]) == (429, "too_many_attempts")
        assert refused.headers["Retry-After"] == str(wait)
        time.advance(seconds=wait - 1)
        assert login(PASSWORD, email=email).headers["Retry-After"] == "1"
        time.advance(seconds=1)
        assert login(email=email).status == 401


def test_other_addresses_and_other_accounts_do_not_wait(aws: None) -> None:
    register("ada@example.com")
    register("eve@example.com")
    for _ in range(6):
        login()
    assert login(PASSWORD).status == 429
    assert login(PASSWORD, ip="203.0.113.8").status == 200
    assert login(PASSWORD, email="eve@example.com").status == 200


def test_the_right_password_clears_the_failures(aws: None) -> None:
    register("ada@example.com")
    for _ in range(3):
        assert [login().status for _ in range(4)] == [401] * 4
        assert login(PASSWORD).status == 200
    assert table.get(AttemptsRow, AttemptsRow.at("ada@example.com", "203.0.113.7")) is None


def test_the_failures_are_forgotten_after_the_window(aws: None, time: MovableClock) -> None:
    register("ada@example.com")
    for _ in range(4):
        login()
    time.advance(minutes=15)
    assert [login().status for _ in range(5)] == [401] * 5
    assert login().status == 429


def test_an_ipv6_network_counts_as_one_address(aws: None) -> None:
    register("ada@example.com")
    for number in range(5):
        login(ip=f"2001:db8::{number}")
    assert login(PASSWORD, ip="2001:db8::ffff").status == 429
    assert login(PASSWORD, ip="2001:db8:0:1::1").status == 200


def test_after_twenty_failures_an_hour_an_account_responds_as_if_the_password_were_wrong(
    aws: None, time: MovableClock
) -> None:
    register("ada@example.com")
    for number in range(20):
        assert login(ip=f"198.51.100.{number}").status == 401
    right, wrong = login(PASSWORD, ip="198.51.100.77"), login(ip="198.51.100.78")
    names = ("status", "code", "title", "detail", "errors")
    assert [right.json[name] for name in names] == [wrong.json[name] for name in names]
    assert right.json["code"] == "wrong_credentials"
    assert login(PASSWORD, ip="203.0.113.7").status == 200, "from where its user signed in before"
    time.advance(hours=1)
    assert login(PASSWORD, ip="198.51.100.77").status == 200


def test_a_known_network_takes_no_more_guesses_than_any_other_and_is_forgotten(
    aws: None, time: MovableClock
) -> None:
    register("ada@example.com")
    for number in range(20):
        login(ip=f"198.51.100.{number}")
    assert [login().status for _ in range(6)] == [401] * 5 + [429]
    assert login(PASSWORD).status == 429
    time.advance(minutes=16)
    assert login(PASSWORD).status == 200
    time.advance(days=90)
    for number in range(20):
        login(ip=f"198.51.100.{number}")
    assert login(PASSWORD).json["code"] == "wrong_credentials"


def test_failures_at_a_known_network_do_not_lock_the_others(aws: None, time: MovableClock) -> None:
    register("ada@example.com")
    for _ in range(5):
        assert [login().status for _ in range(5)] == [401] * 5
        time.advance(minutes=16)
    assert login(PASSWORD, ip="198.51.100.1").status == 200


def test_a_network_address_is_refused_after_a_hundred_failures_an_hour(aws: None, time: MovableClock) -> None:
    register("ada@example.com")
    for number in range(100):
        assert login(email=f"{number}@example.com").status == 401
    refused = login(PASSWORD)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "3600")
    assert login(PASSWORD, ip="203.0.113.8").status == 200
    time.advance(hours=1)
    assert login(PASSWORD).status == 200


@pytest.mark.parametrize("before", [0, 4, 5, 20])
def test_an_unknown_address_takes_the_same_work(
    aws: None, time: MovableClock, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    register("ada@example.com")
    for email in ("ada@example.com", "nobody@example.com"):
        for number in range(before):
            login(email=email, ip="203.0.113.7" if before < 20 else f"198.51.100.{number}")
    work: list[object] = []
    call, check = BaseClient._make_api_call, bcrypt.checkpw

    def counted(self: BaseClient, operation: str, parameters: dict[str, object]) -> object:
        work.append(operation)
        return call(self, operation, parameters)

    def checked(password: bytes, hashed: bytes) -> bool:
        work.append(("bcrypt", hashed[:7]))
        return check(password, hashed)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    monkeypatch.setattr(bcrypt, "checkpw", checked)
    outcomes = []
    for email in ("ada@example.com", "nobody@example.com"):
        work.clear()
        response = login(email=email)
        outcomes.append((response.status, response.json["code"], response.json["detail"], list(work)))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0][3]) >= (1 if before == 5 else 7)


def test_a_reset_by_mail_lets_its_holder_in_at_networks_that_failed_and_at_new_ones(
    aws: None, time: MovableClock
) -> None:
    register("ada@example.com", verified=True)
    holder = Client(ip="192.0.2.77")
    guess, right = ({"email": "ada@example.com", "password": word} for word in ("wrong-wrong", NEW))
    for network in range(4):
        for _ in range(5):
            Client(ip=f"198.51.100.{network}").post("/v1/auth/login", guess)
    for _ in range(5):
        holder.post("/v1/auth/login", guess)
    assert holder.post("/v1/auth/forgot-password", {"email": "ada@example.com"}).status == 204
    body = {"token": sent_mails.last_token(), "password": NEW}
    assert holder.post("/v1/auth/reset-password", body).status == 204
    for client in (holder, Client(ip="198.51.100.0"), Client(ip="192.0.2.78")):
        assert client.post("/v1/auth/login", right).status == 200
    mails = table.get(AttemptsRow, AttemptsRow.at_mails_to("ada@example.com", "RESET", "UNKNOWN"))
    assert mails is not None and mails.total == 1, "the count of mails stays"
