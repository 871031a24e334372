"""Progress of jobs: messages delivered twice, late or never, functions that die, and cancellation."""

import itertools
import json
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.durable_runner import ProcessKilled, kill_once_at
from tests.factories import PASSWORD, RegisteredUser, add_member, register
from tests.infra.test_sample_events import invoke, load_event
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
from tests.jobs.job_queue import Deliveries, sweep
from tests.soak import sample_cases
from weconnect import clock, queues
from weconnect.jobs import service, worker
from weconnect.jobs.job_type import JobType
from weconnect.organizations import purge
from weconnect.workflows.executions import bulk_job
from weconnect.workflows.executions import service as executions


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "BATCH_SIZE", 2)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make locks expire and jobs become due immediately."""
    monkeypatch.setattr(worker, "LOCK_SECONDS", -5)
    monkeypatch.setattr(service, "SWEEP_AFTER_SECONDS", -5)


def test_the_sample_event_matches_the_sent_message(me: RegisteredUser, deliveries: Deliveries) -> None:
    path = create_bulk_job(me.client, "cancel", all=True)
    sample = load_event("on_job", organization=me.organization["id"], agent=path.rpartition("/")[2])
    assert [json.loads(record["body"]) for record in sample["Records"]] == deliveries.take_messages()
    assert invoke("on_job", sample) == {"batchItemFailures": []}
    assert me.client.get(path).json["status"] == "completed"


def test_a_bad_message_does_not_block_the_others(me: RegisteredUser, deliveries: Deliveries) -> None:
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    of_unknown_job = message | {"jobId": me.user["id"]}
    broken: Any = {"batch": 0}
    assert deliveries.deliver(broken, of_unknown_job, message) == ["0"]
    assert me.client.get(path).json["status"] == "completed"


def test_repeated_and_reordered_messages_change_nothing(
    me: RegisteredUser, deliveries: Deliveries, starter: Starter
) -> None:
    start_finished(me, starter, create_bulk_workflow(me, fails=True), 5)
    path = create_bulk_job(me.client, "retry", status="failed")
    seen: list[Any] = []
    while messages := deliveries.take_messages():
        assert len(messages) == 1, "an outdated message requests no batch"
        seen += messages
        future = [seen[0] | {"batch": number} for number in (len(seen), 7)]
        assert deliveries.deliver(*future, *seen, *reversed(seen)) == []
    assert summarize_job(me.client.get(path).json) == ("completed", 5, 0, 0, {"retried": 5})
    assert len(starter.invocations) == 5 and len(scan_kind("EXECUTION")) == 10
    before = scan_kind("JOB")
    assert deliveries.deliver(*seen) == [] and scan_kind("JOB") == before


def test_a_batch_is_locked_while_a_function_processes_it(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second function with the same message starts in the meantime and does nothing."""
    execution_ids = start_pending(me, create_bulk_workflow(me), 2)
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    cancel, calls = executions.cancel, []

    def cancel_while_delivered_again(caller: Any, execution_id: Any) -> Any:
        calls.append(execution_id)
        assert worker.process_message(message) is False
        return cancel(caller, execution_id)

    monkeypatch.setattr(executions, "cancel", cancel_while_delivered_again)
    assert deliveries.deliver(message) == [] and len(calls) == 2
    deliveries.deliver_all()
    assert (
        summarize_job(me.client.get(path).json)[:2] == ("completed", 2)
        and states(me, execution_ids) == ["cancelled"] * 2
    )


def test_only_one_of_two_functions_locks_a_batch(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the job before one of them locks the batch: the row's version admits only one."""
    start_pending(me, create_bulk_workflow(me), 2)
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    plan = bulk_job.plan_batch
    planned: list[int] = []

    def plan_after_other(context: Any, cursor: Any) -> Any:
        batch_plan = plan(context, cursor)
        if not planned:
            planned.append(1)
            assert worker.process_message(message) is True
        return batch_plan

    job_type = JobType(plan_after_other, bulk_job.process_item)
    monkeypatch.setattr(bulk_job, "JOB", job_type)
    assert worker.process_message(message) is False
    deliveries.deliver_all()
    assert summarize_job(me.client.get(path).json) == ("completed", 2, 0, 0, {"cancelled": 2})


def test_a_function_that_lost_its_lock_counts_nothing(
    me: RegisteredUser, deliveries: Deliveries, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock expired, and another function did the batch meanwhile."""
    start_pending(me, create_bulk_workflow(me), 2)
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    cancel, calls = executions.cancel, []

    def cancel_after_other(caller: Any, execution_id: Any) -> Any:
        calls.append(execution_id)
        if len(calls) == 1:
            assert worker.process_message(message) is True
        return cancel(caller, execution_id)

    monkeypatch.setattr(executions, "cancel", cancel_after_other)
    assert worker.process_message(message) is False
    deliveries.deliver_all()
    assert summarize_job(me.client.get(path).json) == ("completed", 2, 0, 0, {"cancelled": 2})


POINTS = [
    "after:hold-job-0",
    "after:job-item",
    "before:count-job-0",
    "before:ask-job-1",
    "before:count-job-1",
]
EXPECTED = {"cancel": "cancelled", "delete": "deleted", "retry": "retried"}


@pytest.mark.parametrize(
    ("point", "action", "resumed_by"),
    sample_cases(list(itertools.product(POINTS, EXPECTED, ["message", "sweeper"])), every=5),
)
def test_each_execution_is_counted_once_when_a_function_dies(
    me: RegisteredUser,
    deliveries: Deliveries,
    starter: Starter,
    no_waiting: None,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    action: str,
    resumed_by: str,
) -> None:
    """Wherever the function dies, and whether its own message or the sweeper's resumes the batch."""
    workflow = create_bulk_workflow(me, fails=action == "retry")
    execution_ids = (
        start_pending(me, workflow, 3) if action == "cancel" else start_finished(me, starter, workflow, 3)
    )
    path = create_bulk_job(me.client, action, all=True)
    with monkeypatch.context() as patch:
        passed = kill_once_at(patch, point)
        messages, deaths = deliveries.take_messages(), 0
        while messages:
            message = messages.pop(0)
            try:
                assert deliveries.deliver(message) == []
            except ProcessKilled:
                deaths += 1
                if resumed_by == "message":
                    messages.append(message)
            messages += deliveries.take_messages()
            if not messages and sweep():
                messages += deliveries.take_messages()
        assert deaths == 1 and point in passed
    outcome = EXPECTED[action]
    assert summarize_job(me.client.get(path).json) == ("completed", 3, 0, 0, {outcome: 3})
    if action == "retry":
        assert len(scan_kind("EXECUTION")) == 6
        starter.run_pending()
        retries = [
            execution
            for execution in me.client.get("/v1/executions").json["items"]
            if execution.get("retryOf")
        ]
        assert sorted(execution["retryOf"] for execution in retries) == sorted(execution_ids)
    else:
        assert states(me, execution_ids) == ["cancelled" if action == "cancel" else "gone"] * 3
    assert sweep() == 0


def test_the_sweeper_sends_a_lost_message_again(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_queue() -> Any:
        raise ConnectionError("no queue")

    start_pending(me, create_bulk_workflow(me), 3)
    with monkeypatch.context() as patch:
        patch.setattr(queues, "sqs_client", no_queue)
        path = create_bulk_job(me.client, "cancel", all=True)
    assert deliveries.take_messages() == [] and sweep() == 0, "not due yet"
    now = clock.epoch_seconds()
    monkeypatch.setattr(clock, "epoch_seconds", lambda: now + service.SWEEP_AFTER_SECONDS + 1)
    assert sweep() == 1
    deliveries.deliver_all()
    assert me.client.get(path).json["status"] == "completed"
    assert sweep() == 0


def test_a_failed_batch_is_repeated(
    me: RegisteredUser, deliveries: Deliveries, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_pending(me, create_bulk_workflow(me), 2)
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    with monkeypatch.context() as patch:
        patch.setattr(executions, "cancel", _broken)
        assert deliveries.deliver(message) == ["0"], "so that the message returns to the queue"
    assert deliveries.deliver(message) == []
    deliveries.deliver_all()
    assert summarize_job(me.client.get(path).json) == ("completed", 2, 0, 0, {"cancelled": 2})


def _broken(*_: Any) -> Any:
    raise RuntimeError("no such thing")


def test_an_item_that_fails_in_each_attempt_is_counted_as_failed(
    me: RegisteredUser, deliveries: Deliveries, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start_pending(me, create_bulk_workflow(me), 2)
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    cancel = executions.cancel
    monkeypatch.setattr(
        executions, "cancel", lambda caller, run: _broken() if str(run) == second else cancel(caller, run)
    )
    outcomes = [deliveries.deliver(message) for _ in range(worker.ATTEMPTS)]
    assert outcomes == [["0"], ["0"], ["0"], []]
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert summarize_job(job) == ("completed", 1, 1, 0, {"cancelled": 1, "internal_error": 1})
    assert job["result"]["failures"] == [{"id": second, "code": "internal_error"}]
    assert states(me, [first]) == ["cancelled"]


@pytest.mark.parametrize("phase", ["plan", "process"])
def test_a_job_whose_batch_always_fails_ends(
    me: RegisteredUser, deliveries: Deliveries, no_waiting: None, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    start_pending(me, create_bulk_workflow(me), 1)
    path = create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    if phase == "process":
        monkeypatch.setattr(worker, "_process_items", _dies)
    else:
        job_type = JobType(_broken, bulk_job.process_item)
        monkeypatch.setattr(bulk_job, "JOB", job_type)
    for _ in range(worker.ATTEMPTS):
        try:
            assert deliveries.deliver(message) == ["0"]
        except ProcessKilled:
            assert phase == "process"
    assert sweep() == 1
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert (job["status"], job["error"]["code"]) == ("failed", "batch_failed")
    assert sweep() == 0 and deliveries.take_messages() == []


def _dies(*_: Any, **__: Any) -> Any:
    raise ProcessKilled


# Users


def test_a_job_is_cancelled_before_its_next_batch(me: RegisteredUser, deliveries: Deliveries) -> None:
    execution_ids = start_pending(me, create_bulk_workflow(me), 5)
    path = create_bulk_job(me.client, "cancel", all=True)
    deliveries.deliver(*deliveries.take_messages())
    for _ in range(2):
        response = me.client.post(f"{path}/cancel")
        assert (
            response.status == 200
            and response.json["status"] == "running"
            and response.json["cancelRequestedAt"]
        )
    deliveries.deliver_all()
    job = me.client.get(path).json
    assert summarize_job(job) == ("cancelled", 2, 0, 0, {"cancelled": 2}) and job["finishedAt"]
    assert states(me, execution_ids) == ["pending"] * 3 + ["cancelled"] * 2
    too_late = me.client.post(f"{path}/cancel")
    assert (too_late.status, too_late.json["code"]) == (409, "already_finished")
    assert sweep() == 0


def test_cancelling_during_a_batch_loses_no_count(
    me: RegisteredUser, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_pending(me, create_bulk_workflow(me), 3)
    path = create_bulk_job(me.client, "cancel", all=True)
    cancel = executions.cancel

    def cancel_with_job(caller: Any, execution_id: Any) -> Any:
        me.client.post(f"{path}/cancel")
        return cancel(caller, execution_id)

    monkeypatch.setattr(executions, "cancel", cancel_with_job)
    deliveries.deliver_all()
    assert summarize_job(me.client.get(path).json) == ("cancelled", 2, 0, 0, {"cancelled": 2})


def test_a_job_is_visible_to_those_who_could_have_created_it(
    me: RegisteredUser, deliveries: Deliveries
) -> None:
    """Plain members see their own jobs, viewers none."""
    users = {role: register() for role in ("admin", "member", "viewer")}
    for role, person in users.items():
        add_member(person, me, role)
    workflow = create_bulk_workflow(me)
    start_pending(me, workflow, 1)
    mine = create_bulk_job(me.client, "cancel", all=True)
    theirs = create_bulk_job(users["member"].client, "cancel", workflowId=workflow)
    deleting = create_bulk_job(me.client, "delete", all=True)

    def visible_jobs(person: RegisteredUser) -> list[str]:
        items = person.client.get("/v1/jobs").json["items"]
        return [f"/v1/jobs/{job['id']}" for job in items]

    assert visible_jobs(me) == visible_jobs(users["admin"]) == [deleting, theirs, mine]
    assert visible_jobs(users["member"]) == [theirs] and visible_jobs(users["viewer"]) == []
    for path, code in ((mine, "not_yours"), (deleting, "permission_missing")):
        for response in (users["member"].client.get(path), users["member"].client.post(f"{path}/cancel")):
            assert (response.status, response.json["code"]) == (403, code)
    assert users["viewer"].client.get(theirs).json["code"] == "permission_missing"
    assert register().client.get(mine).json["code"] == "job_not_found"
    page = me.client.get("/v1/jobs?limit=2").json
    rest = me.client.get(f"/v1/jobs?limit=2&cursor={page['nextCursor']}").json
    assert [job["id"] for job in page["items"] + rest["items"]] == [
        path.rpartition("/")[2] for path in (deleting, theirs, mine)
    ]
    assert post_bulk(users["viewer"].client, "cancel", all=True).status == 403


def test_purging_an_organization_deletes_its_jobs(me: RegisteredUser, deliveries: Deliveries) -> None:
    start_pending(me, create_bulk_workflow(me), 3)
    create_bulk_job(me.client, "cancel", all=True)
    (message,) = deliveries.take_messages()
    organization_path = f"/v1/organizations/{me.organization['id']}"
    assert me.client.delete(organization_path).status == 204
    assert me.client.call("DELETE", f"{organization_path}?purge=true", {"password": PASSWORD}).status == 204
    assert purge.purge((f"ORG#{me.organization['id']}", "TRASH#ORG")) is True
    assert scan_kind("JOB") == scan_kind("JOBINPUT") == []
    assert deliveries.deliver(message) == [] and scan_kind("JOB") == [] and sweep() == 0
