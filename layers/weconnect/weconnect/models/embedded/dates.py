"""Dates, spans of time and time zones in sentences, and questions about them."""

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from weconnect.models.embedded.sentences import replace_number_words, to_word_set

MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_name) if n}
MONTHS |= {name.lower(): n for n, name in enumerate(calendar.month_abbr) if n} | {"sept": 9}
DAYS = {name.lower(): n for n, name in enumerate(calendar.day_name)}
HOLIDAYS = {
    "christmas": (12, 25), "christmas day": (12, 25), "christmas eve": (12, 24), "halloween": (10, 31),
    "new year's eve": (12, 31), "new year's day": (1, 1), "new year": (1, 1), "new years": (1, 1),
    "valentine's day": (2, 14),
}  # fmt: skip
RELATIVE = {
    "the day after tomorrow": 2,
    "the day before yesterday": -2,
    "today": 0,
    "tomorrow": 1,
    "yesterday": -1,
}
UNITS = {
    "minute": "minutes",
    "hour": "hours",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "months",
}
# Places that the time zone database lacks or names after another city.
PLACES_BY_ZONE = {
    "Africa/Johannesburg": "cape town",
    "America/Chicago": "texas, houston, dallas",
    "America/Los_Angeles": "pst, san francisco, seattle, california",
    "America/New_York": "est, boston, washington, miami",
    "America/Sao_Paulo": "rio, rio de janeiro, são paulo",
    "Asia/Dubai": "abu dhabi",
    "Asia/Ho_Chi_Minh": "hanoi",
    "Asia/Kolkata": "india, delhi, new delhi, mumbai, bangalore",
    "Asia/Seoul": "korea",
    "Asia/Shanghai": "beijing, china",
    "Asia/Tokyo": "japan",
    "Europe/Amsterdam": "netherlands",
    "Europe/Athens": "greece",
    "Europe/Berlin": "germany, munich, hamburg, frankfurt",
    "Europe/Dublin": "ireland",
    "Europe/Istanbul": "turkey",
    "Europe/Lisbon": "portugal",
    "Europe/London": "uk, england",
    "Europe/Madrid": "spain, barcelona",
    "Europe/Oslo": "norway",
    "Europe/Paris": "cet, france",
    "Europe/Rome": "italy, milan",
    "Europe/Stockholm": "sweden",
    "Europe/Vienna": "austria",
    "Europe/Warsaw": "poland",
    "Europe/Zurich": "switzerland, geneva",
    "UTC": "utc, gmt",
}
ZONES_BY_PLACE = {name: zone for zone, names in PLACES_BY_ZONE.items() for name in names.split(", ")}
AMBIGUOUS_WORDS = {"easter", "male", "reunion", "center", "nome", "mayotte", "metropolitan"}

MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DATE_FORMS = re.compile(
    r"(?P<iso>\b\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:z\b|[+-]\d{2}:?\d{2})?)?(?![\d:]))"
    rf"|\b(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<month1>{MONTH})\b\.?(?:,?\s+(?P<year1>\d{{4}}))?"
    rf"|\b(?P<month2>{MONTH})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(?P<year2>\d{{4}}))?"
    rf"|\b(?P<relative>{'|'.join(RELATIVE)})\b"
    rf"|\b(?P<holiday>{'|'.join(sorted(HOLIDAYS, key=len, reverse=True))})\b(?:\s+(?P<year3>\d{{4}}))?"
    rf"|\b(?:(?P<which>next|last|this)\s+)?(?P<weekday>{'|'.join(DAYS)})\b"
)
CLOCK = re.compile(r"\b(\d{1,2})(?::(\d{2}))?\s*(am|pm)\b|\b(\d{1,2}):(\d{2})\b|\b(noon|midnight)\b")
SPAN = re.compile(r"\b(\d+|an?)\s+(minute|hour|day|week|month|year)s?\b")
FILLERS = to_word_set(
    "what what's whats which is was will be it's it the a an of on in at to from and or for please "
    "can could you tell me do does day days date weekday week weeks month months hour hours minute "
    "minutes year years time now right current currently local exact today's there are how many long "
    "till until since between after before ago falls fall fell land lands when come comes convert "
    "calculate compute add subtract plus minus difference left remaining passed go were that hey so "
    "zone timezone number give show find whole exactly have gone by elapsed this its as later earlier "
    "hence if then would i need know get s"
)


class FoundDate(NamedTuple):
    """A date in a text, from index `start` to `end`."""

    start: int
    end: int
    iso: str


def read_date_question(text: str, now: datetime) -> dict[str, Any] | None:
    """Return the arguments of date_time for a question about dates; None when it is about something else."""
    low = replace_number_words(text.lower().replace("’", "'"))
    dates, spans, zones = find_dates(low, now), list(SPAN.finditer(low)), find_timezones(low)
    if not _is_only_about_time(low, dates, zones):
        return None
    return (
        _read_conversion(low, dates, zones, now)
        or _read_difference(low, dates, now)
        or _read_sum(low, dates, spans, now)
        or _read_weekday(low, dates)
        or _read_now(low, zones)
    )


def find_dates(text: str, now: datetime) -> list[FoundDate]:
    """Return the dates in a lower-case text, in order; a weekday or holiday is the next one."""
    result = []
    for match in DATE_FORMS.finditer(text):
        try:
            past = bool(re.search(r"\bsince\s+(?:last\s+)?$", text[: match.start()]))
            day = _to_date(match, now.date(), past)
        except ValueError:
            continue
        result.append(FoundDate(match.start(), match.end(), day.isoformat()))
    return result


def _to_date(match: re.Match[str], today: date, past: bool) -> date:
    """Return the date, or the date-time, of a match of DATE_FORMS; with `past` the last one. Raises ValueError."""
    part = match.groupdict()
    if part["iso"]:
        text = part["iso"].upper()
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    if part["relative"]:
        return today + timedelta(days=RELATIVE[part["relative"]])
    if part["weekday"]:
        ahead = (DAYS[part["weekday"]] - today.weekday()) % 7
        if part["which"] == "last" or past:
            return today + timedelta(days=ahead - 7)
        return today + timedelta(days=ahead or (0 if part["which"] == "this" else 7))
    month, day = HOLIDAYS[part["holiday"]] if part["holiday"] else (
        MONTHS[part["month1"] or part["month2"]], int(part["day1"] or part["day2"]))  # fmt: skip
    year = part["year1"] or part["year2"] or part["year3"]
    if year:
        return date(int(year), month, day)
    return _find_nearest(today, month, day, past)


def _find_nearest(today: date, month: int, day: int, past: bool) -> date:
    """Return the next such day of a year, or with `past` the last one; today counts. Raises ValueError."""
    this_year = date(today.year, month, day)
    if past:
        return this_year if this_year <= today else date(today.year - 1, month, day)
    return this_year if this_year >= today else date(today.year + 1, month, day)


@lru_cache(maxsize=1)
def _zone_index() -> dict[str, str]:
    """Return the IANA zone by city name, in lower case."""
    regions = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    index: dict[str, str] = {}
    for zone in sorted(available_timezones(), key=lambda name: (len(name), name), reverse=True):
        if zone.startswith(regions):
            index[zone.lower()] = zone
            index[zone.rsplit("/", 1)[1].replace("_", " ").lower()] = zone
    return {name: zone for name, zone in (index | ZONES_BY_PLACE).items() if name not in AMBIGUOUS_WORDS}


def find_timezones(text: str) -> list[tuple[str, str]]:
    """Return the places and zones in a lower-case text, in order: (name, IANA zone)."""
    index, tokens = _zone_index(), re.findall(r"[^\s,?!.;:()\"]+", text)
    result: list[tuple[str, str]] = []
    position = 0
    while position < len(tokens):
        for size in (3, 2, 1):
            name = " ".join(tokens[position : position + size])
            if name in index and len(tokens[position : position + size]) == size:
                result.append((name, index[name]))
                position += size - 1
                break
        position += 1
    return result


def _is_only_about_time(text: str, dates: list[FoundDate], zones: list[tuple[str, str]]) -> bool:
    """Return whether nothing but filler words is left without dates, zones (name, IANA zone), spans and times."""
    rest = text
    for moment in reversed(dates):
        rest = f"{rest[: moment.start]} {rest[moment.end :]}"
    for name, _ in zones:
        rest = rest.replace(name, " ")
    rest = SPAN.sub(" ", CLOCK.sub(" ", rest))
    return all(word in FILLERS or word in UNITS for word in re.findall(r"[^\W_][\w']*", rest))


def _read_conversion(
    text: str, dates: list[FoundDate], zones: list[tuple[str, str]], now: datetime
) -> dict[str, Any] | None:
    """Return the arguments that convert a time to the last zone; None without a zone or a time."""
    clock = CLOCK.search(text)
    if not zones or not (clock or (dates and "T" in dates[0].iso)):
        return None
    source = ZoneInfo(zones[0][1]) if len(zones) > 1 else UTC
    if dates and "T" in dates[0].iso:
        moment = datetime.fromisoformat(dates[0].iso)
        if len(zones) > 1 and not moment.tzinfo:
            moment = moment.replace(tzinfo=source)
    else:
        assert clock
        day = date.fromisoformat(dates[0].iso) if dates else now.astimezone(source).date()
        moment = datetime(day.year, day.month, day.day, *_parse_clock(clock), tzinfo=source)
    return {"operation": "convert", "date": moment.isoformat(), "timezone": zones[-1][1]}


def _parse_clock(clock: re.Match[str]) -> tuple[int, int]:
    """Return (hour, minute) of a match of CLOCK: "3:30 pm", "15:30", "noon" or "midnight"."""
    hour12, minute12, half, hour24, minute24, named = clock.groups()
    if named:
        return (12 if named == "noon" else 0), 0
    hour = int(hour12 or hour24)
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return min(hour, 23), min(int(minute12 or minute24 or 0), 59)


def _read_difference(text: str, dates: list[FoundDate], now: datetime) -> dict[str, Any] | None:
    """Return the arguments for the time between two dates, or a date and today; None when it is not requested."""
    is_asked = re.search(
        r"\bhow (?:many|long)\b|\bdifference\b|\bnumber of\b"
        r"|\b(?:days|weeks|months|hours|time) (?:until|till|between|since|left)",
        text,
    )
    if not is_asked or not dates:
        return None
    today = now.date().isoformat()
    if len(dates) > 1:
        first, second = dates[0].iso, dates[1].iso
    elif re.search(r"\b(since|ago|passed|elapsed|gone)\b", text) or dates[0].iso < today:
        first, second = dates[0].iso, today
    else:
        first, second = today, dates[0].iso
    return {"operation": "difference", "date": first, "other": second}


def _read_sum(
    text: str, dates: list[FoundDate], spans: list[re.Match[str]], now: datetime
) -> dict[str, Any] | None:
    """Return the arguments that add spans to a date, or to now, or subtract them; None when it is not requested."""
    backwards = re.search(r"\b(ago|before|subtract|minus|earlier)\b|\d\s+-\s+\d", text)
    forwards = re.search(r"\b(in|from|after|add|plus|later|hence)\b|\+", text)
    if not spans or not (backwards or forwards) or re.search(r"\bhow (many|long)\b", text):
        return None
    sign = -1 if backwards else 1
    amounts: dict[str, int] = {}
    for span in spans:
        count = 1 if span[1] in ("a", "an") else int(span[1])
        unit = UNITS[span[2]]
        amounts[unit] = amounts.get(unit, 0) + sign * count * (12 if span[2] == "year" else 1)
    start = {"date": dates[0].iso} if dates else {"date": now.date().isoformat()}
    if not dates and ("hours" in amounts or "minutes" in amounts):
        start = {}
    return {"operation": "add", **start, **amounts}


def _read_weekday(text: str, dates: list[FoundDate]) -> dict[str, Any] | None:
    """Return the arguments for the weekday of the first date; None when it is not requested."""
    asks = re.search(
        r"^\W*(?:is|was|will)\b.*\ba (?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|weekday)\b", text
    )
    if asks and len(dates) > 1 - ("weekday" in text):
        return {"operation": "weekday", "date": dates[0].iso}
    if not dates or not re.search(
        r"\bday of the week\b|\bweekday\b|\b(?:what|which) day\b|\bon (?:what|which) day\b", text
    ):
        return None
    if re.search(r"\bday is (?:it )?today\b", text):
        return None
    return {"operation": "weekday", "date": dates[0].iso}


def _read_now(text: str, zones: list[tuple[str, str]]) -> dict[str, Any] | None:
    """Return the arguments for the present date or time; None when it is not requested."""
    if re.search(r"\bthat\b", text):
        return None
    zone = {"timezone": zones[-1][1]} if zones else {}
    if re.search(r"\btime\b", text) and not re.search(r"\bhow (many|long)\b", text):
        return {"operation": "now", **zone}
    if re.search(
        r"\b(?:what|what's|which)\b.*\b(?:date|day|year|month|week)\b"
        r"|\b(?:today's|current) date\b|\bdate today\b",
        text,
    ):
        return {"operation": "now", **zone}
    return None
