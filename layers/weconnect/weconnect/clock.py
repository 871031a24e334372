"""The only clock. Tests replace `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def epoch_seconds() -> int:
    """Return the present time in whole seconds since 1970, the form of DynamoDB's TTL."""
    return int(now().timestamp())


def iso(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC with microseconds, which sorts as text in the order of time."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # within a day of the first or the last moment of `datetime`
        moment = (datetime.max if moment.year > 1 else datetime.min).replace(tzinfo=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
