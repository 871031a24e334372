"""Rate limits of API keys. Their exactness under concurrency is tested on the emulator (test_limit_races)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.factories import RegisteredUser, register
from tests.gateway import ApiResponse, Client
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.identity.rows import ApiKeyRow

START = datetime(2026, 11, 22, 13, 59, 30, tzinfo=UTC)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return a list of one: the present time, for a test to replace."""
    moments = [START]
    monkeypatch.setattr(clock, "now", lambda: moments[0])
    return moments


def client_with_limits(person: RegisteredUser, **limit_headers: int) -> Client:
    body = {"name": "ci", "scopes": ["*"], "rateLimits": limit_headers}
    response = person.client.post("/v1/api-keys", body)
    assert response.status == 201, response.text
    return Client(headers={"X-API-Key": response.json["key"]})


def send_requests(client: Client, times: int = 1) -> ApiResponse:
    """Send some requests and return the last response."""
    return [client.get("/v1/users/me") for _ in range(times)][-1]


def limit_headers(response: ApiResponse) -> dict[str, str]:
    names = ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
    return {name: response.headers[name] for name in names if name in response.headers}


def stored_counts() -> dict[str, dict[str, int]]:
    """Return the counters of each row by its sort key: `{"RATE#2026-11-22T13": {"m59": 2}}`."""
    items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    rate_items = [item for item in items if item["sk"]["S"].startswith("RATE#")]
    other_attributes = {"pk", "sk", "kind", "ttl"}
    return {
        item["sk"]["S"]: {
            name: int(value["N"]) for name, value in item.items() if name not in other_attributes
        }
        for item in rate_items
    }


def test_requests_above_the_limit_of_a_minute_are_refused_until_the_next_minute(
    aws: None, time: list[datetime]
) -> None:
    client = client_with_limits(register(), requestsPerMinute=2)
    first = send_requests(client)
    assert first.status == 200
    assert limit_headers(first) == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "1",
        "RateLimit-Reset": "30",
        "RateLimit-Policy": "2;w=60",
    }
    assert limit_headers(send_requests(client))["RateLimit-Remaining"] == "0"
    refused = send_requests(client)
    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert (
        refused.json["detail"]
        == "This API key's limit of 2 requests per minute is used up. Try again in 30 seconds."
    )
    assert limit_headers(refused) == {
        "Retry-After": "30",
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "30",
        "RateLimit-Policy": "2;w=60",
    }
    assert stored_counts() == {"RATE#2026-11-22T13": {"m59": 2}}
    time[0] = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
    assert limit_headers(send_requests(client))["RateLimit-Reset"] == "60"


@pytest.mark.parametrize(
    ("field", "unit", "next_one", "wait"),
    [
        ("requestsPerHour", "hour", datetime(2026, 11, 22, 14, tzinfo=UTC), 30),
        ("requestsPerDay", "day", datetime(2026, 11, 23, tzinfo=UTC), 10 * 3_600 + 30),
    ],
)
def test_hours_and_days_are_those_of_the_clock(
    aws: None, time: list[datetime], field: str, unit: str, next_one: datetime, wait: int
) -> None:
    client = client_with_limits(register(), **{field: 1})
    assert send_requests(client).status == 200
    refused = send_requests(client)
    assert refused.status == 429 and unit in refused.json["detail"]
    assert refused.headers["Retry-After"] == str(wait)
    time[0] = next_one - timedelta(seconds=1)
    assert send_requests(client).status == 429
    time[0] = next_one
    assert send_requests(client).status == 200


def test_all_three_limits_apply_together_and_a_refused_request_is_not_counted(
    aws: None, time: list[datetime]
) -> None:
    client = client_with_limits(register(), requestsPerMinute=2, requestsPerHour=3, requestsPerDay=4)
    hour, day = "RATE#2026-11-22T12", "RATE#2026-11-22"
    time[0] = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    send_requests(client, 2)
    refused = send_requests(client)
    assert refused.headers["RateLimit-Policy"] == "2;w=60, 3;w=3600, 4;w=86400"
    assert "per minute" in refused.json["detail"] and stored_counts() == {
        hour: {"h": 2, "m00": 2},
        day: {"d": 2},
    }
    time[0] += timedelta(minutes=1)
    assert limit_headers(send_requests(client))["RateLimit-Limit"] == "3"
    assert "per hour" in send_requests(client).json["detail"]
    time[0] += timedelta(hours=1)
    assert limit_headers(send_requests(client))["RateLimit-Limit"] == "4"
    refused = send_requests(client)
    assert "per day" in refused.json["detail"] and refused.headers["Retry-After"] == str(
        86_400 - 13 * 3_600 - 60
    )
    assert stored_counts() == {
        hour: {"h": 3, "m00": 2, "m01": 1},
        "RATE#2026-11-22T13": {"h": 1, "m01": 1},
        day: {"d": 4},
    }


def test_a_request_that_the_authorizer_refuses_for_another_reason_is_not_counted(
    aws: None, time: list[datetime]
) -> None:
    person = register()
    client = client_with_limits(person, requestsPerMinute=1)
    foreign = Client(headers={**client.headers, "X-Organization-Id": person.user["id"]})
    assert send_requests(foreign).json["code"] == "wrong_organization"
    assert stored_counts() == {} and send_requests(client).status == 200


def test_a_problem_of_the_route_has_the_limit_headers_too(aws: None, time: list[datetime]) -> None:
    client = client_with_limits(register(), requestsPerMinute=5)
    response = client.post("/v1/agents", {"name": "x"})
    assert response.status == 403 and limit_headers(response)["RateLimit-Remaining"] == "4"


def test_a_key_without_limits_causes_no_write(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_with_limits(register())
    send_requests(client)
    real_call = weconnect_aws.call

    def no_writes(service: str, operation: str, body: Any, **options: Any) -> Any:
        assert operation == "BatchGetItem"
        return real_call(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", no_writes)
    response = send_requests(client)
    assert response.status == 200 and limit_headers(response) == {}


@pytest.mark.parametrize(
    ("rate_limits", "writes"),
    [
        ({"requestsPerHour": 9, "requestsPerMinute": 9}, 1),
        ({"requestsPerDay": 9}, 1),
        ({"requestsPerDay": 9, "requestsPerHour": 9}, 2),
    ],
)
def test_one_write_counts_minute_and_hour_and_a_second_one_the_day(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch, rate_limits: dict[str, int], writes: int
) -> None:
    client = client_with_limits(register(), **rate_limits)
    send_requests(client)
    real_call, updates = weconnect_aws.call, []

    def watched_call(service: str, operation: str, body: Any, **options: Any) -> Any:
        if operation == "UpdateItem":
            assert options == {"attempts": 1}
            updates.append(body)
        return real_call(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", watched_call)
    assert send_requests(client).status == 200 and len(updates) == writes


def test_a_request_that_cannot_be_counted_is_refused(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, real_call = client_with_limits(register(), requestsPerMinute=5), weconnect_aws.call

    def no_writes(service: str, operation: str, body: Any, **options: Any) -> Any:
        if operation == "UpdateItem":
            raise weconnect_aws.AwsError("ThrottlingException", "x", 400)
        return real_call(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", no_writes)
    assert send_requests(client).status == 503


def test_counters_expire_and_a_new_limit_applies_at_once(aws: None, time: list[datetime]) -> None:
    person = register()
    client = client_with_limits(person, requestsPerMinute=9, requestsPerDay=9)
    send_requests(client, 3)
    items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    ttls = {item["sk"]["S"]: int(item["ttl"]["N"]) for item in items if item["sk"]["S"].startswith("RATE#")}
    assert ttls == {
        "RATE#2026-11-22T13": int(START.timestamp()) + 7_200,
        "RATE#2026-11-22": int(START.timestamp()) + 2 * 86_400,
    }
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    path = f"/v1/api-keys/{row.id}"
    assert person.client.patch(path, {"rateLimits": {"requestsPerDay": 3}}).status == 200
    assert send_requests(client).status == 429
    assert person.client.patch(path, {"rateLimits": {}}).status == 200
    assert send_requests(client).status == 200
