"""Bulk jobs of executions: their filters, the outcome of each execution, and the rights they use."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter
from tests.conftest import client
from tests.factories import RegisteredUser, add_member, register, set_user_role
from tests.gateway import Client
from tests.jobs.bulk_helpers import (
    create_bulk_job,
    create_bulk_workflow,
    post_bulk,
    scan_kind,
    start_finished,
    start_pending,
    states,
    summarize_job,
)
from tests.jobs.job_queue import Deliveries
from tests.long_content import store_all_outside
from weconnect import clock, ids
from weconnect.workflows.executions import bulk_actions, bulk_job


def test_a_filter_cancels_the_open_executions(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter
) -> None:
    one, other = create_bulk_workflow(me), create_bulk_workflow(me, name="Other")
    completed = start_finished(me, starter, one, 2)
    open_ones, others = start_pending(me, one, 3), start_pending(me, other, 1)
    job = create_bulk_job(me.client, "cancel", workflowId=one)
    queued = me.client.get(job).json
    assert (queued["status"], queued["total"], queued["progress"]) == ("queued", 5, 0)
    deliveries.deliver_all()
    finished = me.client.get(job).json
    assert summarize_job(finished) == ("completed", 3, 0, 2, {"cancelled": 3, "already_finished": 2})
    assert (
        finished["progress"] == 100
        and finished["startedAt"]
        and finished["finishedAt"]
        and finished["error"] is None
    )
    assert finished["createdBy"] == me.user["id"]
    assert states(me, open_ones + completed + others) == ["cancelled"] * 3 + ["completed"] * 2 + ["pending"]


def test_a_job_reports_its_progress_batch_by_batch(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_job, "BATCH_SIZE", 2)
    execution_ids = start_finished(me, starter, create_bulk_workflow(me), 5)
    path = create_bulk_job(me.client, "delete", status="completed")
    progress = []
    while messages := deliveries.take_messages():
        assert deliveries.deliver(*messages) == []
        job = me.client.get(path).json
        progress.append((job["status"], job["done"], job["progress"]))
    assert progress == [("running", 2, 40), ("running", 4, 80), ("completed", 5, 100)]
    assert deliveries.batches == [0, 1, 2]
    assert states(me, execution_ids) == ["gone"] * 5
    assert me.client.get("/v1/executions").json["items"] == []


def test_long_content_is_read_written_and_deleted(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_all_outside(monkeypatch)
    workflow = create_bulk_workflow(me, fails=True)
    failed = start_finished(me, starter, workflow, 1)
    retries = create_bulk_job(me.client, "retry", status="failed")
    deliveries.deliver_all()
    assert summarize_job(me.client.get(retries).json) == ("completed", 1, 0, 0, {"retried": 1})
    starter.run_pending()
    deletions = create_bulk_job(me.client, "delete", executionIds=failed)
    deliveries.deliver_all()
    assert summarize_job(me.client.get(deletions).json) == ("completed", 1, 0, 0, {"deleted": 1})
    left = client("s3").list_objects_v2(Bucket="weconnect").get("Contents", [])
    assert not [each["Key"] for each in left if f"/runs/{failed[0]}/" in each["Key"]]


def test_a_batch_reads_a_limited_number_of_rows(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Matching executions come after many others, so that batches without any match lead to them."""
    monkeypatch.setattr(bulk_job, "MAX_ROWS_READ", 2)
    workflow = create_bulk_workflow(me)
    matching = start_pending(me, workflow, 1)
    starter.invocations.clear()
    start_finished(me, starter, workflow, 5)
    path = create_bulk_job(me.client, "cancel", status="pending")
    deliveries.deliver_all()
    assert deliveries.batches == [0, 1, 2, 3]
    assert summarize_job(me.client.get(path).json) == ("completed", 1, 0, 0, {"cancelled": 1})
    assert states(me, matching) == ["cancelled"]


def test_executions_started_after_the_request_are_left_alone(
    me: RegisteredUser, deliveries: Deliveries
) -> None:
    workflow = create_bulk_workflow(me)
    before = start_pending(me, workflow, 1)
    path = create_bulk_job(me.client, "cancel", all=True)
    after = start_pending(me, workflow, 1)
    by_id = create_bulk_job(me.client, "cancel", executionIds=before + after)
    later = start_pending(me, workflow, 1)
    deliveries.deliver_all()
    assert states(me, before + after + later) == ["cancelled", "cancelled", "pending"]
    assert me.client.get(path).json["done"] == 1
    assert me.client.get(by_id).json["done"] == 1


def test_an_execution_stored_later_with_an_earlier_id_is_left_alone(
    me: RegisteredUser, deliveries: Deliveries
) -> None:
    """The ID of a child execution has the time of its parent, so the time of storing decides as well."""
    (old,) = start_pending(me, create_bulk_workflow(me), 1)
    path = create_bulk_job(me.client, "cancel", executionIds=[old])
    (item,) = scan_kind("EXECUTION")
    item["createdAt"]["S"] = clock.iso(clock.now() + timedelta(seconds=1))
    client("dynamodb").put_item(TableName="weconnect", Item=item)
    deliveries.deliver_all()
    assert summarize_job(me.client.get(path).json) == ("completed", 0, 0, 1, {"not_meant": 1})
    assert states(me, [old]) == ["pending"]


def _start_time(execution_id: str) -> str:
    return clock.iso(datetime.fromtimestamp(ids.timestamp_of(UUID(execution_id)), UTC))


def test_a_time_range_limits_the_matching_executions(me: RegisteredUser, deliveries: Deliveries) -> None:
    workflow = create_bulk_workflow(me)
    first, second, third = start_pending(me, workflow, 3)
    start_times = [_start_time(execution_id) for execution_id in (second, third)]
    path = create_bulk_job(me.client, "cancel", **{"from": start_times[0], "to": start_times[1]})
    extreme = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    assert post_bulk(me.client, "cancel", dry_run=True, **extreme).json["count"] == 3
    backwards = {"from": start_times[1], "to": start_times[0]}
    assert post_bulk(me.client, "cancel", dry_run=True, **backwards).json["count"] == 0
    deliveries.deliver_all()
    assert states(me, [first, second, third]) == ["pending", "cancelled", "pending"]
    assert me.client.get(path).json["total"] == 1


def test_a_retry_starts_failed_executions_again(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter
) -> None:
    bad, good = create_bulk_workflow(me, fails=True, name="Bad"), create_bulk_workflow(me)
    failed, fine = start_finished(me, starter, bad, 2), start_finished(me, starter, good, 1)
    waiting = start_pending(me, good, 1)
    path = create_bulk_job(me.client, "retry", all=True)
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert summarize_job(job) == (
        "completed",
        2,
        0,
        2,
        {"retried": 2, "already_completed": 1, "still_open": 1},
    )
    retries = [
        execution for execution in me.client.get("/v1/executions").json["items"] if execution.get("retryOf")
    ]
    assert sorted(execution["retryOf"] for execution in retries) == sorted(failed)
    assert {execution["userId"] for execution in retries} == {me.user["id"]}
    again = create_bulk_job(me.client, "retry", status="completed")
    deliveries.deliver_all()
    assert summarize_job(me.client.get(again).json) == ("completed", 1, 0, 0, {"retried": 1})
    assert states(me, fine + waiting) == ["completed", "pending"]


def test_a_limit_ends_the_job(me: RegisteredUser, deliveries: Deliveries, starter: Starter) -> None:
    start_finished(me, starter, create_bulk_workflow(me, fails=True), 3)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 2})
    assert limit.status == 200
    path = create_bulk_job(me.client, "retry", status="failed")
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert summarize_job(job) == ("failed", 2, 0, 0, {"retried": 2})
    assert job["error"]["code"] == "execution_limit_reached" and "hourly" in job["error"]["message"]
    assert job["progress"] == 66
    assert deliveries.take_messages() == []


def test_failures_are_listed_with_their_ids(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter
) -> None:
    unknown, foreign = (
        str(ids.new_id()),
        start_finished(other := register(), starter, create_bulk_workflow(other), 1)[0],
    )
    open_id, done = (
        start_pending(me, create_bulk_workflow(me), 1)[0],
        start_finished(me, starter, create_bulk_workflow(me, name="B"), 1)[0],
    )
    starter.invocations.clear()
    listed = [unknown, foreign, done, done, open_id]
    path = create_bulk_job(me.client, "delete", executionIds=listed)
    assert me.client.get(path).json["total"] == 4
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert job["result"]["failures"] == [
        {"id": execution_id, "code": "execution_not_found"} for execution_id in (unknown, foreign)
    ]
    assert states(other, [foreign]) == ["completed"]
    assert job["done"] + job["skipped"] == 2


def test_a_job_lists_at_most_100_failures(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_bulk_job(me.client, "cancel", executionIds=[str(ids.new_id()) for _ in range(130)])
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert summarize_job(job) == ("completed", 0, 130, 0, {"execution_not_found": 130})
    assert len(job["result"]["failures"]) == 100 and len(deliveries.batches) == 6


# Requests


@pytest.mark.parametrize(
    "filters", [{}, {"status": None}, {"all": False}, {"all": True, "status": "failed"}], ids=str
)
def test_an_empty_filter_is_refused(me: RegisteredUser, filters: dict[str, Any]) -> None:
    for dry_run in (True, False):
        response = post_bulk(me.client, "delete", dry_run=dry_run, **filters)
        assert response.status == 422 and [error["pointer"] for error in response.json["errors"]] == [
            "/filter"
        ]
    assert scan_kind("JOB") == []


def test_a_dry_run_counts_and_changes_nothing(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = create_bulk_workflow(me)
    completed, waiting = start_finished(me, starter, workflow, 2), start_pending(me, workflow, 1)
    response = post_bulk(me.client, "cancel", dry_run=True, workflowId=workflow)
    assert response.status == 200 and "Location" not in response.headers
    assert response.json == {
        "action": "cancel",
        "dryRun": True,
        "count": 3,
        "isLowerBound": False,
        "byStatus": {"completed": 2, "pending": 1},
        "sample": [*waiting, *reversed(completed)],
    }
    named = post_bulk(me.client, "cancel", dry_run=True, executionIds=[*waiting, str(ids.new_id())]).json
    assert (named["count"], named["sample"]) == (1, waiting)
    monkeypatch.setattr(bulk_actions, "MAX_COUNTED_ROWS", 2)
    limited = post_bulk(me.client, "cancel", dry_run=True, all=True).json
    assert (limited["count"], limited["isLowerBound"]) == (2, True)
    assert scan_kind("JOB") == [] and deliveries.take_messages() == []
    job = me.client.get(create_bulk_job(me.client, "cancel", all=True)).json
    assert job["total"] is None and job["progress"] is None
    deliveries.deliver_all()
    assert me.client.get("/v1/jobs").json["items"][0]["progress"] == 100


def test_an_idempotency_key_creates_one_job(me: RegisteredUser, deliveries: Deliveries) -> None:
    start_pending(me, create_bulk_workflow(me), 1)
    header = {"Idempotency-Key": "once"}
    body = {"action": "cancel", "filter": {"all": True}}
    first, second = (me.client.post("/v1/executions/bulk", body, headers=header) for _ in range(2))
    assert first.json == second.json and first.headers["Location"] == second.headers["Location"]
    assert len(scan_kind("JOB")) == len(deliveries.take_messages()) == 1


# Rights


def register_member(owner: RegisteredUser, role: str) -> RegisteredUser:
    person = register()
    add_member(person, owner, role)
    return person


def test_a_plain_member_changes_only_their_own_executions(me: RegisteredUser, deliveries: Deliveries) -> None:
    member, workflow = register_member(me, "member"), create_bulk_workflow(me)
    (mine,), (theirs,) = start_pending(me, workflow, 1), start_pending(member, workflow, 1)
    path = create_bulk_job(member.client, "cancel", workflowId=workflow)
    deliveries.deliver_all()
    job = member.client.get(path).json
    assert summarize_job(job) == ("completed", 1, 1, 0, {"cancelled": 1, "not_yours": 1})
    assert job["result"]["failures"] == [{"id": mine, "code": "not_yours"}]
    assert states(me, [mine, theirs]) == ["pending", "cancelled"]
    refused = post_bulk(member.client, "delete", workflowId=workflow)
    assert (refused.status, refused.json["code"]) == (403, "permission_missing")
    assert post_bulk(member.client, "delete", dry_run=True, workflowId=workflow).status == 403


def test_a_promotion_gives_a_running_job_no_rights(me: RegisteredUser, deliveries: Deliveries) -> None:
    member, workflow = register_member(me, "member"), create_bulk_workflow(me)
    (mine,) = start_pending(me, workflow, 1)
    path = create_bulk_job(member.client, "cancel", workflowId=workflow)
    member_path = f"/v1/organizations/{me.organization['id']}/members/{member.user['id']}"
    assert me.client.patch(member_path, {"role": "admin"}).status == 200
    deliveries.deliver_all()
    assert me.client.get(path).json["result"]["counts"] == {"not_yours": 1}
    assert states(me, [mine]) == ["pending"]


@pytest.mark.parametrize("change", ["removed", "viewer", "inactive", "organization"])
def test_losing_the_rights_ends_the_job(
    me: RegisteredUser, deliveries: Deliveries, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_job, "BATCH_SIZE", 1)
    admin, workflow = register_member(me, "admin"), create_bulk_workflow(me)
    first, second = start_pending(me, workflow, 2)
    path = create_bulk_job(admin.client, "cancel", workflowId=workflow)
    deliveries.deliver(*deliveries.take_messages())
    organization_path = f"/v1/organizations/{me.organization['id']}"
    member = f"{organization_path}/members/{admin.user['id']}"
    code = "not_a_member"
    if change == "removed":
        assert me.client.delete(member).status == 204
    elif change == "viewer":
        assert me.client.patch(member, {"role": "viewer"}).status == 200
        code = "permission_missing"
    elif change == "inactive":
        operator = set_user_role(register()).client
        assert operator.patch(f"/v1/users/{admin.user['id']}", {"isActive": False}).status == 200
        code = "account_inactive"
    else:
        assert me.client.delete(organization_path).status == 204
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert summarize_job(job) == ("failed", 1, 0, 0, {"cancelled": 1})
    assert job["error"]["code"] == code and job["error"]["message"]
    assert states(me, [first, second]) == ["pending", "cancelled"]


@pytest.mark.parametrize("change", [None, "revoked", "narrowed"])
def test_the_api_key_of_a_job_is_checked_again(
    me: RegisteredUser, deliveries: Deliveries, change: str | None
) -> None:
    flags = {"canRead": True, "canWrite": True}
    new = {"name": "k", "scopes": ["executions:update", "executions:read"], "permissions": flags}
    created = me.client.post("/v1/api-keys", new).json
    key = Client(headers={"X-API-Key": created["key"]})
    (execution_id,) = start_pending(me, create_bulk_workflow(me), 1)
    path = create_bulk_job(key, "cancel", all=True)
    assert post_bulk(key, "delete", all=True).status == 403
    if change == "revoked":
        assert me.client.delete(f"/v1/api-keys/{created['id']}").status == 204
    elif change == "narrowed":
        assert me.client.patch(f"/v1/api-keys/{created['id']}", {"scopes": ["executions:read"]}).status == 200
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert job["apiKeyId"] == created["id"]
    if change is None:
        assert (job["status"], states(me, [execution_id])) == ("completed", ["cancelled"])
    else:
        code = "api_key_not_found" if change == "revoked" else "permission_missing"
        assert (job["status"], job["error"]["code"]) == ("failed", code)
        assert states(me, [execution_id]) == ["pending"]


def test_an_operators_job_ends_when_they_are_no_operator_any_more(
    me: RegisteredUser, deliveries: Deliveries
) -> None:
    operator = set_user_role(register())
    operator_client = Client(operator.client.headers | {"X-Organization-Id": me.organization["id"]})
    execution_ids = start_pending(me, create_bulk_workflow(me), 1)
    path = create_bulk_job(operator_client, "cancel", all=True)
    deliveries.deliver_all()
    assert me.client.get(path).json["status"] == "completed" and states(me, execution_ids) == ["cancelled"]
    execution_ids = start_pending(me, create_bulk_workflow(me, name="B"), 1)
    path = create_bulk_job(operator_client, "cancel", status="pending")
    set_user_role(operator, "user")
    deliveries.deliver_all()
    assert me.client.get(path).json["error"]["code"] == "permission_missing" and states(
        me, execution_ids
    ) == ["pending"]


def test_the_audit_names_the_user_and_the_job(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter
) -> None:
    start_finished(me, starter, create_bulk_workflow(me, fails=True), 1)
    path = create_bulk_job(me.client, "retry", all=True)
    deliveries.deliver_all()
    job = path.rpartition("/")[2]
    (retry,) = [item for item in scan_kind("EXECUTION") if "retryOf" in item]
    actor = json.loads(retry["actor"]["S"])
    assert (actor["userId"], actor["jobId"]) == (me.user["id"], job)
    assert actor["ip"] == me.client.ip and actor["requestId"] != "-"
