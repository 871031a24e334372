"""The calendar periods of execution limits, in UTC."""

from datetime import UTC, datetime, timedelta

from weconnect.identity.entities import LimitType


def period_containing(limit_type: LimitType, moment: datetime) -> tuple[datetime, datetime]:
    """Return the start and the end of the hour, day, month or year that contains `moment`."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if limit_type == LimitType.HOURLY:
        return hour, hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    if limit_type == LimitType.DAILY:
        return day, day + timedelta(days=1)
    month = day.replace(day=1)
    if limit_type == LimitType.MONTHLY:
        return month, (month + timedelta(days=32)).replace(day=1)
    year = month.replace(month=1)
    return year, year.replace(year=year.year + 1)
