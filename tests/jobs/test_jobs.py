"""How a job goes on: messages that come twice, late or never, functions that die, people who cancel."""

import json
from typing import Any

import pytest

from tests.agents.runs import Starter
from tests.factories import Registered, join, registered
from tests.infra.test_sample_events import event, invoke
from tests.jobs.deliveries import Deliveries, sweep
from tests.jobs.runs import asked, bulk, counts, ended, flow, pending, states, stored
from tests.mortal import Died, die_once
from weconnect import clock
from weconnect.events import stream
from weconnect.executions import bulk_job
from weconnect.executions import service as runs
from weconnect.jobs import service, worker
from weconnect.organizations import purge


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "BATCH", 2)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of the dead may be taken up at once, and jobs are due at once."""
    monkeypatch.setattr(worker, "HELD_SECONDS", -5)
    monkeypatch.setattr(service, "SWEEP_AFTER_SECONDS", -5)


def test_the_example_is_what_is_sent(me: Registered, deliveries: Deliveries) -> None:
    path = asked(me.client, "cancel", all=True)
    found = event("on_job", organization=me.organization["id"], agent=path.rpartition("/")[2])
    assert [json.loads(record["body"]) for record in found["Records"]] == deliveries.taken()
    assert invoke("on_job", found) == {"batchItemFailures": []}
    assert me.client.get(path).json["status"] == "completed"


def test_one_bad_message_does_not_hold_the_others(me: Registered, deliveries: Deliveries) -> None:
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    nowhere = message | {"jobId": me.user["id"]}
    assert deliveries.deliver({"batch": 0}, nowhere, message) == ["0"]
    assert me.client.get(path).json["status"] == "completed"


def test_messages_that_come_twice_and_in_another_order(
    me: Registered, deliveries: Deliveries, starter: Starter
) -> None:
    ended(me, starter, flow(me, fails=True), 5)
    path = asked(me.client, "retry", status="failed")
    seen: list[Any] = []
    while messages := deliveries.taken():
        assert len(messages) == 1, "a late message asks for nothing"
        seen += messages
        future = [seen[0] | {"batch": number} for number in (len(seen), 7)]
        assert deliveries.deliver(*future, *seen, *reversed(seen)) == []
    assert counts(me.client.get(path).json) == ("completed", 5, 0, 0, {"retried": 5})
    assert len(starter.asked) == 5 and len(stored("EXECUTION")) == 10
    before = stored("JOB")
    assert deliveries.deliver(*seen) == [] and stored("JOB") == before


def test_two_functions_with_the_same_message(
    me: Registered, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins while the first is at it: it does nothing."""
    found = pending(me, flow(me), 2)
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    cancel, calls = runs.cancel, []

    def meanwhile(caller: Any, execution_id: Any) -> Any:
        calls.append(execution_id)
        assert worker.work(message) is False
        return cancel(caller, execution_id)

    monkeypatch.setattr(runs, "cancel", meanwhile)
    assert deliveries.deliver(message) == [] and len(calls) == 2
    deliveries.run()
    assert counts(me.client.get(path).json)[:2] == ("completed", 2) and states(me, found) == ["cancelled"] * 2


def test_two_functions_that_have_both_read_the_job(
    me: Registered, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has planned when the first holds the batch: the row's version lets one of them in."""
    pending(me, flow(me), 2)
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    plan, begun = bulk_job.plan, []

    def other_first(work: Any, cursor: Any) -> Any:
        found = plan(work, cursor)
        if not begun:
            begun.append(1)
            assert worker.work(message) is True
        return found

    job_type = bulk_job.JobType(other_first, bulk_job.do)
    monkeypatch.setattr(bulk_job, "JOB", job_type)
    assert worker.work(message) is False
    deliveries.run()
    assert counts(me.client.get(path).json) == ("completed", 2, 0, 0, {"cancelled": 2})


def test_a_function_that_comes_back_too_late_counts_nothing(
    me: Registered, deliveries: Deliveries, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time was over and another did the batch meanwhile."""
    pending(me, flow(me), 2)
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    cancel, calls = runs.cancel, []

    def meanwhile(caller: Any, execution_id: Any) -> Any:
        calls.append(execution_id)
        if len(calls) == 1:
            assert worker.work(message) is True
        return cancel(caller, execution_id)

    monkeypatch.setattr(runs, "cancel", meanwhile)
    assert worker.work(message) is False
    deliveries.run()
    assert counts(me.client.get(path).json) == ("completed", 2, 0, 0, {"cancelled": 2})


POINTS = [
    "after:hold-job-0",
    "after:job-item",
    "before:count-job-0",
    "before:ask-job-1",
    "before:count-job-1",
]
EXPECTED = {"cancel": "cancelled", "delete": "deleted", "retry": "retried"}


@pytest.mark.parametrize("again", ["its message", "the sweeper"])
@pytest.mark.parametrize("action", EXPECTED)
@pytest.mark.parametrize("point", POINTS)
def test_a_function_that_dies(
    me: Registered,
    deliveries: Deliveries,
    starter: Starter,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    action: str,
    again: str,
) -> None:
    """Each run is treated and counted once, wherever it dies; whichever message comes again."""
    workflow = flow(me, fails=action == "retry")
    found = pending(me, workflow, 3) if action == "cancel" else ended(me, starter, workflow, 3)
    path = asked(me.client, action, all=True)
    with monkeypatch.context() as patch:
        passed = die_once(patch, point)
        messages, died = deliveries.taken(), 0
        while messages:
            message = messages.pop(0)
            try:
                assert deliveries.deliver(message) == []
            except Died:
                died += 1
                if again == "its message":
                    messages.append(message)
            messages += deliveries.taken()
            if not messages and sweep():
                messages += deliveries.taken()
        assert died == 1 and point in passed
    word = EXPECTED[action]
    assert counts(me.client.get(path).json) == ("completed", 3, 0, 0, {word: 3})
    if action == "retry":
        assert len(stored("EXECUTION")) == 6
        starter.run_pending()
        retries = [run for run in me.client.get("/v1/executions").json["items"] if run.get("retryOf")]
        assert sorted(run["retryOf"] for run in retries) == sorted(found)
    else:
        assert states(me, found) == ["cancelled" if action == "cancel" else "gone"] * 3
    assert sweep() == 0


def test_a_message_that_was_lost_is_sent_again(
    me: Registered, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_queue() -> Any:
        raise ConnectionError("no queue")

    pending(me, flow(me), 3)
    with monkeypatch.context() as patch:
        patch.setattr(stream, "sqs", no_queue)
        path = asked(me.client, "cancel", all=True)
    assert deliveries.taken() == [] and sweep() == 0, "not due yet"
    now = clock.epoch()
    monkeypatch.setattr(clock, "epoch", lambda: now + service.SWEEP_AFTER_SECONDS + 1)
    assert sweep() == 1
    deliveries.run()
    assert me.client.get(path).json["status"] == "completed"
    assert sweep() == 0


def test_a_batch_that_fails_is_tried_again(
    me: Registered, deliveries: Deliveries, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending(me, flow(me), 2)
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    with monkeypatch.context() as patch:
        patch.setattr(runs, "cancel", _broken)
        assert deliveries.deliver(message) == ["0"], "so that the message comes back"
    assert deliveries.deliver(message) == []
    deliveries.run()
    assert counts(me.client.get(path).json) == ("completed", 2, 0, 0, {"cancelled": 2})


def _broken(*_: Any) -> Any:
    raise RuntimeError("no such thing")


def test_what_fails_each_time_is_counted_as_failed(
    me: Registered, deliveries: Deliveries, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pending(me, flow(me), 2)
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    cancel = runs.cancel
    monkeypatch.setattr(
        runs, "cancel", lambda caller, run: _broken() if str(run) == second else cancel(caller, run)
    )
    outcomes = [deliveries.deliver(message) for _ in range(worker.ATTEMPTS)]
    assert outcomes == [["0"], ["0"], ["0"], []]
    deliveries.run()
    job = me.client.get(path).json
    assert counts(job) == ("completed", 1, 1, 0, {"cancelled": 1, "internal_error": 1})
    assert job["result"]["failures"] == [{"id": second, "code": "internal_error"}]
    assert states(me, [first]) == ["cancelled"]


@pytest.mark.parametrize("where", ["plan", "do"])
def test_a_job_that_kills_its_function_each_time_ends(
    me: Registered, deliveries: Deliveries, impatient: None, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    pending(me, flow(me), 1)
    path = asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    if where == "do":
        monkeypatch.setattr(worker, "_carry_out", _dies)
    else:
        job_type = bulk_job.JobType(_broken, bulk_job.do)
        monkeypatch.setattr(bulk_job, "JOB", job_type)
    for _ in range(worker.ATTEMPTS):
        try:
            assert deliveries.deliver(message) == ["0"]
        except Died:
            assert where == "do"
    assert sweep() == 1
    deliveries.run()
    job = me.client.get(path).json
    assert (job["status"], job["error"]["code"]) == ("failed", "batch_failed")
    assert sweep() == 0 and deliveries.taken() == []


def _dies(*_: Any, **__: Any) -> Any:
    raise Died


# People


def test_cancelling_is_seen_at_the_next_batch(me: Registered, deliveries: Deliveries) -> None:
    found = pending(me, flow(me), 5)
    path = asked(me.client, "cancel", all=True)
    deliveries.deliver(*deliveries.taken())
    for _ in range(2):
        answer = me.client.post(f"{path}/cancel")
        assert (
            answer.status == 200 and answer.json["status"] == "running" and answer.json["cancelRequestedAt"]
        )
    deliveries.run()
    job = me.client.get(path).json
    assert counts(job) == ("cancelled", 2, 0, 0, {"cancelled": 2}) and job["finishedAt"]
    assert states(me, found) == ["pending"] * 3 + ["cancelled"] * 2
    late = me.client.post(f"{path}/cancel")
    assert (late.status, late.json["code"]) == (409, "already_finished")
    assert sweep() == 0


def test_cancelling_during_a_batch_loses_no_count(
    me: Registered, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending(me, flow(me), 3)
    path = asked(me.client, "cancel", all=True)
    cancel = runs.cancel

    def and_the_job(caller: Any, execution_id: Any) -> Any:
        me.client.post(f"{path}/cancel")
        return cancel(caller, execution_id)

    monkeypatch.setattr(runs, "cancel", and_the_job)
    deliveries.run()
    assert counts(me.client.get(path).json) == ("cancelled", 2, 0, 0, {"cancelled": 2})


def test_who_sees_a_job(me: Registered, deliveries: Deliveries) -> None:
    """Who could have asked for it: plain members see their own, viewers none."""
    people = {role: registered() for role in ("admin", "member", "viewer")}
    for role, person in people.items():
        join(person, me, role)
    workflow = flow(me)
    pending(me, workflow, 1)
    mine = asked(me.client, "cancel", all=True)
    theirs = asked(people["member"].client, "cancel", workflowId=workflow)
    erasing = asked(me.client, "delete", all=True)

    def seen(person: Registered) -> list[str]:
        items = person.client.get("/v1/jobs").json["items"]
        return [f"/v1/jobs/{job['id']}" for job in items]

    assert seen(me) == seen(people["admin"]) == [erasing, theirs, mine]
    assert seen(people["member"]) == [theirs] and seen(people["viewer"]) == []
    for path, code in ((mine, "not_yours"), (erasing, "permission_missing")):
        for answer in (people["member"].client.get(path), people["member"].client.post(f"{path}/cancel")):
            assert (answer.status, answer.json["code"]) == (403, code)
    assert people["viewer"].client.get(theirs).json["code"] == "permission_missing"
    assert registered().client.get(mine).json["code"] == "job_not_found"
    page = me.client.get("/v1/jobs?limit=2").json
    rest = me.client.get(f"/v1/jobs?limit=2&cursor={page['nextCursor']}").json
    assert [job["id"] for job in page["items"] + rest["items"]] == [
        path.rpartition("/")[2] for path in (erasing, theirs, mine)
    ]
    assert bulk(people["viewer"].client, "cancel", all=True).status == 403


def test_a_deleted_organization_keeps_no_job(me: Registered, deliveries: Deliveries) -> None:
    pending(me, flow(me), 3)
    asked(me.client, "cancel", all=True)
    (message,) = deliveries.taken()
    place = f"/v1/organizations/{me.organization['id']}"
    assert me.client.delete(place).status == 204
    assert me.client.delete(f"{place}?purge=true").status == 204
    trash = {"pk": f"ORG#{me.organization['id']}", "sk": "TRASH#ORG"}
    assert purge.purge(trash) is True
    assert stored("JOB") == stored("JOBINPUT") == []
    assert deliveries.deliver(message) == [] and stored("JOB") == [] and sweep() == 0
