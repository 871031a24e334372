"""The only clock. Tests replace `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present time in UTC."""
    return datetime.now(UTC)


def epoch() -> int:
    """The present time in whole seconds since 1970, as DynamoDB's TTL wants it."""
    return int(now().timestamp())


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: sorts as text in the order of time."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # within a day of the first or the last moment that there is
        moment = (datetime.max if moment.year > 1 else datetime.min).replace(tzinfo=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
