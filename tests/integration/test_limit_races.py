"""Limits, refreshes and registrations under concurrency, on the emulator: moto loses updates."""

from typing import Any

import pytest

from tests.integration.emulator import run_races


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the races once, and return their results by name."""
    return run_races("tests.integration.limit_races", tmp_path_factory.mktemp("ministack"))


@pytest.mark.parametrize(
    ("race", "counts", "after"),
    [
        ("hourly", [10, 10], [0, 0]),
        ("rolled", [10, 10], [0, 0]),
        ("plan", [0, 100], [0, 90]),
        ("both", [10, 100], [0, 90]),
    ],
)
def test_of_a_hundred_starts_at_once_ten_are_admitted(
    results: dict[str, Any], race: str, counts: list[int], after: list[int]
) -> None:
    assert results[race] == {
        "ends": {"ok": 10, "execution_limit_reached": 90},
        "counts": counts,
        "after": after,
    }


@pytest.mark.parametrize(
    ("race", "counts"),
    [
        ("per minute", {}),
        ("per hour", {"h": 10}),
        ("per day", {"d": 10}),
        ("per minute and hour", {"h": 10}),
        ("per day and hour", {"h": 10, "d": 10}),
    ],
)
def test_of_a_hundred_uses_of_a_key_at_once_ten_are_allowed(
    results: dict[str, Any], race: str, counts: dict[str, int]
) -> None:
    assert results[race]["ends"] == {"ok": 10, "rate_limited": 90}
    assert results[race]["counts"] == counts
    if race in ("per minute", "per hour", "per day"):
        assert results[race]["left"] == list(range(10)), "each of the ten got another number"


def test_a_state_of_a_sign_in_is_used_once(results: dict[str, Any]) -> None:
    assert results["sign-ins"] == {"ok": 1, "invalid_sso_state": 7}


def test_many_tabs_get_one_refresh_token(results: dict[str, Any]) -> None:
    assert results["refreshes"] == {"ok": 8, "successors": 1}


def test_one_of_many_registers_an_address(results: dict[str, Any]) -> None:
    assert results["registrations"] == {"ok": 1, "email_taken": 7}
