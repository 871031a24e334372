"""Limits of requests a minute of organizations and users, which the authorizer counts in memory and in one row."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.auth.test_authorizer import client_with_key, context
from tests.factories import RegisteredUser, add_member, register
from tests.gateway import Client
from tests.organizations.organization_helpers import set_plan
from weconnect import aws, clock, ids
from weconnect.auth import request_rates
from weconnect.auth.errors import RateLimited
from weconnect.identity import keys

MINUTE = 30_000_000
CONTEXT = {"organizationId": "o", "userId": "u", "operator": ""}


class Table:
    """The rows of counts, and of organizations with the limits of `limits`; `is_down` makes every call fail."""

    def __init__(self, limits: tuple[int, int]) -> None:
        self.limits, self.calls = limits, list[str]()
        self.sums: dict[tuple[str, str, str], int] = {}
        self.ttl, self.is_down = 0, False

    def __call__(self, service: str, operation: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.calls.append(operation)
        if self.is_down:
            raise aws.AwsError("ConnectionFailed", "dynamodb: TimeoutError", 0)
        if operation == "GetItem":
            own = {"max_requests_per_minute": self.limits[0], "max_user_requests_per_minute": self.limits[1]}
            return {"Item": {"plan": {"S": "free"}, "planLimits": {"S": json.dumps(own)}}}
        values = {name: int(value.get("N", 0)) for name, value in body["ExpressionAttributeValues"].items()}
        self.ttl = values.pop(":ttl")
        changed = {}
        for name, number in values.items():
            if name != ":kind":
                at = (body["Key"]["pk"]["S"], body["Key"]["sk"]["S"], name[1:])
                self.sums[at] = self.sums.get(at, 0) + number
                changed[name[1:]] = {"N": str(self.sums[at])}
        return {"Attributes": changed}


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return the seconds of a clock, which a test may change, and a process that has counted nothing."""
    seconds = [MINUTE * 60]
    monkeypatch.setattr(request_rates, "_counts_by_organization", {})
    monkeypatch.setattr(clock, "epoch_seconds", lambda: seconds[0])
    yield seconds


def use_table(monkeypatch: pytest.MonkeyPatch, organization: int, user: int) -> Table:
    table = Table((organization, user))
    monkeypatch.setattr(aws, "call", table)
    return table


def count(number: int, user_id: str = "u", organization_id: str = "o") -> int:
    """Count requests until one is refused; return how many were not."""
    for done in range(number):
        try:
            request_rates.count_request({**CONTEXT, "userId": user_id, "organizationId": organization_id})
        except RateLimited:
            return done
    return number


def test_most_requests_need_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    table = use_table(monkeypatch, 10_000, 10_000)
    assert count(1_000) == 1_000
    assert table.calls[:2] == ["GetItem", "UpdateItem"]
    assert len(table.calls) <= 2 + 1_000 / request_rates.MAX_FLUSHED
    table.calls.clear()
    assert count(3, organization_id="rare") == 3 and table.calls == [], "few requests need none at all"


def test_the_limits_of_user_and_organization_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    use_table(monkeypatch, 150, 100)
    assert count(1_000) == 100
    assert count(1_000, "other") == 50
    assert count(1_000, "third") == 0
    assert count(1_000, organization_id="another") == 100


def test_processes_learn_what_the_others_have_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    use_table(monkeypatch, 400, -1)
    processes: list[dict[str, Any]] = [{} for _ in range(5)]
    done = 0
    for _ in range(400):
        for counts in processes:
            monkeypatch.setattr(request_rates, "_counts_by_organization", counts)
            done += count(1)
    assert 400 <= done <= 400 + 5 * request_rates.MAX_FLUSHED


def test_a_refusal_costs_no_call_and_ends_with_the_minute(
    monkeypatch: pytest.MonkeyPatch, moment: list[int]
) -> None:
    table = use_table(monkeypatch, 100, -1)
    count(1_000)
    table.calls.clear()
    moment[0] += 20
    with pytest.raises(RateLimited) as refusal:
        request_rates.count_request(CONTEXT)
    assert refusal.value.headers == {
        "Retry-After": "40",
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "40",
        "RateLimit-Policy": "100;w=60",
    }
    assert count(1_000) == 0 and table.calls == []
    moment[0] += 40
    assert count(1_000) == 100
    assert table.ttl == (MINUTE + 1) * 60 + request_rates.KEEP_SECONDS


def test_counts_that_cannot_be_added_refuse_nobody_and_are_added_later(
    monkeypatch: pytest.MonkeyPatch, moment: list[int]
) -> None:
    table = use_table(monkeypatch, 1_000, -1)
    table.is_down = True
    assert count(200) == 200
    assert len(table.calls) == 1, "not a call for each request"
    table.is_down = False
    moment[0] += request_rates.FLUSH_SECONDS
    count(1)
    assert table.sums[*keys.request_counts("o", MINUTE), "total"] == 201


def test_changed_limits_apply_after_five_minutes(monkeypatch: pytest.MonkeyPatch, moment: list[int]) -> None:
    table = use_table(monkeypatch, -1, -1)
    assert count(1_000) == 1_000 and table.calls == ["GetItem"], "nothing to count"
    table.limits = (100, -1)
    moment[0] += request_rates.LIMITS_SECONDS
    assert 100 <= count(1_000) <= 100 + request_rates.MIN_FLUSHED


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    use_table(monkeypatch, 10**9, 10**9)
    for _ in range(request_rates.MAX_ORGANIZATIONS + 50):
        count(1, organization_id=str(uuid4()))
    assert len(request_rates._counts_by_organization) == request_rates.MAX_ORGANIZATIONS
    for _ in range(3 * request_rates.MAX_USERS):
        count(1, str(uuid4()))
    counts = request_rates._counts_by_organization["o"]
    assert len(counts.pending) + len(counts.total_by_user) <= 2 * request_rates.MAX_USERS + 1


def test_tokens_keys_and_members_share_the_limit_of_their_organization(me: RegisteredUser) -> None:
    set_plan(me, "free", max_requests_per_minute=20, max_user_requests_per_minute=12)
    member = register()
    add_member(member, me, "member")
    key = client_with_key(me)
    request_rates._counts_by_organization.clear()
    answers = [(me.client, key)[number % 2].get("/v1/users/me") for number in range(16)]
    assert [answer.status for answer in answers] == [200] * 12 + [429] * 4
    assert (answers[-1].json["code"], answers[-1].headers["Retry-After"]) == ("rate_limited", "60")
    assert answers[-1].json["detail"].startswith("This user's limit of 12 requests per minute")
    assert answers[10].headers["RateLimit-Policy"] == "20;w=60, 12;w=60"
    assert [member.client.get("/v1/users/me").status for _ in range(10)] == [200] * 8 + [429] * 2
    assert "The organization's limit of 20" in member.client.get("/v1/users/me").json["detail"]


def test_a_key_with_limits_of_its_own_shows_those(me: RegisteredUser) -> None:
    set_plan(me, "free", max_requests_per_minute=20)
    key = client_with_key(me, rateLimits={"requestsPerMinute": 7})
    assert [key.get("/v1/users/me").headers["RateLimit-Limit"] for _ in range(6)] == ["7"] * 6


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("has_key", [False, True])
def test_a_request_that_is_refused_with_valid_credentials_counts(
    me: RegisteredUser, method: str, has_key: bool
) -> None:
    set_plan(me, "free", max_user_requests_per_minute=8)
    client = client_with_key(me) if has_key else me.client
    request_rates._counts_by_organization.clear()
    elsewhere = {"X-Organization-Id": str(ids.new_id())}
    answers = [client.call(method, "/v1/workflows", {}, headers=elsewhere) for _ in range(12)]
    assert [answer.status for answer in answers] == [403] * 8 + [429] * 4
    assert client.get("/v1/workflows").json["code"] == "rate_limited"


def test_operators_and_requests_without_valid_credentials_are_not_counted(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = use_table(monkeypatch, 10, 10)
    operator = {**CONTEXT, "operator": "true"}
    assert [request_rates.count_request(operator) for _ in range(50)] == [{}] * 50
    for _ in range(50):
        context(Client(headers={"Authorization": "Bearer x.y.z"}))
    assert table.calls == [] and request_rates._counts_by_organization == {}
