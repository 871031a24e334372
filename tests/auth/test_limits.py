"""Execution limits: set, read, and counted at the start of a run. Races stand in tests/integration."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.factories import Registered, join, registered
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.entities import ExecutionLimit, ExecutionLimitChanges, LimitType
from weconnect.auth.limits import enforcement, execution_limits
from weconnect.auth.rows import ExecutionLimitRow
from weconnect.db import registry as rows
from weconnect.db import table
from weconnect.errors import LimitReached, Unavailable
from weconnect.identity import periods
from weconnect.organizations.rows import OrganizationRow, UsageRow

START = datetime(2026, 11, 22, 13, 59, 30, tzinfo=UTC)
assert rows


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The present time, in a list of one."""
    found = [START]
    monkeypatch.setattr(clock, "now", lambda: found[0])
    return found


def caller(person: Registered) -> Caller:
    return Caller(UUID(person.user["id"]), UUID(person.organization["id"]), "owner", frozenset({"*"}))


def take(person: Registered) -> enforcement.Taken:
    """Read and count, as the start of a run does."""
    who = caller(person)
    return enforcement.take(who, table.get_many(enforcement.keys(who)))


def limit(person: Registered, kind: str, **body: Any) -> dict[str, Any]:
    answer = person.client.put(f"/v1/execution-limits/{person.user['id']}/{kind}", body)
    assert answer.status == 200, answer.text
    return answer.json  # type: ignore[no-any-return]


def current(person: Registered) -> dict[str, int]:
    items = person.client.get("/v1/execution-limits").json["items"]
    return {item["limitType"]: item["currentExecutions"] for item in items}


def used(person: Registered, month: str = "2026-11") -> int:
    row = table.get(UsageRow, UsageRow.at(person.organization["id"], month))
    return int(row.executions) if row else 0


def plan(person: Registered, **values: Any) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    table.change(row, values, {})


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("hourly", "2026-11-22T13:00", "2026-11-22T14:00"),
        ("daily", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("monthly", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_periods_are_the_calendars_in_utc(kind: str, start: str, end: str) -> None:
    found = periods.of(LimitType(kind), START)
    assert [moment.strftime("%Y-%m-%dT%H:%M") for moment in found] == [start, end]


def test_december_ends_in_january() -> None:
    _, end = periods.of(LimitType.MONTHLY, datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert end == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_limit_is_set_read_and_changed(aws: None, time: list[datetime]) -> None:
    person = registered()
    made = limit(person, "hourly", maxExecutions=2)
    assert (made["remainingExecutions"], made["isExceeded"], made["isActive"], made["version"]) == (
        2,
        False,
        True,
        1,
    )
    assert (made["periodStart"], made["periodEnd"]) == ("2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z")
    take(person)
    changed = limit(person, "hourly", maxExecutions=1)
    assert (changed["currentExecutions"], changed["isExceeded"], changed["version"]) == (1, True, 2)
    path = f"/v1/execution-limits/{person.user['id']}/hourly"
    assert person.client.put(path, {"maxExecutions": 3}, headers={"If-Match": '"1"'}).status == 412
    assert person.client.put(path, {"maxExecutions": 3}, headers={"If-Match": '"2"'}).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("hourly", {"maxExecutions": -1}),
        ("hourly", {"maxExecutions": 1.5}),
        ("hourly", {}),
        ("hourly", {"maxExecutions": 1, "currentExecutions": 0}),
        ("weekly", {"maxExecutions": 1}),
    ],
)
def test_what_is_wrong_with_a_limit_is_refused(aws: None, path: str, body: dict[str, Any]) -> None:
    person = registered()
    assert person.client.put(f"/v1/execution-limits/{person.user['id']}/{path}", body).status == 422


def test_only_managers_set_limits_and_only_for_members(aws: None) -> None:
    owner, member, stranger = registered(), registered(), registered()
    join(member, owner, "member")
    body = {"maxExecutions": 1}
    own = f"/v1/execution-limits/{member.user['id']}/daily"
    assert member.client.put(own, body).json["code"] == "permission_missing"
    assert owner.client.put(own, body).status == 200
    assert owner.client.put(f"/v1/execution-limits/{stranger.user['id']}/daily", body).status == 404
    query = f"?userId={member.user['id']}"
    assert [item["limitType"] for item in owner.client.get(f"/v1/execution-limits{query}").json["items"]] == [
        "daily"
    ]
    assert member.client.get(f"/v1/execution-limits?userId={owner.user['id']}").status == 403
    assert stranger.client.get(f"/v1/execution-limits{query}").status == 404
    assert len(member.client.get("/v1/execution-limits").json["items"]) == 1
    assert owner.client.get("/v1/execution-limits").json["items"] == []


def test_a_full_limit_refuses_says_which_and_until_when(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=2)
    limit(person, "daily", maxExecutions=9)
    take(person)
    take(person)
    with pytest.raises(LimitReached) as refused:
        take(person)
    assert (refused.value.code, refused.value.headers) == ("execution_limit_reached", {"Retry-After": "30"})
    assert refused.value.detail == (
        "Your hourly limit of 2 executions is reached; it starts again at 2026-11-22T14:00:00Z"
    )
    assert current(person) == {"hourly": 2, "daily": 2} and used(person) == 2


def test_what_was_taken_before_the_refusal_is_given_back(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=9)
    limit(person, "yearly", maxExecutions=0)
    with pytest.raises(LimitReached, match="yearly"):
        take(person)
    assert current(person) == {"hourly": 0, "yearly": 0} and used(person) == 0


def test_a_new_period_starts_by_itself(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=1)
    take(person)
    with pytest.raises(LimitReached):
        take(person)
    time[0] = datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC)
    item = person.client.get("/v1/execution-limits").json["items"][0]
    assert (item["currentExecutions"], item["periodStart"]) == (0, "2026-11-22T14:00:00Z")
    take(person)
    item = person.client.get("/v1/execution-limits").json["items"][0]
    assert (item["currentExecutions"], item["periodEnd"], item["version"]) == (1, "2026-11-22T15:00:00Z", 1)
    with pytest.raises(LimitReached):
        take(person)


def test_a_clock_that_lags_counts_in_the_period_that_has_begun(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=2)
    time[0] = datetime(2026, 11, 22, 14, 0, 1, tzinfo=UTC)
    take(person)
    time[0] = START
    take(person)
    with pytest.raises(LimitReached):
        take(person)


def test_stale_rows_do_not_mislead(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=1)
    who = caller(person)
    before = table.get_many(enforcement.keys(who))
    take(person)
    with pytest.raises(LimitReached):
        enforcement.take(who, before)
    time[0] = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
    take(person)
    with pytest.raises(LimitReached):
        enforcement.take(who, before)
    assert current(person) == {"hourly": 1}


@pytest.mark.parametrize("gone", ["deleted", "inactive"])
def test_a_limit_that_ended_meanwhile_limits_nothing(aws: None, time: list[datetime], gone: str) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=1)
    who = caller(person)
    before = table.get_many(enforcement.keys(who))
    take(person)
    if gone == "inactive":
        limit(person, "hourly", maxExecutions=1, isActive=False)
    else:
        ExecutionLimitRow.get(
            *ExecutionLimitRow.at(who.organization_id, who.user_id, LimitType.HOURLY)
        ).delete()
    enforcement.take(who, before)
    take(person)
    assert used(person) == 3


def test_the_plans_month_is_a_limit_too(aws: None, time: list[datetime]) -> None:
    person = registered()
    plan(person, plan="free")
    table.create(_usage(person, 99), {})
    taken = take(person)
    assert taken.retention_days == 7
    with pytest.raises(LimitReached) as refused:
        take(person)
    assert "plan allows 100 executions a month" in refused.value.detail
    assert refused.value.headers["Retry-After"] == str(8 * 86_400 + 10 * 3_600 + 30)
    time[0] = datetime(2026, 12, 1, tzinfo=UTC)
    take(person)
    assert (used(person), used(person, "2026-12")) == (100, 1)


def test_an_unlimited_plan_counts_all_the_same(aws: None, time: list[datetime]) -> None:
    person = registered()
    take(person)
    found = person.client.get(f"/v1/organizations/{person.organization['id']}").json
    assert (found["currentMonthExecutions"], found["executionResetDate"]) == (1, "2026-12-01T00:00:00Z")


@pytest.mark.parametrize(("allowed", "starts"), [(0, 0), (2, 2)])
def test_an_organizations_own_limits_win_over_its_plan(
    aws: None, time: list[datetime], allowed: int, starts: int
) -> None:
    person = registered()
    own = {
        "max_workflows": 1,
        "max_executions_per_month": allowed,
        "max_team_members": 1,
        "max_credentials": 1,
        "max_agents": 1,
        "max_workflow_complexity": 1,
        "max_concurrent_executions": 1,
        "retention_days": 90,
    }
    plan(person, plan_limits=own, custom_settings={"workflow": {"default_retention": 14}})
    for _ in range(starts):
        assert take(person).retention_days == 14
    with pytest.raises(LimitReached):
        take(person)
    assert used(person) == allowed


def test_a_failed_put_gives_back(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=1)
    taken = take(person)
    taken.give_back()
    taken.give_back()
    assert current(person) == {"hourly": 0} and used(person) == 0
    take(person)


def test_giving_back_in_the_next_period_takes_nothing_from_it(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=2)
    taken = take(person)
    time[0] = datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC)
    take(person)
    taken.give_back()
    assert current(person) == {"hourly": 1} and used(person) == 1


def test_counts_are_sent_once_and_a_failure_gives_back(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = registered()
    limit(person, "hourly", maxExecutions=5)
    real, seen = weconnect_aws.call, []

    def flaky(service: str, operation: str, body: Any, **options: Any) -> Any:
        assert options == {"attempts": 1}
        seen.append(operation)
        if len(seen) == 2:
            raise weconnect_aws.AwsError("ThrottlingException", "x", 400)
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", flaky)
    with pytest.raises(Unavailable):
        take(person)
    assert seen == ["UpdateItem"] * 3
    assert current(person) == {"hourly": 0} and used(person) == 0


def _usage(person: Registered, number: int) -> UsageRow:
    pk, sk = UsageRow.at(person.organization["id"], "2026-11")
    return UsageRow(pk=pk, sk=sk, executions=number)


# Every kind of period, lower limits, removal


def put(person: Registered, kind: str, maximum: int) -> ExecutionLimit:
    """Set a limit below the routes, whose access tokens end after 15 minutes."""
    who = caller(person)
    changes = ExecutionLimitChanges(max_executions=maximum)
    return execution_limits.put(who, who.user_id, LimitType(kind), changes, None)


def counted(person: Registered) -> list[int]:
    return [item.current_executions for item in execution_limits.find(caller(person), None).items]


@pytest.mark.parametrize(
    ("kind", "last", "first"),
    [
        ("hourly", datetime(2026, 11, 22, 13, 59, 59, tzinfo=UTC), datetime(2026, 11, 22, 14, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("monthly", datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        ("yearly", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("monthly", datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_each_kind_of_limit_holds_to_the_last_second_of_its_period(
    aws: None, time: list[datetime], kind: str, last: datetime, first: datetime
) -> None:
    person = registered()
    time[0] = periods.of(LimitType(kind), last)[0]
    put(person, kind, 1)
    take(person)
    time[0] = last
    with pytest.raises(LimitReached, match=kind) as refused:
        take(person)
    assert refused.value.headers["Retry-After"] == "1"
    time[0] = first
    assert counted(person) == [0]
    take(person)
    assert counted(person) == [1]
    with pytest.raises(LimitReached, match=kind):
        take(person)


def test_a_limit_below_its_use_is_taken_and_refuses_the_next_start(aws: None, time: list[datetime]) -> None:
    person = registered()
    limit(person, "daily", maxExecutions=5)
    for _ in range(3):
        take(person)
    lowered = limit(person, "daily", maxExecutions=2)
    assert (lowered["currentExecutions"], lowered["remainingExecutions"], lowered["isExceeded"]) == (
        3,
        0,
        True,
    )
    with pytest.raises(LimitReached):
        take(person)
    assert current(person) == {"daily": 3}
    limit(person, "daily", maxExecutions=4)
    take(person)
    with pytest.raises(LimitReached):
        take(person)
    time[0] = datetime(2026, 11, 23, tzinfo=UTC)
    assert put(person, "daily", 2).current_executions == 0
    take(person)


def test_a_removed_limit_limits_nothing_and_forgets_what_it_counted(aws: None, time: list[datetime]) -> None:
    owner, member = registered(), registered()
    join(member, owner, "member")
    path = f"/v1/execution-limits/{member.user['id']}/monthly"
    assert owner.client.put(path, {"maxExecutions": 0}).status == 200
    who = Caller(UUID(member.user["id"]), UUID(owner.organization["id"]), "member", frozenset({"*"}))
    with pytest.raises(LimitReached):
        enforcement.take(who, table.get_many(enforcement.keys(who)))
    assert member.client.delete(path).json["code"] == "permission_missing"
    assert owner.client.delete(path, headers={"If-Match": '"2"'}).status == 412
    assert owner.client.delete(path, headers={"If-Match": '"1"'}).status == 204
    again = owner.client.delete(path)
    assert (again.status, again.json["code"]) == (404, "execution_limit_not_found")
    assert member.client.get("/v1/execution-limits").json["items"] == []
    enforcement.take(who, table.get_many(enforcement.keys(who)))
    assert owner.client.put(path, {"maxExecutions": 1}).json["currentExecutions"] == 0


def test_a_strangers_limit_is_not_there(aws: None) -> None:
    owner, stranger = registered(), registered()
    limit(owner, "hourly", maxExecutions=1)
    path = f"/v1/execution-limits/{owner.user['id']}/hourly"
    assert stranger.client.delete(path).status == 404
    assert stranger.client.put(path, {"maxExecutions": 9}).status == 404
    assert owner.client.get("/v1/execution-limits").json["items"][0]["maxExecutions"] == 1
