"""One account under concurrency, on the emulator: failures, codes, addresses and tokens count exactly."""

from typing import Any

import pytest

from tests.integration.emulator import raced


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the races."""
    return raced("tests.integration.account_races", tmp_path_factory.mktemp("ministack"))


def test_five_of_a_hundred_failures_at_once_learn_something(found: dict[str, Any]) -> None:
    assert found["failures_at_one_address"] == {
        "ends": {"wrong_credentials": 5, "too_many_attempts": 95},
        "count": 5,
    }


def test_one_of_a_hundred_learns_something_when_the_wait_is_over(found: dict[str, Any]) -> None:
    assert found["after_the_first_wait"] == {"wrong_credentials": 1, "too_many_attempts": 99}


def test_an_account_counts_twenty_of_a_hundred_and_then_takes_nobody(found: dict[str, Any]) -> None:
    assert found["failures_from_everywhere"] == {
        "ends": {"wrong_credentials": 100},
        "count": 20,
        "right": {"wrong_credentials": 1},
    }


def test_right_passwords_hinder_nobody(found: dict[str, Any]) -> None:
    assert found["right_passwords"] == {"ok": 25}


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_is_spent_once(found: dict[str, Any], kind: str) -> None:
    assert found["codes"][kind] == [1, 99]


def test_one_of_a_hundred_gets_the_new_address(found: dict[str, Any]) -> None:
    assert found["new_addresses"] == {"ok": 1, "email_taken": 99}


def test_a_reset_token_is_used_once(found: dict[str, Any]) -> None:
    assert found["resets"] == {"ok": 1, "invalid_token": 99}
