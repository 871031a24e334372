"""One account under concurrency, on the emulator: failures, codes, addresses and tokens count exactly."""

from typing import Any

import pytest

from tests.integration.emulator import run_races


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the races once, and return their results by name."""
    return run_races("tests.integration.account_races", tmp_path_factory.mktemp("ministack"))


def test_of_a_hundred_wrong_passwords_at_once_five_are_checked(results: dict[str, Any]) -> None:
    assert results["failures_at_one_address"] == {
        "ends": {"wrong_credentials": 5, "too_many_attempts": 95},
        "count": 5,
    }


def test_of_a_hundred_wrong_passwords_after_the_wait_one_is_checked(results: dict[str, Any]) -> None:
    assert results["after_the_first_wait"] == {"wrong_credentials": 1, "too_many_attempts": 99}


def test_an_account_counts_twenty_failures_and_then_refuses_every_sign_in(results: dict[str, Any]) -> None:
    assert results["failures_from_everywhere"] == {
        "ends": {"wrong_credentials": 100},
        "count": 20,
        "right": {"wrong_credentials": 1},
    }


def test_right_passwords_lock_nobody_out(results: dict[str, Any]) -> None:
    assert results["right_passwords"] == {"ok": 25}


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_is_spent_once(results: dict[str, Any], kind: str) -> None:
    assert results["codes"][kind] == [1, 99]


def test_one_of_a_hundred_gets_the_new_address(results: dict[str, Any]) -> None:
    assert results["new_addresses"] == {"ok": 1, "email_taken": 99}


def test_a_reset_token_is_used_once(results: dict[str, Any]) -> None:
    assert results["resets"] == {"ok": 1, "invalid_token": 99}
