"""The builtin tool for dates and times: the present, sums, differences, weekdays and time zones."""

import calendar
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from weconnect.calculations.errors import CalculationError

NAME = "date_time"
DISPLAY_NAME = "Date and time"
DESCRIPTION = (
    "Tells the present date and time, adds to a date, measures the difference between two dates, "
    "names the weekday of a date and converts a time to another time zone."
)
AMOUNTS = ("months", "weeks", "days", "hours", "minutes")
LIMIT = 10_000_000

INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "operation": {"type": "string", "enum": ["now", "add", "difference", "weekday", "convert"]},
        "date": {
            "type": "string",
            "maxLength": 40,
            "description": "ISO 8601 date or date-time, or now, today, tomorrow, yesterday; absent means now",
        },
        "other": {
            "type": "string",
            "maxLength": 40,
            "description": "The later end of a difference, written like date; absent means now",
        },
        **{
            unit: {"type": "integer", "minimum": -LIMIT, "maximum": LIMIT, "description": f"{unit} to add"}
            for unit in AMOUNTS
        },
        "timezone": {
            "type": "string",
            "maxLength": 64,
            "description": "IANA time zone such as Europe/Berlin: the target of now and convert, "
            "else the zone of times that name none; default UTC",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}

WORDS = {"today": 0, "tomorrow": 1, "yesterday": -1}


def run(arguments: dict[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """Execute `operation` and return its result, with dates in ISO 8601. Raises CalculationError.

    `now` is timezone-aware; default: the clock.
    """
    operations = {
        "now": _describe_now,
        "add": _add,
        "difference": _compute_difference,
        "weekday": _describe_weekday,
        "convert": _convert,
    }
    operation = arguments.get("operation")
    if operation not in operations:
        raise CalculationError(f"operation must be one of {', '.join(operations)}")
    zone = _parse_zone(arguments.get("timezone"))
    present = (now or datetime.now(UTC)).astimezone(zone).replace(microsecond=0)
    try:
        return {"operation": operation, **operations[operation](arguments, present, zone)}
    except OverflowError:
        raise CalculationError("The date is outside the years 1 to 9999") from None


def _describe_now(arguments: dict[str, Any], present: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return the present date, time, weekday and time zone."""
    return {
        "datetime": present.isoformat(),
        "date": present.date().isoformat(),
        "time": present.strftime("%H:%M"),
        "weekday": calendar.day_name[present.weekday()],
        "timezone": str(zone),
    }


def _add(arguments: dict[str, Any], present: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return `date` and, as `result`, the date after adding the amounts. Raises CalculationError without an amount."""
    amounts = {unit: _parse_amount(arguments, unit) for unit in AMOUNTS if unit in arguments}
    if not amounts:
        raise CalculationError(f"add needs at least one of {', '.join(AMOUNTS)}")
    absent_clock = "hours" not in amounts and "minutes" not in amounts
    start = _parse_moment(arguments.get("date", "today" if absent_clock else "now"), present)
    result = _add_months(start, amounts.get("months", 0))
    result += timedelta(weeks=amounts.get("weeks", 0), days=amounts.get("days", 0))
    if not absent_clock:
        result = _add_elapsed(_to_zoned_datetime(result, zone), amounts)
    return {
        "date": start.isoformat(),
        "result": result.isoformat(),
        "weekday": calendar.day_name[result.weekday()],
    }


def _compute_difference(arguments: dict[str, Any], present: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return the time from `date` to `other`, one of which may be missing and is then now. Raises CalculationError."""
    if "date" not in arguments and "other" not in arguments:
        raise CalculationError("difference needs date, other or both")
    first, second = (arguments.get(name) for name in ("date", "other"))
    # Compared with a plain date, "now" means today: people count whole days.
    start = _parse_moment(first if first is not None else _choose_present_like(second, present), present)
    end = _parse_moment(second if second is not None else _choose_present_like(first, present), present)
    if not isinstance(start, datetime) and not isinstance(end, datetime):
        elapsed = end - start
    else:
        elapsed = _to_zoned_datetime(end, zone).astimezone(UTC) - _to_zoned_datetime(start, zone).astimezone(
            UTC
        )
    seconds = int(elapsed.total_seconds())
    sign = -1 if seconds < 0 else 1
    return {
        "date": start.isoformat(),
        "other": end.isoformat(),
        "days": sign * (abs(seconds) // 86_400),
        "hours": sign * (abs(seconds) % 86_400 // 3600),
        "minutes": sign * (abs(seconds) % 3600 // 60),
        "totalSeconds": seconds,
    }


def _describe_weekday(arguments: dict[str, Any], present: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return weekday, ISO week and day of the year of `date`, by default today. Raises CalculationError."""
    moment = _parse_moment(arguments.get("date", "today"), present)
    day = moment.date() if isinstance(moment, datetime) else moment
    week = day.isocalendar()
    return {
        "date": day.isoformat(),
        "weekday": calendar.day_name[day.weekday()],
        "isoWeekday": week.weekday,
        "isoWeek": week.week,
        "dayOfYear": day.timetuple().tm_yday,
    }


def _convert(arguments: dict[str, Any], present: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return `date`, by default now, in the zone; a time that names no zone is UTC. Raises CalculationError."""
    if "timezone" not in arguments:
        raise CalculationError("convert needs timezone, an IANA name such as Europe/Berlin")
    start = _to_zoned_datetime(_parse_moment(arguments.get("date", "now"), present), UTC)
    result = start.astimezone(zone)
    return {
        "date": start.isoformat(),
        "result": result.isoformat(),
        "time": result.strftime("%H:%M"),
        "weekday": calendar.day_name[result.weekday()],
        "timezone": str(zone),
    }


def _parse_zone(name: Any) -> tzinfo:
    """Return the time zone with an IANA name, by default UTC. Raises CalculationError for an unknown one."""
    if name is None:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, TypeError, KeyError):
        raise CalculationError(
            f"Unknown time zone {str(name)[:64]!r}; give an IANA name such as Europe/Berlin"
        ) from None


def _parse_moment(text: Any, present: datetime) -> date:
    """Parse a date or date-time; a `datetime` may be naive. Raises CalculationError."""
    if not isinstance(text, str):
        raise CalculationError(
            "date and other must be ISO 8601 strings such as 2026-03-01 or 2026-03-01T15:00:00+01:00"
        )
    word = text.strip().lower()
    if word == "now":
        return present
    if word in WORDS:
        return present.date() + timedelta(days=WORDS[word])
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
            return date.fromisoformat(word)
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise CalculationError(
            f"{text[:40]!r} is not an ISO 8601 date; write it like 2026-03-01 or 2026-03-01T15:00"
        ) from None


def _choose_present_like(other: Any, present: datetime) -> str:
    """Return "now" if the other moment has a time, else "today". Raises CalculationError for an invalid one."""
    return "now" if isinstance(_parse_moment(other, present), datetime) else "today"


def _to_zoned_datetime(moment: date, zone: tzinfo) -> datetime:
    """Return the moment with a time, by default midnight, and a zone, by default `zone`."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _add_elapsed(start: datetime, amounts: dict[str, int]) -> datetime:
    """Add hours and minutes as elapsed time, so that a change to summer time is counted."""
    passed = timedelta(hours=amounts.get("hours", 0), minutes=amounts.get("minutes", 0))
    return (start.astimezone(UTC) + passed).astimezone(start.tzinfo)


def _add_months(moment: date, months: int) -> date:
    """Add months; the day is limited to the month's last, so that January 31 plus one month is February 28."""
    index = moment.year * 12 + moment.month - 1 + months
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9999:
        raise OverflowError
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def _parse_amount(arguments: dict[str, Any], unit: str) -> int:
    """Return the argument `unit`. Raises CalculationError unless it is a whole number up to LIMIT."""
    value = arguments[unit]
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LIMIT:
        raise CalculationError(f"{unit} must be a whole number between -{LIMIT} and {LIMIT}")
    return value
