"""How often an API key may be used: per minute, hour and day of the clock (UTC), exact under concurrency.

One conditional update counts the minute and the hour, another the day where that is limited. What is refused counts
nowhere: a full day takes back what the minute and the hour had counted. The authorizer runs this before each request,
so it makes its own calls and imports no PynamoDB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from weconnect import aws, clock
from weconnect.errors import LimitReached, Unavailable
from weconnect.identity import keys
from weconnect.settings import settings

SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
_FIELDS = {"minute": "requests_per_minute", "hour": "requests_per_hour", "day": "requests_per_day"}


@dataclass(frozen=True)
class Window:
    """One limit and what is left of it; `reset` is in seconds from now."""

    unit: str
    limit: int
    remaining: int
    reset: int


def take(key_hash: str, rate_limits: Mapping[str, Any]) -> dict[str, str]:
    """Count one request of a key; answers the RateLimit headers, or none for a key without limits.

    Raises LimitReached `rate_limited` with Retry-After when a limit is full, Unavailable when nothing can be counted.
    """
    allowed = {
        unit: int(rate_limits[field]) for unit, field in _FIELDS.items() if rate_limits.get(field) is not None
    }
    if not allowed:
        return {}
    moment = clock.now()
    used: dict[str, int] = {}
    of_hour = {unit: limit for unit, limit in allowed.items() if unit != "day"}
    if of_hour:
        used |= _count(key_hash, moment, of_hour, allowed)
    if "day" in allowed:
        try:
            used |= _count(key_hash, moment, {"day": allowed["day"]}, allowed)
        except BaseException:
            if of_hour:
                _give_back(key_hash, moment, of_hour)
            raise
    return _headers([_window(unit, allowed[unit], used[unit], moment) for unit in allowed], allowed)


def _count(
    key_hash: str, moment: datetime, limits: dict[str, int], allowed: dict[str, int]
) -> dict[str, int]:
    """Add one to each of a row's counters under the condition that all of them have room; the new numbers."""
    fields = {unit: _field(unit, moment) for unit in limits}
    conditions = [f"(attribute_not_exists({field}) OR {field} < :{unit})" for unit, field in fields.items()]
    lasts = SECONDS["day" if "day" in limits else "hour"]
    values = {":one": 1, ":ttl": int(moment.timestamp()) + 2 * lasts}
    request = _request(key_hash, moment, limits) | {
        "UpdateExpression": "SET kind = :kind, #ttl = if_not_exists(#ttl, :ttl) ADD "
        + ", ".join(f"{field} :one" for field in fields.values()),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": _numbers(values | {f":{unit}": limit for unit, limit in limits.items()})
        | {":kind": {"S": "RATE"}},
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    try:
        found = aws.call("dynamodb", "UpdateItem", request, attempts=1)["Attributes"]
    except aws.AwsError as error:
        if error.code != "ConditionalCheckFailedException":
            raise Unavailable("Requests cannot be counted now; try again shortly") from error
        item = error.details.get("Item", {})
        used = {unit: int(item.get(field, {}).get("N", 0)) for unit, field in fields.items()}
        full = [unit for unit, limit in limits.items() if used[unit] >= limit] or list(limits)
        raise _refusal(
            [_window(unit, limits[unit], limits[unit], moment) for unit in full], allowed
        ) from None
    return {unit: int(found[field]["N"]) for unit, field in fields.items()}


def _give_back(key_hash: str, moment: datetime, limits: dict[str, int]) -> None:
    """Take one off again. What fails here stays counted: a key may get one request less, never one more."""
    fields = [_field(unit, moment) for unit in limits]
    request = _request(key_hash, moment, limits) | {
        "UpdateExpression": "ADD " + ", ".join(f"{field} :less" for field in fields),
        "ConditionExpression": " AND ".join(f"{field} > :zero" for field in fields),
        "ExpressionAttributeValues": _numbers({":less": -1, ":zero": 0}),
    }
    try:
        aws.call("dynamodb", "UpdateItem", request, attempts=1)
    except aws.AwsError:
        from weconnect.log import logger  # only failures pay for it

        logger.warning("a request was not given back", exc_info=True)


def _request(key_hash: str, moment: datetime, limits: dict[str, int]) -> dict[str, Any]:
    form = "%Y-%m-%d" if "day" in limits else "%Y-%m-%dT%H"
    pk, sk = keys.api_key_rate(key_hash, moment.strftime(form))
    return {"TableName": settings.table_name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}


def _field(unit: str, moment: datetime) -> str:
    return f"m{moment.minute:02d}" if unit == "minute" else unit[0]


def _numbers(values: dict[str, int]) -> dict[str, Any]:
    return {name: {"N": str(value)} for name, value in values.items()}


def _window(unit: str, limit: int, used: int, moment: datetime) -> Window:
    start = moment.replace(second=0, microsecond=0)
    start = start if unit == "minute" else start.replace(minute=0)
    start = start.replace(hour=0) if unit == "day" else start
    left = start + timedelta(seconds=SECONDS[unit]) - moment
    return Window(unit, limit, max(0, limit - used), ceil(left.total_seconds()))


def _headers(windows: list[Window], allowed: dict[str, int]) -> dict[str, str]:
    """The IETF draft's fields: the limit that is nearest to its end, and all of them as the policy."""
    nearest = min(windows, key=lambda window: (window.remaining, -window.reset))
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset),
        "RateLimit-Policy": ", ".join(f"{limit};w={SECONDS[unit]}" for unit, limit in allowed.items()),
    }


def _refusal(full: list[Window], allowed: dict[str, int]) -> LimitReached:
    longest = max(full, key=lambda window: window.reset)
    return LimitReached(
        f"This API key's limit of {longest.limit} requests per {longest.unit} is reached",
        code="rate_limited",
        headers={"Retry-After": str(longest.reset), **_headers(full, allowed)},
    )
