"""Rate limits of API keys: per minute, hour and day of the clock (UTC), exact under concurrency.

One conditional update counts the minute and the hour, another one the day if that is limited. A refused request counts
nowhere: a full day takes back what the minute and the hour have counted. The authorizer runs this before each request,
so this module makes its own calls and does not import PynamoDB.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from weconnect import aws, clock
from weconnect.auth.errors import RateLimited
from weconnect.auth.rate_windows import SECONDS_BY_UNIT, RateWindow, build_headers
from weconnect.errors import Unavailable
from weconnect.identity import keys
from weconnect.redaction import get_plain_logger
from weconnect.settings import settings

_logger = get_plain_logger(__name__)
_FIELDS_BY_UNIT = {"minute": "requests_per_minute", "hour": "requests_per_hour", "day": "requests_per_day"}


def count_request(key_hash: str, rate_limits: Mapping[str, Any]) -> dict[str, str]:
    """Count one request of an API key and return the RateLimit headers; none for a key without limits.

    `rate_limits` is the key's `{"requests_per_minute": 60, …}`. Raises RateLimited when a limit is used up, and
    Unavailable when the request cannot be counted.
    """
    limits = {
        unit: int(rate_limits[field])
        for unit, field in _FIELDS_BY_UNIT.items()
        if rate_limits.get(field) is not None
    }
    if not limits:
        return {}
    moment = clock.now()
    used: dict[str, int] = {}
    hour_limits = {unit: limit for unit, limit in limits.items() if unit != "day"}
    if hour_limits:
        used |= _count(key_hash, moment, hour_limits, limits)
    if "day" in limits:
        try:
            used |= _count(key_hash, moment, {"day": limits["day"]}, limits)
        except BaseException:
            if hour_limits:
                _undo_count(key_hash, moment, hour_limits)
            raise
    windows = [_build_window(unit, limits[unit], used[unit], moment) for unit in limits]
    return build_headers(windows, _list_policies(limits))


def _count(
    key_hash: str, moment: datetime, row_limits: dict[str, int], all_limits: dict[str, int]
) -> dict[str, int]:
    """Add one to each counter of a row if all of them are below their limits; return the new counts by unit."""
    fields = {unit: _name_counter_field(unit, moment) for unit in row_limits}
    conditions = [f"(attribute_not_exists({field}) OR {field} < :{unit})" for unit, field in fields.items()]
    window_seconds = SECONDS_BY_UNIT["day" if "day" in row_limits else "hour"]
    values = {":one": 1, ":ttl": int(moment.timestamp()) + 2 * window_seconds}
    values |= {f":{unit}": limit for unit, limit in row_limits.items()}
    request = _build_update_request(key_hash, moment, row_limits) | {
        "UpdateExpression": "SET kind = :kind, #ttl = if_not_exists(#ttl, :ttl) ADD "
        + ", ".join(f"{field} :one" for field in fields.values()),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": _to_number_values(values) | {":kind": {"S": "RATE"}},
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    try:
        item = aws.call("dynamodb", "UpdateItem", request, attempts=1)["Attributes"]
    except aws.AwsError as error:
        if error.code != "ConditionalCheckFailedException":
            raise Unavailable("The request cannot be counted at present. Try again shortly.") from error
        item = error.details.get("Item", {})
        used = {unit: int(item.get(field, {}).get("N", 0)) for unit, field in fields.items()}
        full = [unit for unit, limit in row_limits.items() if used[unit] >= limit] or list(row_limits)
        windows = [_build_window(unit, row_limits[unit], row_limits[unit], moment) for unit in full]
        raise _build_rate_limited(windows, all_limits) from None
    return {unit: int(item[field]["N"]) for unit, field in fields.items()}


def _undo_count(key_hash: str, moment: datetime, row_limits: dict[str, int]) -> None:
    """Subtract a request again. A failure leaves it counted: a key may get one request less, never one more."""
    fields = [_name_counter_field(unit, moment) for unit in row_limits]
    request = _build_update_request(key_hash, moment, row_limits) | {
        "UpdateExpression": "ADD " + ", ".join(f"{field} :less" for field in fields),
        "ConditionExpression": " AND ".join(f"{field} > :zero" for field in fields),
        "ExpressionAttributeValues": _to_number_values({":less": -1, ":zero": 0}),
    }
    try:
        aws.call("dynamodb", "UpdateItem", request, attempts=1)
    except aws.AwsError:
        _logger.warning("rate limit count not undone", exc_info=True)


def _build_update_request(key_hash: str, moment: datetime, row_limits: dict[str, int]) -> dict[str, Any]:
    """Return the table and key of an UpdateItem for the row of this hour, or of this day for a limit per day."""
    form = "%Y-%m-%d" if "day" in row_limits else "%Y-%m-%dT%H"
    pk, sk = keys.api_key_rate(key_hash, moment.strftime(form))
    return {"TableName": settings.table_name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}


def _name_counter_field(unit: str, moment: datetime) -> str:
    """Return the row's field that counts requests in a unit: `m00` to `m59` for the minute, `h`, or `d`."""
    return f"m{moment.minute:02d}" if unit == "minute" else unit[0]


def _to_number_values(values: dict[str, int]) -> dict[str, Any]:
    """Return numbers in DynamoDB's JSON, by the same names: `{":one": {"N": "1"}}`."""
    return {name: {"N": str(value)} for name, value in values.items()}


def _build_window(unit: str, limit: int, used: int, moment: datetime) -> RateWindow:
    """Return the minute, hour or day (UTC) that contains `moment`, with the requests and the seconds left in it."""
    start = moment.replace(second=0, microsecond=0)
    start = start if unit == "minute" else start.replace(minute=0)
    start = start.replace(hour=0) if unit == "day" else start
    time_left = start + timedelta(seconds=SECONDS_BY_UNIT[unit]) - moment
    return RateWindow(unit, limit, max(0, limit - used), ceil(time_left.total_seconds()))


def _list_policies(limits: dict[str, int]) -> list[str]:
    """Return all limits of a key as policies of the RateLimit headers."""
    return [RateWindow(unit, limit, limit, 0).policy for unit, limit in limits.items()]


def _build_rate_limited(full_windows: list[RateWindow], limits: dict[str, int]) -> RateLimited:
    """Return the RateLimited problem, whose Retry-After is that of the full window that ends last."""
    longest = max(full_windows, key=lambda window: window.reset_seconds)
    return RateLimited(
        f"This API key's limit of {longest.limit} requests per {longest.unit} is used up. "
        f"Try again in {longest.reset_seconds} seconds.",
        headers={
            "Retry-After": str(longest.reset_seconds),
            **build_headers(full_windows, _list_policies(limits)),
        },
    )
