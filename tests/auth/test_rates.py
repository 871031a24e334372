"""How often an API key may be used. That it is exact for many at once is shown on the emulator (test_races)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.factories import Registered, registered
from tests.gateway import Answer, Client
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.auth.rows import ApiKeyRow

START = datetime(2026, 11, 22, 13, 59, 30, tzinfo=UTC)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The present time, in a list of one."""
    found = [START]
    monkeypatch.setattr(clock, "now", lambda: found[0])
    return found


def key_of(person: Registered, **limits: int) -> Client:
    body = {"name": "ci", "scopes": ["*"], "rateLimits": limits}
    answer = person.client.post("/v1/api-keys", body)
    assert answer.status == 201, answer.text
    return Client(headers={"X-API-Key": answer.json["key"]})


def use(client: Client, times: int = 1) -> Answer:
    """The last of some requests."""
    return [client.get("/v1/users/me") for _ in range(times)][-1]


def limits(answer: Answer) -> dict[str, str]:
    names = ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
    return {name: answer.headers[name] for name in names if name in answer.headers}


def counts() -> dict[str, dict[str, int]]:
    """The counters' rows by their sort key."""
    items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    rates = [item for item in items if item["sk"]["S"].startswith("RATE#")]
    numbers = {"pk", "sk", "kind", "ttl"}
    return {
        item["sk"]["S"]: {name: int(value["N"]) for name, value in item.items() if name not in numbers}
        for item in rates
    }


def test_a_minute_is_counted_refused_when_full_and_begins_anew(aws: None, time: list[datetime]) -> None:
    client = key_of(registered(), requestsPerMinute=2)
    first = use(client)
    assert first.status == 200
    assert limits(first) == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "1",
        "RateLimit-Reset": "30",
        "RateLimit-Policy": "2;w=60",
    }
    assert limits(use(client))["RateLimit-Remaining"] == "0"
    refused = use(client)
    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert refused.json["detail"] == "This API key's limit of 2 requests per minute is reached"
    assert limits(refused) == {
        "Retry-After": "30",
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "30",
        "RateLimit-Policy": "2;w=60",
    }
    assert counts() == {"RATE#2026-11-22T13": {"m59": 2}}
    time[0] = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
    assert limits(use(client))["RateLimit-Reset"] == "60"


@pytest.mark.parametrize(
    ("field", "unit", "next_one", "wait"),
    [
        ("requestsPerHour", "hour", datetime(2026, 11, 22, 14, tzinfo=UTC), 30),
        ("requestsPerDay", "day", datetime(2026, 11, 23, tzinfo=UTC), 10 * 3_600 + 30),
    ],
)
def test_hours_and_days_are_the_clocks(
    aws: None, time: list[datetime], field: str, unit: str, next_one: datetime, wait: int
) -> None:
    client = key_of(registered(), **{field: 1})
    assert use(client).status == 200
    refused = use(client)
    assert refused.status == 429 and unit in refused.json["detail"]
    assert refused.headers["Retry-After"] == str(wait)
    time[0] = next_one - timedelta(seconds=1)
    assert use(client).status == 429
    time[0] = next_one
    assert use(client).status == 200


def test_all_three_hold_at_once_and_what_is_refused_counts_nowhere(aws: None, time: list[datetime]) -> None:
    client = key_of(registered(), requestsPerMinute=2, requestsPerHour=3, requestsPerDay=4)
    hour, day = "RATE#2026-11-22T12", "RATE#2026-11-22"
    time[0] = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    use(client, 2)
    refused = use(client)
    assert refused.headers["RateLimit-Policy"] == "2;w=60, 3;w=3600, 4;w=86400"
    assert "per minute" in refused.json["detail"] and counts() == {hour: {"h": 2, "m00": 2}, day: {"d": 2}}
    time[0] += timedelta(minutes=1)
    assert limits(use(client))["RateLimit-Limit"] == "3"
    assert "per hour" in use(client).json["detail"]
    time[0] += timedelta(hours=1)
    assert limits(use(client))["RateLimit-Limit"] == "4"
    refused = use(client)
    assert "per day" in refused.json["detail"] and refused.headers["Retry-After"] == str(
        86_400 - 13 * 3_600 - 60
    )
    assert counts() == {
        hour: {"h": 3, "m00": 2, "m01": 1},
        "RATE#2026-11-22T13": {"h": 1, "m01": 1},
        day: {"d": 4},
    }


def test_what_the_authorizer_refuses_otherwise_is_not_counted(aws: None, time: list[datetime]) -> None:
    person = registered()
    client = key_of(person, requestsPerMinute=1)
    foreign = Client(headers={**client.headers, "X-Organization-Id": person.user["id"]})
    assert use(foreign).json["code"] == "wrong_organization"
    assert counts() == {} and use(client).status == 200


def test_problems_of_the_route_carry_what_is_left_too(aws: None, time: list[datetime]) -> None:
    client = key_of(registered(), requestsPerMinute=5)
    answer = client.post("/v1/agents", {"name": "x"})
    assert answer.status == 403 and limits(answer)["RateLimit-Remaining"] == "4"


def test_a_key_without_limits_costs_no_write(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = key_of(registered())
    use(client)
    real = weconnect_aws.call

    def no_writes(service: str, operation: str, body: Any, **options: Any) -> Any:
        assert operation == "BatchGetItem"
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", no_writes)
    answer = use(client)
    assert answer.status == 200 and limits(answer) == {}


@pytest.mark.parametrize(
    ("limits_", "writes"),
    [
        ({"requestsPerHour": 9, "requestsPerMinute": 9}, 1),
        ({"requestsPerDay": 9}, 1),
        ({"requestsPerDay": 9, "requestsPerHour": 9}, 2),
    ],
)
def test_one_write_counts_and_a_second_for_the_day(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch, limits_: dict[str, int], writes: int
) -> None:
    client = key_of(registered(), **limits_)
    use(client)
    real, seen = weconnect_aws.call, []

    def watched(service: str, operation: str, body: Any, **options: Any) -> Any:
        if operation == "UpdateItem":
            assert options == {"attempts": 1}
            seen.append(body)
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", watched)
    assert use(client).status == 200 and len(seen) == writes


def test_what_cannot_be_counted_is_refused(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, real = key_of(registered(), requestsPerMinute=5), weconnect_aws.call

    def no_writes(service: str, operation: str, body: Any, **options: Any) -> Any:
        if operation == "UpdateItem":
            raise weconnect_aws.AwsError("ThrottlingException", "x", 400)
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", no_writes)
    assert use(client).status == 503


def test_counters_end_with_their_ttl_and_a_new_limit_holds_at_once(aws: None, time: list[datetime]) -> None:
    person = registered()
    client = key_of(person, requestsPerMinute=9, requestsPerDay=9)
    use(client, 3)
    items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    ttls = {item["sk"]["S"]: int(item["ttl"]["N"]) for item in items if item["sk"]["S"].startswith("RATE#")}
    assert ttls == {
        "RATE#2026-11-22T13": int(START.timestamp()) + 7_200,
        "RATE#2026-11-22": int(START.timestamp()) + 2 * 86_400,
    }
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    path = f"/v1/api-keys/{row.id}"
    assert person.client.patch(path, {"rateLimits": {"requestsPerDay": 3}}).status == 200
    assert use(client).status == 429
    assert person.client.patch(path, {"rateLimits": {}}).status == 200
    assert use(client).status == 200
