"""The number of open jobs of an organization; one organization's jobs do not hold up another's."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from tests.jobs.bulk_helpers import (
    create_bulk_job,
    create_bulk_workflow,
    post_bulk,
    scan_kind,
    start_pending,
    summarize_job,
)
from tests.jobs.job_queue import Deliveries, sweep
from tests.organizations.organization_helpers import set_plan, status_and_code
from weconnect import clock, queues
from weconnect.errors import Conflict
from weconnect.jobs import open_jobs, service, worker
from weconnect.workflows.executions import bulk_job


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "BATCH_SIZE", 1)


def request_job(me: RegisteredUser) -> tuple[int, str | None]:
    return status_and_code(post_bulk(me.client, "cancel", all=True))


FULL = (429, "too_many_open_jobs")


def test_an_organization_has_as_many_open_jobs_as_its_plan_allows(
    me: RegisteredUser, deliveries: Deliveries
) -> None:
    set_plan(me, "free")
    paths = [create_bulk_job(me.client, "cancel", all=True) for _ in range(3)]
    refused = post_bulk(me.client, "cancel", all=True)
    assert status_and_code(refused) == FULL and "allows 3 open jobs" in refused.json["detail"]
    assert len(scan_kind("JOB")) == len(scan_kind("JOBINPUT")) == 3
    assert post_bulk(me.client, "cancel", dry_run=True, all=True).status == 200
    assert post_bulk(register().client, "cancel", all=True).status == 202, "another organization's"
    deliveries.deliver_all()
    assert {me.client.get(path).json["status"] for path in paths} == {"completed"}
    assert [request_job(me)[0] for _ in range(4)] == [202, 202, 202, 429]


def test_a_repeated_request_counts_one_job(me: RegisteredUser, deliveries: Deliveries) -> None:
    set_plan(me, "free", max_open_jobs=2)
    workflow = create_bulk_workflow(me)
    start_pending(me, workflow, 1)
    body = {"action": "cancel", "filter": {"all": True}, "dryRun": False}
    headers = {"Idempotency-Key": "once"}
    created = [me.client.post("/v1/executions/bulk", body, headers=headers) for _ in range(3)]
    assert len({response.json["id"] for response in created}) == 1
    assert [request_job(me)[0] for _ in range(2)] == [202, 429]


@pytest.mark.parametrize("outcome", ["cancelled", "failed", "lost"])
def test_a_job_that_did_not_complete_counts_no_more(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    set_plan(me, "free", max_open_jobs=1)
    start_pending(me, create_bulk_workflow(me), 2)
    path = create_bulk_job(me.client, "cancel", all=True)
    assert request_job(me) == FULL
    if outcome == "cancelled":
        assert me.client.post(f"{path}/cancel").status == 200
        assert request_job(me) == FULL, "until it has ended"
    elif outcome == "failed":
        monkeypatch.setattr(worker, "_restore_caller", _refuse)
    else:
        monkeypatch.setattr(worker, "ATTEMPTS", 0)
        deliveries.take_messages()
        now = clock.epoch_seconds()
        monkeypatch.setattr(clock, "epoch_seconds", lambda: now + service.SWEEP_AFTER_SECONDS + 1)
        assert sweep() == 1
    deliveries.deliver_all()
    assert me.client.get(path).json["status"] == ("cancelled" if outcome == "cancelled" else "failed")
    assert [request_job(me)[0] for _ in range(2)] == [202, 429]


def _refuse(*_: Any) -> Any:
    raise Conflict("no more")


def test_a_job_expires_when_it_has_ended_and_not_before(me: RegisteredUser, deliveries: Deliveries) -> None:
    """A row that expired while the job was open would count for ever."""
    create_bulk_job(me.client, "cancel", all=True)
    assert ["ttl" in row for row in scan_kind("JOB") + scan_kind("JOBINPUT")] == [False, False]
    deliveries.deliver_all()
    for row in scan_kind("JOB") + scan_kind("JOBINPUT"):
        assert int(row["ttl"]["N"]) - clock.epoch_seconds() in range(30 * 86_400 - 60, 30 * 86_400 + 1)


def test_many_jobs_of_one_organization_hold_up_anothers_by_their_share_only(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = register()
    for person in (me, other):
        start_pending(person, create_bulk_workflow(person), 2)
    mine = [create_bulk_job(me.client, "cancel", all=True) for _ in range(12)]
    theirs = create_bulk_job(other.client, "cancel", all=True)
    executed: list[str] = []
    lock = worker._lock

    def record_and_lock(row: Any, *more: Any) -> Any:
        executed.append(row.organization_id)
        return lock(row, *more)

    monkeypatch.setattr(worker, "_lock", record_and_lock)
    deliveries.deliver_all()
    assert executed.index(other.organization["id"]) == open_jobs.MAX_ACTIVE
    assert summarize_job(other.client.get(theirs).json)[:2] == ("completed", 2)
    assert {me.client.get(path).json["status"] for path in mine} == {"completed"}, "each follows another"


def test_a_waiting_job_that_was_cancelled_ends_without_waiting(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter
) -> None:
    start_pending(me, create_bulk_workflow(me), 3)
    paths = [create_bulk_job(me.client, "cancel", all=True) for _ in range(3)]
    messages = deliveries.take_messages()
    deliveries.deliver(*messages)
    assert [me.client.get(path).json["status"] for path in paths] == ["running", "running", "queued"]
    assert me.client.post(f"{paths[2]}/cancel").status == 200
    deliveries.deliver(messages[2])
    assert me.client.get(paths[2]).json["status"] == "cancelled"


def test_without_a_queue_the_jobs_of_an_organization_still_end(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages for those that waited are lost, so the sweeper sends them."""
    start_pending(me, create_bulk_workflow(me), 1)
    paths = [create_bulk_job(me.client, "cancel", all=True) for _ in range(4)]
    messages = deliveries.take_messages()
    deliveries.deliver(messages[0])
    deliveries.take_messages()

    def no_queue() -> Any:
        raise ConnectionError("no queue")

    now = clock.epoch_seconds()
    for minute in range(1, 9):
        monkeypatch.setattr(clock, "epoch_seconds", lambda minute=minute: now + 60 * minute)
        sweep()
        with monkeypatch.context() as patch:
            pending = deliveries.take_messages()
            patch.setattr(queues, "sqs_client", no_queue)
            assert not pending or deliveries.deliver(*pending) == []
    assert {me.client.get(path).json["status"] for path in paths} == {"completed"} and sweep() == 0
