"""Dates and times, against a fixed present: Monday 2026-11-23, 10:30 UTC."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from weconnect.calculations import date_time
from weconnect.calculations.errors import CalculationError

NOW = datetime(2026, 11, 23, 10, 30, 15, 999, tzinfo=UTC)


def run(operation: str, **arguments: object) -> dict[str, Any]:
    return date_time.run({"operation": operation, **arguments}, NOW)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"operation": "now"},
            {"datetime": "2026-11-23T10:30:15+00:00", "weekday": "Monday", "timezone": "UTC"},
        ),
        (
            {"operation": "now", "timezone": "Asia/Tokyo"},
            {"datetime": "2026-11-23T19:30:15+09:00", "time": "19:30"},
        ),
        ({"operation": "add", "date": "2026-01-31", "months": 1}, {"result": "2026-02-28"}),
        ({"operation": "add", "date": "2024-02-29", "months": 12}, {"result": "2025-02-28"}),
        ({"operation": "add", "date": "2026-01-15", "months": -13}, {"result": "2024-12-15"}),
        (
            {"operation": "add", "date": "2026-01-15", "days": 90},
            {"result": "2026-04-15", "weekday": "Wednesday"},
        ),
        ({"operation": "add", "weeks": 3}, {"result": "2026-12-14"}),
        ({"operation": "add", "date": "tomorrow", "days": -1}, {"result": "2026-11-23"}),
        ({"operation": "add", "date": "2026-01-01", "hours": 5}, {"result": "2026-01-01T05:00:00+00:00"}),
        ({"operation": "add", "minutes": 45}, {"result": "2026-11-23T11:15:15+00:00"}),
        (
            {"operation": "add", "date": "2026-03-28T12:00", "hours": 24, "timezone": "Europe/Berlin"},
            {"result": "2026-03-29T13:00:00+02:00"},
        ),
        (
            {"operation": "add", "date": "2026-03-28T12:00", "days": 1, "timezone": "Europe/Berlin"},
            {"result": "2026-03-29T12:00:00"},
        ),
        ({"operation": "difference", "date": "2026-01-01", "other": "2026-03-01"}, {"days": 59, "hours": 0}),
        ({"operation": "difference", "date": "2026-03-01", "other": "2026-01-01"}, {"days": -59}),
        ({"operation": "difference", "other": "2026-12-25"}, {"days": 32, "date": "2026-11-23"}),
        ({"operation": "difference", "date": "2026-01-01"}, {"days": 326}),
        (
            {"operation": "difference", "date": "2026-01-01T12:00Z", "other": "2026-01-02T13:30+01:00"},
            {"days": 1, "hours": 0, "minutes": 30, "totalSeconds": 88200},
        ),
        ({"operation": "weekday", "date": "1969-07-20"}, {"weekday": "Sunday", "isoWeekday": 7}),
        ({"operation": "weekday"}, {"weekday": "Monday", "date": "2026-11-23"}),
        ({"operation": "weekday", "timezone": "Pacific/Auckland", "date": "now"}, {"date": "2026-11-23"}),
        (
            {"operation": "convert", "date": "2026-07-01T15:00", "timezone": "America/New_York"},
            {"result": "2026-07-01T11:00:00-04:00", "time": "11:00"},
        ),
        (
            {"operation": "convert", "date": "2026-07-01T15:00:00+02:00", "timezone": "Asia/Kolkata"},
            {"result": "2026-07-01T18:30:00+05:30"},
        ),
    ],
)
def test_an_operation_returns_its_result(arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    Draft202012Validator(date_time.INPUT_SCHEMA).validate(arguments)
    answer = date_time.run(arguments, NOW)
    assert {name: answer[name] for name in expected} == expected
    assert answer["operation"] == arguments["operation"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "operation must be one of"),
        ({"operation": "subtract"}, "operation must be one of"),
        ({"operation": "add"}, "at least one of"),
        ({"operation": "add", "days": "3"}, "whole number"),
        ({"operation": "add", "days": True}, "whole number"),
        ({"operation": "add", "days": 10**7}, "years 1 to 9999"),
        ({"operation": "add", "months": -(10**6)}, "years 1 to 9999"),
        ({"operation": "add", "months": 10**9}, "whole number"),
        ({"operation": "difference"}, "date, other or both"),
        ({"operation": "weekday", "date": "01/02/2026"}, "not an ISO 8601 date"),
        ({"operation": "weekday", "date": "2026-02-30"}, "not an ISO 8601 date"),
        ({"operation": "weekday", "date": 5}, "must be ISO 8601"),
        ({"operation": "convert"}, "needs timezone"),
        ({"operation": "convert", "timezone": "Mars/Base"}, "Unknown time zone"),
        ({"operation": "now", "timezone": "../../etc/passwd"}, "Unknown time zone"),
        ({"operation": "now", "timezone": ""}, "Unknown time zone"),
        ({"operation": "now", "timezone": 3}, "Unknown time zone"),
        (
            {"operation": "convert", "date": "0001-01-01T00:00", "timezone": "America/New_York"},
            "years 1 to 9999",
        ),
    ],
)
def test_invalid_arguments_are_refused_with_a_reason(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CalculationError, match=message):
        date_time.run(arguments, NOW)


DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))


@given(DAYS, st.integers(-20_000, 20_000))
def test_adding_and_measuring_are_inverse(day: date, days: int) -> None:
    later = run("add", date=day.isoformat(), days=days)["result"]
    assert later == (day + timedelta(days=days)).isoformat()
    assert run("difference", date=day.isoformat(), other=later)["days"] == days


@given(DAYS, st.integers(-500, 500))
def test_months_keep_the_day_or_end_the_month(day: date, months: int) -> None:
    moved = date.fromisoformat(run("add", date=day.isoformat(), months=months)["result"])
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
    assert moved.day == day.day or (moved.day < day.day and (moved + timedelta(days=1)).day == 1)


@given(st.sampled_from(["add", "difference", "weekday", "convert", "now"]), st.text(max_size=30))
def test_any_text_as_date_gives_a_result_or_a_tool_error(operation: str, text: str) -> None:
    with contextlib.suppress(CalculationError):
        run(operation, date=text, days=1, timezone="Europe/Berlin")


def test_the_input_schema_is_valid_and_now_is_the_default() -> None:
    Draft202012Validator.check_schema(date_time.INPUT_SCHEMA)
    assert datetime.fromisoformat(date_time.run({"operation": "now"})["datetime"]).tzinfo
