"""Limits, refreshes and registrations under concurrency, on the emulator: moto loses updates."""

from typing import Any

import pytest

from tests.integration.emulator import raced


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the races."""
    return raced("tests.integration.limit_races", tmp_path_factory.mktemp("ministack"))


@pytest.mark.parametrize(
    ("race", "counts", "after"),
    [
        ("hourly", [10, 10], [0, 0]),
        ("rolled", [10, 10], [0, 0]),
        ("plan", [0, 100], [0, 90]),
        ("both", [10, 100], [0, 90]),
    ],
)
def test_ten_of_a_hundred_starts_at_once_get_through(
    found: dict[str, Any], race: str, counts: list[int], after: list[int]
) -> None:
    assert found[race] == {
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
def test_ten_of_a_hundred_uses_of_a_key_at_once_get_through(
    found: dict[str, Any], race: str, counts: dict[str, int]
) -> None:
    assert found[race]["ends"] == {"ok": 10, "rate_limited": 90}
    assert found[race]["counts"] == counts
    if race in ("per minute", "per hour", "per day"):
        assert found[race]["left"] == list(range(10)), "each of the ten saw another number"


def test_a_state_of_a_sign_in_is_taken_once(found: dict[str, Any]) -> None:
    assert found["sign-ins"] == {"ok": 1, "invalid_sso_state": 7}


def test_many_tabs_get_one_successor(found: dict[str, Any]) -> None:
    assert found["refreshes"] == {"ok": 8, "successors": 1}


def test_one_of_many_gets_an_address(found: dict[str, Any]) -> None:
    assert found["registrations"] == {"ok": 1, "email_taken": 7}
