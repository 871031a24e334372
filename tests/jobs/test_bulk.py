"""Many runs at once: which ones, what becomes of each, and with whose rights."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.conftest import client
from tests.factories import Registered, become, join, registered
from tests.gateway import Client
from tests.jobs.deliveries import Deliveries
from tests.jobs.runs import asked, bulk, counts, ended, flow, pending, states, stored
from weconnect import clock, ids
from weconnect.executions import bulk_actions as runs
from weconnect.executions import bulk_job


def test_a_filter_cancels_what_is_open(me: Registered, deliveries: Deliveries, starter: Starter) -> None:
    one, other = flow(me), flow(me, name="Other")
    done = ended(me, starter, one, 2)
    open_ones, others = pending(me, one, 3), pending(me, other, 1)
    job = asked(me.client, "cancel", workflowId=one)
    begun = me.client.get(job).json
    assert (begun["status"], begun["total"], begun["progress"]) == ("queued", 5, 0)
    deliveries.run()
    found = me.client.get(job).json
    assert counts(found) == ("completed", 3, 0, 2, {"cancelled": 3, "already_finished": 2})
    assert found["progress"] == 100 and found["startedAt"] and found["finishedAt"] and found["error"] is None
    assert found["createdBy"] == me.user["id"]
    assert states(me, open_ones + done + others) == ["cancelled"] * 3 + ["completed"] * 2 + ["pending"]


def test_batches(
    me: Registered, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_job, "BATCH", 2)
    found = ended(me, starter, flow(me), 5)
    path = asked(me.client, "delete", status="completed")
    progress = []
    while messages := deliveries.taken():
        assert deliveries.deliver(*messages) == []
        job = me.client.get(path).json
        progress.append((job["status"], job["done"], job["progress"]))
    assert progress == [("running", 2, 40), ("running", 4, 80), ("completed", 5, 100)]
    assert deliveries.batches == [0, 1, 2]
    assert states(me, found) == ["gone"] * 5
    assert me.client.get("/v1/executions").json["items"] == []


def test_a_batch_reads_so_many_rows(
    me: Registered, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that are meant stand behind many that are not: batches without any lead there."""
    monkeypatch.setattr(bulk_job, "ROWS_READ", 2)
    workflow = flow(me)
    meant = pending(me, workflow, 1)
    starter.asked.clear()
    ended(me, starter, workflow, 5)
    path = asked(me.client, "cancel", status="pending")
    deliveries.run()
    assert deliveries.batches == [0, 1, 2, 3]
    assert counts(me.client.get(path).json) == ("completed", 1, 0, 0, {"cancelled": 1})
    assert states(me, meant) == ["cancelled"]


def test_runs_that_begin_after_the_request_are_left(me: Registered, deliveries: Deliveries) -> None:
    workflow = flow(me)
    before = pending(me, workflow, 1)
    path = asked(me.client, "cancel", all=True)
    after = pending(me, workflow, 1)
    by_id = asked(me.client, "cancel", executionIds=before + after)
    later = pending(me, workflow, 1)
    deliveries.run()
    assert states(me, before + after + later) == ["cancelled", "cancelled", "pending"]
    assert me.client.get(path).json["done"] == 1
    assert me.client.get(by_id).json["done"] == 1


def test_ids_that_a_later_run_has_from_an_earlier_one(me: Registered, deliveries: Deliveries) -> None:
    """The id of a run that another starts has the other's time; when it was stored tells the rest."""
    (old,) = pending(me, flow(me), 1)
    path = asked(me.client, "cancel", executionIds=[old])
    (item,) = stored("EXECUTION")
    item["createdAt"]["S"] = clock.iso(clock.now() + timedelta(seconds=1))
    client("dynamodb").put_item(TableName="weconnect", Item=item)
    deliveries.run()
    assert counts(me.client.get(path).json) == ("completed", 0, 0, 1, {"not_meant": 1})
    assert states(me, [old]) == ["pending"]


def _started(run: str) -> str:
    return clock.iso(datetime.fromtimestamp(ids.time_of(UUID(run)), UTC))


def test_times_bound_what_is_meant(me: Registered, deliveries: Deliveries) -> None:
    workflow = flow(me)
    first, second, third = pending(me, workflow, 3)
    moment = [_started(run) for run in (second, third)]
    path = asked(me.client, "cancel", **{"from": moment[0], "to": moment[1]})
    extreme = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    assert bulk(me.client, "cancel", dry=True, **extreme).json["count"] == 3
    backwards = {"from": moment[1], "to": moment[0]}
    assert bulk(me.client, "cancel", dry=True, **backwards).json["count"] == 0
    deliveries.run()
    assert states(me, [first, second, third]) == ["pending", "cancelled", "pending"]
    assert me.client.get(path).json["total"] == 1


def test_a_retry_runs_what_failed(me: Registered, deliveries: Deliveries, starter: Starter) -> None:
    bad, good = flow(me, fails=True, name="Bad"), flow(me)
    failed, fine = ended(me, starter, bad, 2), ended(me, starter, good, 1)
    waiting = pending(me, good, 1)
    path = asked(me.client, "retry", all=True)
    deliveries.run()
    job = me.client.get(path).json
    assert counts(job) == ("completed", 2, 0, 2, {"retried": 2, "already_completed": 1, "still_open": 1})
    retries = [run for run in me.client.get("/v1/executions").json["items"] if run.get("retryOf")]
    assert sorted(run["retryOf"] for run in retries) == sorted(failed)
    assert {run["userId"] for run in retries} == {me.user["id"]}
    again = asked(me.client, "retry", status="completed")
    deliveries.run()
    assert counts(me.client.get(again).json) == ("completed", 1, 0, 0, {"retried": 1})
    assert states(me, fine + waiting) == ["completed", "pending"]


def test_a_limit_ends_the_job(me: Registered, deliveries: Deliveries, starter: Starter) -> None:
    ended(me, starter, flow(me, fails=True), 3)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 2})
    assert limit.status == 200
    path = asked(me.client, "retry", status="failed")
    deliveries.run()
    job = me.client.get(path).json
    assert counts(job) == ("failed", 2, 0, 0, {"retried": 2})
    assert job["error"]["code"] == "execution_limit_reached" and "hourly" in job["error"]["message"]
    assert job["progress"] == 66
    assert deliveries.taken() == []


def test_what_failed_is_named(me: Registered, deliveries: Deliveries, starter: Starter) -> None:
    unknown, foreign = str(ids.new_id()), ended(other := registered(), starter, flow(other), 1)[0]
    open_one, done = pending(me, flow(me), 1)[0], ended(me, starter, flow(me, name="B"), 1)[0]
    starter.asked.clear()
    listed = [unknown, foreign, done, done, open_one]
    path = asked(me.client, "delete", executionIds=listed)
    assert me.client.get(path).json["total"] == 4
    deliveries.run()
    job = me.client.get(path).json
    assert job["result"]["failures"] == [
        {"id": one, "code": "execution_not_found"} for one in (unknown, foreign)
    ]
    assert states(other, [foreign]) == ["completed"]
    assert job["done"] + job["skipped"] == 2


def test_only_so_many_failures_are_kept(
    me: Registered, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = asked(me.client, "cancel", executionIds=[str(ids.new_id()) for _ in range(130)])
    deliveries.run()
    job = me.client.get(path).json
    assert counts(job) == ("completed", 0, 130, 0, {"execution_not_found": 130})
    assert len(job["result"]["failures"]) == 100 and len(deliveries.batches) == 6


# What the request says


@pytest.mark.parametrize(
    "wanted", [{}, {"status": None}, {"all": False}, {"all": True, "status": "failed"}], ids=str
)
def test_a_filter_that_says_nothing_is_refused(me: Registered, wanted: dict[str, Any]) -> None:
    for dry in (True, False):
        answer = bulk(me.client, "delete", dry=dry, **wanted)
        assert answer.status == 422 and [each["pointer"] for each in answer.json["errors"]] == ["/filter"]
    assert stored("JOB") == []


def test_a_dry_run_counts_and_changes_nothing(
    me: Registered, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = flow(me)
    done, waiting = ended(me, starter, workflow, 2), pending(me, workflow, 1)
    answer = bulk(me.client, "cancel", dry=True, workflowId=workflow)
    assert answer.status == 200 and "Location" not in answer.headers
    assert answer.json == {
        "action": "cancel",
        "dryRun": True,
        "count": 3,
        "isLowerBound": False,
        "byStatus": {"completed": 2, "pending": 1},
        "sample": [*waiting, *reversed(done)],
    }
    named = bulk(me.client, "cancel", dry=True, executionIds=[*waiting, str(ids.new_id())]).json
    assert (named["count"], named["sample"]) == (1, waiting)
    monkeypatch.setattr(runs, "COUNTED_ROWS", 2)
    few = bulk(me.client, "cancel", dry=True, all=True).json
    assert (few["count"], few["isLowerBound"]) == (2, True)
    assert stored("JOB") == [] and deliveries.taken() == []
    job = me.client.get(asked(me.client, "cancel", all=True)).json
    assert job["total"] is None and job["progress"] is None
    deliveries.run()
    assert me.client.get("/v1/jobs").json["items"][0]["progress"] == 100


def test_one_key_is_one_job(me: Registered, deliveries: Deliveries) -> None:
    pending(me, flow(me), 1)
    header = {"Idempotency-Key": "once"}
    body = {"action": "cancel", "filter": {"all": True}}
    first, second = (me.client.post("/v1/executions/bulk", body, headers=header) for _ in range(2))
    assert first.json == second.json and first.headers["Location"] == second.headers["Location"]
    assert len(stored("JOB")) == len(deliveries.taken()) == 1


# Whose rights


def colleague(owner: Registered, role: str) -> Registered:
    person = registered()
    join(person, owner, role)
    return person


def test_a_member_changes_only_their_own(me: Registered, deliveries: Deliveries) -> None:
    member, workflow = colleague(me, "member"), flow(me)
    (mine,), (theirs,) = pending(me, workflow, 1), pending(member, workflow, 1)
    path = asked(member.client, "cancel", workflowId=workflow)
    deliveries.run()
    job = member.client.get(path).json
    assert counts(job) == ("completed", 1, 1, 0, {"cancelled": 1, "not_yours": 1})
    assert job["result"]["failures"] == [{"id": mine, "code": "not_yours"}]
    assert states(me, [mine, theirs]) == ["pending", "cancelled"]
    refused = bulk(member.client, "delete", workflowId=workflow)
    assert (refused.status, refused.json["code"]) == (403, "permission_missing")
    assert bulk(member.client, "delete", dry=True, workflowId=workflow).status == 403


def test_a_promotion_gives_a_job_nothing(me: Registered, deliveries: Deliveries) -> None:
    member, workflow = colleague(me, "member"), flow(me)
    (mine,) = pending(me, workflow, 1)
    path = asked(member.client, "cancel", workflowId=workflow)
    place = f"/v1/organizations/{me.organization['id']}/members/{member.user['id']}"
    assert me.client.patch(place, {"role": "admin"}).status == 200
    deliveries.run()
    assert me.client.get(path).json["result"]["counts"] == {"not_yours": 1}
    assert states(me, [mine]) == ["pending"]


@pytest.mark.parametrize("change", ["removed", "viewer", "inactive", "organization"])
def test_rights_that_are_lost_end_the_job(
    me: Registered, deliveries: Deliveries, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_job, "BATCH", 1)
    admin, workflow = colleague(me, "admin"), flow(me)
    first, second = pending(me, workflow, 2)
    path = asked(admin.client, "cancel", workflowId=workflow)
    deliveries.deliver(*deliveries.taken())
    place = f"/v1/organizations/{me.organization['id']}"
    member = f"{place}/members/{admin.user['id']}"
    code = "not_a_member"
    if change == "removed":
        assert me.client.delete(member).status == 204
    elif change == "viewer":
        assert me.client.patch(member, {"role": "viewer"}).status == 200
        code = "permission_missing"
    elif change == "inactive":
        operator = become(registered()).client
        assert operator.patch(f"/v1/users/{admin.user['id']}", {"isActive": False}).status == 200
        code = "account_inactive"
    else:
        assert me.client.delete(place).status == 204
    deliveries.run()
    job = me.client.get(path).json
    assert counts(job) == ("failed", 1, 0, 0, {"cancelled": 1})
    assert job["error"]["code"] == code and job["error"]["message"]
    assert states(me, [first, second]) == ["pending", "cancelled"]


@pytest.mark.parametrize("change", [None, "revoked", "narrowed"])
def test_a_key_that_asked_is_looked_at_again(
    me: Registered, deliveries: Deliveries, change: str | None
) -> None:
    flags = {"canRead": True, "canWrite": True}
    new = {"name": "k", "scopes": ["executions:update", "executions:read"], "permissions": flags}
    made = me.client.post("/v1/api-keys", new).json
    key = Client(headers={"X-API-Key": made["key"]})
    (run,) = pending(me, flow(me), 1)
    path = asked(key, "cancel", all=True)
    assert bulk(key, "delete", all=True).status == 403
    if change == "revoked":
        assert me.client.delete(f"/v1/api-keys/{made['id']}").status == 204
    elif change == "narrowed":
        assert me.client.patch(f"/v1/api-keys/{made['id']}", {"scopes": ["executions:read"]}).status == 200
    deliveries.run()
    job = me.client.get(path).json
    assert job["apiKeyId"] == made["id"]
    if change is None:
        assert (job["status"], states(me, [run])) == ("completed", ["cancelled"])
    else:
        code = "api_key_not_found" if change == "revoked" else "permission_missing"
        assert (job["status"], job["error"]["code"]) == ("failed", code)
        assert states(me, [run]) == ["pending"]


def test_an_operator_asks_while_they_operate(me: Registered, deliveries: Deliveries) -> None:
    operator = become(registered())
    there = Client(operator.client.headers | {"X-Organization-Id": me.organization["id"]})
    runs = pending(me, flow(me), 1)
    path = asked(there, "cancel", all=True)
    deliveries.run()
    assert me.client.get(path).json["status"] == "completed" and states(me, runs) == ["cancelled"]
    runs = pending(me, flow(me, name="B"), 1)
    path = asked(there, "cancel", status="pending")
    become(operator, "user")
    deliveries.run()
    assert me.client.get(path).json["error"]["code"] == "permission_missing" and states(me, runs) == [
        "pending"
    ]


def test_what_a_job_does_is_its_users_doing(me: Registered, deliveries: Deliveries, starter: Starter) -> None:
    ended(me, starter, flow(me, fails=True), 1)
    path = asked(me.client, "retry", all=True)
    deliveries.run()
    job = path.rpartition("/")[2]
    (retry,) = [item for item in stored("EXECUTION") if "retryOf" in item]
    actor = json.loads(retry["actor"]["S"])
    assert (actor["userId"], actor["jobId"]) == (me.user["id"], job)
    assert actor["ip"] == me.client.ip and actor["requestId"] != "-"
    (stored_job,) = stored("JOB")
    assert int(stored_job["ttl"]["N"]) - clock.epoch() in range(30 * 86_400 - 60, 30 * 86_400 + 1)
