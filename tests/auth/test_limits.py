"""Execution limits: set, read, and counted at the start of an execution. Races are in tests/integration."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.auth.counted_executions import (
    caller_of,
    change_organization,
    count,
    current_counts,
    set_limit,
    used_in_month,
)
from tests.factories import RegisteredUser, add_member, register
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.auth.limits import enforcement
from weconnect.db import table
from weconnect.errors import LimitReached, Unavailable
from weconnect.identity import periods
from weconnect.identity.entities import LimitType
from weconnect.identity.rows import ExecutionLimitRow
from weconnect.organizations.rows import UsageRow

START = datetime(2026, 11, 22, 13, 59, 30, tzinfo=UTC)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return a list of one: the present time, for a test to replace."""
    moments = [START]
    monkeypatch.setattr(clock, "now", lambda: moments[0])
    return moments


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("hourly", "2026-11-22T13:00", "2026-11-22T14:00"),
        ("daily", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("monthly", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(kind: str, start: str, end: str) -> None:
    period = periods.period_containing(LimitType(kind), START)
    assert [moment.strftime("%Y-%m-%dT%H:%M") for moment in period] == [start, end]


def test_the_period_of_december_ends_in_january() -> None:
    _, end = periods.period_containing(LimitType.MONTHLY, datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert end == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_limit_is_set_read_and_changed(aws: None, time: list[datetime]) -> None:
    person = register()
    created = set_limit(person, "hourly", maxExecutions=2)
    assert (
        created["remainingExecutions"],
        created["isExceeded"],
        created["isActive"],
        created["version"],
    ) == (
        2,
        False,
        True,
        1,
    )
    assert (created["periodStart"], created["periodEnd"]) == ("2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z")
    count(person)
    changed = set_limit(person, "hourly", maxExecutions=1)
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
def test_an_invalid_limit_is_refused(aws: None, path: str, body: dict[str, Any]) -> None:
    person = register()
    assert person.client.put(f"/v1/execution-limits/{person.user['id']}/{path}", body).status == 422


def test_only_managers_set_limits_and_only_for_members(aws: None) -> None:
    owner, member, stranger = register(), register(), register()
    add_member(member, owner, "member")
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


def test_a_limit_that_is_used_up_names_itself_and_the_time_of_its_reset(
    aws: None, time: list[datetime]
) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=2)
    set_limit(person, "daily", maxExecutions=9)
    count(person)
    count(person)
    with pytest.raises(LimitReached) as refused:
        count(person)
    assert (refused.value.code, refused.value.headers) == ("execution_limit_reached", {"Retry-After": "30"})
    assert refused.value.detail == (
        "Your hourly limit of 2 executions is used up. Counting starts again at 2026-11-22T14:00:00Z."
    )
    assert current_counts(person) == {"hourly": 2, "daily": 2} and used_in_month(person) == 2


def test_counts_made_before_the_refusal_are_undone(aws: None, time: list[datetime]) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=9)
    set_limit(person, "yearly", maxExecutions=0)
    with pytest.raises(LimitReached, match="yearly"):
        count(person)
    assert current_counts(person) == {"hourly": 0, "yearly": 0} and used_in_month(person) == 0


def test_the_first_execution_of_a_new_period_starts_it(aws: None, time: list[datetime]) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=1)
    count(person)
    with pytest.raises(LimitReached):
        count(person)
    time[0] = datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC)
    item = person.client.get("/v1/execution-limits").json["items"][0]
    assert (item["currentExecutions"], item["periodStart"]) == (0, "2026-11-22T14:00:00Z")
    count(person)
    item = person.client.get("/v1/execution-limits").json["items"][0]
    assert (item["currentExecutions"], item["periodEnd"], item["version"]) == (1, "2026-11-22T15:00:00Z", 1)
    with pytest.raises(LimitReached):
        count(person)


def test_a_clock_that_is_slow_counts_in_the_period_that_has_begun(aws: None, time: list[datetime]) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=2)
    time[0] = datetime(2026, 11, 22, 14, 0, 1, tzinfo=UTC)
    count(person)
    time[0] = START
    count(person)
    with pytest.raises(LimitReached):
        count(person)


def test_rows_that_were_read_before_a_change_are_not_trusted(aws: None, time: list[datetime]) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=1)
    caller = caller_of(person)
    before = table.get_many(enforcement.keys_to_read(caller))
    count(person)
    with pytest.raises(LimitReached):
        enforcement.count_execution(caller, before)
    time[0] = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
    count(person)
    with pytest.raises(LimitReached):
        enforcement.count_execution(caller, before)
    assert current_counts(person) == {"hourly": 1}


@pytest.mark.parametrize("gone", ["deleted", "inactive"])
def test_a_limit_that_was_removed_in_the_meantime_is_ignored(
    aws: None, time: list[datetime], gone: str
) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=1)
    caller = caller_of(person)
    before = table.get_many(enforcement.keys_to_read(caller))
    count(person)
    if gone == "inactive":
        set_limit(person, "hourly", maxExecutions=1, isActive=False)
    else:
        ExecutionLimitRow.get(
            *ExecutionLimitRow.at(caller.organization_id, caller.user_id, LimitType.HOURLY)
        ).delete()
    enforcement.count_execution(caller, before)
    count(person)
    assert used_in_month(person) == 3


def test_the_monthly_quota_of_the_plan_is_a_limit_too(aws: None, time: list[datetime]) -> None:
    person = register()
    change_organization(person, plan="free")
    table.create(_usage(person, 99), {})
    counted_execution = count(person)
    assert counted_execution.retention_days == 7
    with pytest.raises(LimitReached) as refused:
        count(person)
    assert "100 executions a month of the organization's plan" in refused.value.detail
    assert refused.value.headers["Retry-After"] == str(8 * 86_400 + 10 * 3_600 + 30)
    time[0] = datetime(2026, 12, 1, tzinfo=UTC)
    count(person)
    assert (used_in_month(person), used_in_month(person, "2026-12")) == (100, 1)


def test_an_unlimited_plan_counts_as_well(aws: None, time: list[datetime]) -> None:
    person = register()
    count(person)
    organization = person.client.get(f"/v1/organizations/{person.organization['id']}").json
    assert (organization["currentMonthExecutions"], organization["executionResetDate"]) == (
        1,
        "2026-12-01T00:00:00Z",
    )


@pytest.mark.parametrize(("allowed", "starts"), [(0, 0), (2, 2)])
def test_the_organizations_own_limits_take_precedence_over_the_plan(
    aws: None, time: list[datetime], allowed: int, starts: int
) -> None:
    person = register()
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
    change_organization(person, plan_limits=own, custom_settings={"workflow": {"default_retention": 14}})
    for _ in range(starts):
        assert count(person).retention_days == 14
    with pytest.raises(LimitReached):
        count(person)
    assert used_in_month(person) == allowed


def test_undoing_a_count_subtracts_it_once(aws: None, time: list[datetime]) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=1)
    counted_execution = count(person)
    counted_execution.undo()
    counted_execution.undo()
    assert current_counts(person) == {"hourly": 0} and used_in_month(person) == 0
    count(person)


def test_undoing_a_count_in_the_next_period_leaves_that_period_alone(aws: None, time: list[datetime]) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=2)
    counted_execution = count(person)
    time[0] = datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC)
    count(person)
    counted_execution.undo()
    assert current_counts(person) == {"hourly": 1} and used_in_month(person) == 1


def test_a_count_is_sent_once_and_a_failure_undoes_the_others(
    aws: None, time: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = register()
    set_limit(person, "hourly", maxExecutions=5)
    real_call, operations = weconnect_aws.call, []

    def flaky(service: str, operation: str, body: Any, **options: Any) -> Any:
        assert options == {"attempts": 1}
        operations.append(operation)
        if len(operations) == 2:
            raise weconnect_aws.AwsError("ThrottlingException", "x", 400)
        return real_call(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", flaky)
    with pytest.raises(Unavailable):
        count(person)
    assert operations == ["UpdateItem"] * 3
    assert current_counts(person) == {"hourly": 0} and used_in_month(person) == 0


def _usage(person: RegisteredUser, number: int) -> UsageRow:
    pk, sk = UsageRow.at(person.organization["id"], "2026-11")
    return UsageRow(pk=pk, sk=sk, executions=number)
