"""Concurrency limits of workflows, concurrency keys and organizations, and the order of admission."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agents.execution_helpers import Starter
from tests.durable_runner import ProcessKilled
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.integration.racing import owner_caller
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect import clock, fault_injection, ids
from weconnect.db import counters, table
from weconnect.durable import client as durable_client
from weconnect.errors import Conflict, NotFound
from weconnect.executions import service as executions
from weconnect.executions import sweeper
from weconnect.executions.concurrency import semaphores
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.rows import QueueRow, SemaphoreRow, agent_slot
from weconnect.trash import purge
from weconnect.workflows.executions import service, starts
from weconnect.workflows.executions.entities import NewWorkflowExecution
from weconnect.workflows.executions.rows import WorkflowExecutionRow

WAITED_FOR = {"Prefer": "wait=1"}  # long enough for an express execution


def limited_workflow(me: RegisteredUser, name: str = "Flow", waits: bool = False, **concurrency: Any) -> str:
    """Create a workflow that completes at once or, with `waits`, when its callback is completed."""
    nodes = [node("a", "wait", until="callback") if waits else node("a", "noop")]
    more = {"concurrency": concurrency} if concurrency else {}
    return create_workflow(me, definition(nodes, "start > a", **more), name)


def state(me: RegisteredUser, execution: str) -> tuple[str, str | None, int | None]:
    execution_json = me.client.get(execution).json
    return execution_json["status"], execution_json.get("waitsFor"), execution_json.get("queuePosition")


def started_ids(starter: Starter) -> list[str]:
    """Return the IDs of the executions that Lambda was invoked for, in order."""
    return [str(UUID(request["DurableExecutionName"][32:])) for request in starter.invocations]


def id_of(execution: str) -> str:
    return execution.rpartition("/")[2]


def record_updates(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the requests that update counters and semaphores."""
    requests: list[dict[str, Any]] = []
    send_update = counters.send_update

    def record(request: dict[str, Any], **options: Any) -> dict[str, Any]:
        requests.append(request)
        return send_update(request, **options)

    monkeypatch.setattr(counters, "send_update", record)
    return requests


ADMITTED = ("pending", None, None)
DONE = ("completed", None, None)


# A workflow's own limit


def test_executions_over_the_limit_are_queued_in_order(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1)
    executions = [start_execution(me, path) for _ in range(3)]
    queued = [("pending", "workflow", 1), ("pending", "workflow", 2)]
    assert [state(me, execution) for execution in executions] == [ADMITTED, *queued]
    assert started_ids(starter) == [id_of(executions[0])]
    assert len(me.client.get("/v1/executions?status=pending").json["items"]) == 3
    starter.run_next()
    assert started_ids(starter) == [id_of(executions[1])], "the oldest is next"
    assert [state(me, execution) for execution in executions] == [DONE, ADMITTED, queued[0]]
    starter.run_pending()
    assert [state(me, execution) for execution in executions] == [DONE] * 3


def test_executions_with_different_keys_do_not_limit_each_other(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1, key="{{ $trigger.customer }}")
    first, other, second, none = (
        start_execution(me, path, {"customer": each}) for each in ("a#1", 7, "a#1", None)
    )
    assert [state(me, execution) for execution in (first, other, second, none)] == [
        ADMITTED,
        ADMITTED,
        ("pending", "workflow", 1),
        ADMITTED,
    ]
    starter.run_pending()
    assert state(me, second) == DONE


def test_a_concurrency_key_that_cannot_be_evaluated_is_refused(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1, key="{{ $trigger.n + 1 }}")
    answer = me.client.post(f"{path}/executions", {"input": {"n": "x"}})
    assert (answer.status, answer.json["code"]) == (422, "concurrency_key_failed")
    assert answer.json["errors"][0]["pointer"] == "/settings/concurrency/key"
    assert me.client.get("/v1/executions").json["items"] == []
    value = definition([], concurrency={"limit": 1, "key": "{{ 1 + }}"})
    bad = me.client.post("/v1/workflows", {"name": "Bad", **value})
    findings = me.client.post(f"{bad.headers['Location']}/validate").json["findings"]
    assert ("expression_syntax", "/settings/concurrency/key") in [
        (each["code"], each["pointer"]) for each in findings
    ]


def test_a_skipped_execution_is_neither_stored_nor_counted(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1, policy="skip")
    start_execution(me, path)
    before = me.client.get(f"/v1/organizations/{me.organization['id']}/usage").json
    answer = me.client.post(f"{path}/executions", {})
    assert (answer.status, answer.json["code"]) == (409, "concurrency_limit")
    assert answer.json["detail"] == "The limit of 1 open executions is reached. Try again when one has ended."
    assert me.client.get(f"/v1/organizations/{me.organization['id']}/usage").json == before
    assert len(me.client.get("/v1/executions").json["items"]) == 1
    starter.run_pending()
    assert state(me, start_execution(me, path)) == ADMITTED


def test_cancel_running_replaces_a_waiting_execution_by_the_newest(
    me: RegisteredUser, starter: Starter
) -> None:
    path = limited_workflow(me, waits=True, limit=1, policy="cancel_running")
    first = start_execution(me, path)
    starter.run_pending()
    assert state(me, first)[0] == "waiting"
    second = start_execution(me, path)
    assert state(me, first)[0] == "cancelled", "a waiting execution ends at once"
    assert state(me, second) == ADMITTED
    third, fourth = start_execution(me, path), start_execution(me, path)
    assert [state(me, execution)[0] for execution in (second, third)] == ["cancelled"] * 2
    assert state(me, fourth) == ADMITTED
    assert me.client.get(second).json["error"]["code"] == "cancelled"


def test_cancel_running_queues_the_newest_until_a_running_execution_has_ended(
    me: RegisteredUser, starter: Starter
) -> None:
    path = limited_workflow(me, limit=1, policy="cancel_running")
    first = start_execution(me, path)
    row = table.require(
        WorkflowExecutionRow,
        WorkflowExecutionRow.at(UUID(me.organization["id"]), UUID(id_of(first))),
        NotFound,
    )
    table.change(row, {"status": "running"}, {})
    second, third = start_execution(me, path), start_execution(me, path)
    assert me.client.get(first).json["cancelRequestedAt"]
    assert [state(me, execution) for execution in (second, third)] == [
        ("cancelled", None, None),
        ("pending", "workflow", 1),
    ]
    starter.run_pending()
    assert [state(me, execution)[0] for execution in (first, third)] == ["cancelled", "completed"]


def test_cancelling_removes_an_execution_from_the_queue(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1)
    first, second, third = (start_execution(me, path) for _ in range(3))
    assert me.client.post(f"{second}/cancel").json["status"] == "cancelled"
    assert state(me, third) == ("pending", "workflow", 1)
    assert me.client.post(f"{first}/cancel").json["status"] == "cancelled"
    assert state(me, third) == ADMITTED
    assert me.client.delete(second).status == 204
    assert (
        QueueRow.count(
            table.key("ORG", me.organization["id"], "WORKFLOW", id_of(path)), table.Row.sk.startswith("QUEUE")
        )
        == 0
    )


def test_retries_are_queued_as_well(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1)
    first = start_execution(me, path)
    starter.run_pending()
    second = start_execution(me, path)
    again = me.client.post(f"{first}/retry", {}).json
    assert (again["status"], again["waitsFor"]) == ("pending", "workflow")
    starter.run_pending()
    assert state(me, second) == state(me, f"/v1/executions/{again['id']}") == DONE


def test_an_express_execution_without_a_free_slot_is_queued_as_a_durable_one(
    me: RegisteredUser, starter: Starter
) -> None:
    path = limited_workflow(me, limit=1)
    first = start_execution(me, path)
    answer = me.client.post(f"{path}/executions", {}, headers=WAITED_FOR).json
    assert (answer["status"], answer["isExpress"], answer["waitsFor"]) == ("pending", False, "workflow")
    starter.run_pending()
    assert state(me, first) == state(me, f"/v1/executions/{answer['id']}") == DONE
    late = clock.now() + timedelta(seconds=100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: late)
        sweeper.sweep()
    for _ in range(3):
        answer = me.client.post(f"{path}/executions", {}, headers=WAITED_FOR).json
        assert (answer["status"], answer["isExpress"]) == ("completed", True), "and frees its slot"


def test_a_workflow_that_calls_itself_needs_one_slot(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1)
    nodes = [node("if", "if", condition="{{ n > 0 }}"), node("less", "set", values={"n": "{{ n - 1 }}"})]
    nodes.append(node("again", "subworkflow", workflowId=id_of(path)))
    value = definition(nodes, "start > if", "if.true > less", "less > again", concurrency={"limit": 1})
    assert me.client.patch(path, value).status == 200
    assert me.client.post(f"{path}/activate", {}).status == 200
    execution = start_execution(me, path, {"n": 1})
    starter.run_pending()
    assert state(me, execution) == DONE
    assert len(me.client.get("/v1/executions").json["items"]) == 2


def test_a_subworkflow_obeys_its_own_limit(me: RegisteredUser, starter: Starter) -> None:
    inner = limited_workflow(me, "Inner", limit=1)
    skipping = limited_workflow(me, "Skipping", limit=1, policy="skip")
    first = start_execution(me, inner)
    start_execution(me, skipping)
    del starter.invocations[:]
    value = definition([node("sub", "subworkflow", workflowId=id_of(skipping))], "start > sub")
    assert execute_workflow(me, starter, value, name="Refused")["error"]["code"] == "concurrency_limit"
    value = definition([node("sub", "subworkflow", workflowId=id_of(inner))], "start > sub")
    outer = execute_workflow(me, starter, value, name="Queued")
    assert outer["status"] == "waiting" and starter.invocations == []
    me.client.post(f"{first}/cancel")
    starter.run_pending()
    assert me.client.get(f"/v1/executions/{outer['id']}").json["status"] == "completed"


def test_purging_a_workflow_deletes_its_semaphores(me: RegisteredUser, starter: Starter) -> None:
    path = limited_workflow(me, limit=1, key="{{ $trigger.customer }}")
    start_execution(me, path, {"customer": "ada@example.com"})
    starter.run_pending()
    pk = table.key("ORG", me.organization["id"], "WORKFLOW", id_of(path))
    assert SemaphoreRow.count(pk, table.Row.sk.startswith("SLOTS#")) == 1
    assert me.client.delete(path).status == me.client.delete(f"{path}?purge=true").status == 204
    assert purge.purge({"pk": f"ORG#{me.organization['id']}", "sk": f"TRASH#WORKFLOW#{id_of(path)}"})
    assert SemaphoreRow.count(pk, table.Row.sk.startswith("SLOTS#")) == 0


# An organization's limit


def test_the_plan_limits_the_open_executions_of_an_organization(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free")
    path = limited_workflow(me)
    executions = [start_execution(me, path) for _ in range(4)]
    assert [state(me, execution) for execution in executions] == [
        ADMITTED,
        ADMITTED,
        ("pending", "organization", 1),
        ("pending", "organization", 2),
    ]
    express = me.client.post(f"{path}/executions", {}, headers=WAITED_FOR).json
    assert (express["isExpress"], express["waitsFor"]) == (False, "organization")
    starter.run_pending()
    executions.append(f"/v1/executions/{express['id']}")
    assert [state(me, execution) for execution in executions] == [DONE] * 5


def test_a_larger_plan_admits_queued_executions(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_concurrent_executions=1)
    path = limited_workflow(me)
    executions = [start_execution(me, path) for _ in range(4)]
    set_plan(me, "free", max_concurrent_executions=3)
    sweeper.sweep()
    assert [state(me, execution)[1] for execution in executions] == [None, None, None, "organization"]
    set_plan(me, "free", max_concurrent_executions=-1)
    sweeper.sweep()
    assert state(me, executions[3]) == ADMITTED


def test_an_execution_passes_its_workflows_limit_before_its_organizations(
    me: RegisteredUser, starter: Starter
) -> None:
    set_plan(me, "free", max_concurrent_executions=1)
    limited, free = limited_workflow(me, "Limited", limit=1), limited_workflow(me, "Free")
    executions = [start_execution(me, each) for each in (limited, free, limited)]
    assert [state(me, execution)[1] for execution in executions] == [None, "organization", "workflow"]
    starter.run_next()
    assert [state(me, execution)[1] for execution in executions] == [None, None, "organization"]
    starter.run_pending()
    assert [state(me, execution) for execution in executions] == [DONE] * 3


def test_subworkflows_need_no_slot_of_the_organization(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_concurrent_executions=1)
    inner = limited_workflow(me, "Inner")
    value = definition([node("sub", "subworkflow", workflowId=id_of(inner))], "start > sub")
    assert execute_workflow(me, starter, value, name="Outer")["status"] == "completed"


def test_an_unlimited_workflow_costs_two_writes_to_the_organizations_semaphore(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = limited_workflow(me)
    start_execution(me, path)
    starter.run_pending()
    requests = record_updates(monkeypatch)
    start_execution(me, path)
    starter.run_pending()
    assert [each["Key"]["sk"]["S"].partition("#")[0] for each in requests] == ["USAGE", "SLOTS", "SLOTS"]
    set_plan(me, "free", max_concurrent_executions=-1)
    start_execution(me, path)
    starter.run_pending()
    assert len(requests) == 5, "no slot is acquired on a plan without a limit"


def test_a_hundred_slots_are_released_in_two_writes(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expression takes at most 4 KB, which moto does not enforce."""
    semaphore = semaphores.Semaphore(UUID(me.organization["id"]))
    slots = [agent_slot(ids.new_id(), ids.new_id()) for _ in range(100)]  # the longest names
    assert all(semaphores.acquire(semaphore, slot, 100) for slot in slots)
    requests = record_updates(monkeypatch)
    assert semaphores.read_acquired_at(semaphores.release(semaphore, slots)) == {}
    assert len(requests) == 2 and all(len(each["UpdateExpression"]) <= 4096 for each in requests)


# Random crashes


@pytest.fixture(scope="module")
def us() -> Iterator[tuple[RegisteredUser, Starter]]:
    from tests.api.matrix_world import mocked_services

    starter = Starter()
    with mocked_services(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable_client, "lambda_client", lambda: starter)
        yield register(), starter


class World:
    """Executions of three workflows of one organization, with their own clock; processes crash now and then."""

    def __init__(self, me: RegisteredUser, starter: Starter, patch: pytest.MonkeyPatch) -> None:
        self.caller, self.starter = owner_caller(me), starter
        self.organization_id = UUID(me.organization["id"])
        self.paths = [
            limited_workflow(me, f"Queue {next(numbers)}", limit=2, key="{{ $trigger.key }}"),
            limited_workflow(me, f"Free {next(numbers)}"),
            limited_workflow(me, f"Newest {next(numbers)}", limit=1, policy="cancel_running"),
        ]
        self.accepted: list[UUID] = []
        self.steps: dict[str, InMemorySteps] = {}
        self.late, self.left = 0, -1
        self.first = str(ids.new_id())
        now = clock.now
        patch.setattr(clock, "now", lambda: now() + timedelta(seconds=self.late))
        patch.setattr(fault_injection, "kill_point", self.point)
        patch.setattr(sweeper, "SWEEPER_SHARDS", "0")
        patch.setattr(WorkflowExecutionRow, "shard", staticmethod(lambda _: "0"))
        patch.setattr(executions, "wait", lambda row, seconds: row)

    def point(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise ProcessKilled

    def do(self, what: str, which: int, death: int) -> None:
        """Perform one action, whose process crashes at its `death`th kill point."""
        self.left = death
        with suppress(ProcessKilled):
            getattr(self, what)(which)
        self.left = -1

    def start(self, which: int) -> None:
        new = NewWorkflowExecution(input={"key": "ab"[which % 2]})
        workflow_id = UUID(id_of(self.paths[which // 2 % 3]))
        self.accepted.append(starts.start_for_caller(self.caller, workflow_id, new, 5 if which > 5 else 0).id)

    def carry(self, which: int) -> None:
        if not self.starter.invocations:
            return
        request = self.starter.invocations[which % len(self.starter.invocations)]
        steps = self.steps.setdefault(request["DurableExecutionName"], InMemorySteps())
        self.starter._execute(request, steps)
        self.starter.invocations.remove(request)

    def cancel(self, which: int) -> None:
        if self.accepted:
            with suppress(Conflict):
                service.cancel(self.caller, self.accepted[which % len(self.accepted)])

    def sweep(self, which: int) -> None:
        sweeper.sweep()

    def later(self, which: int) -> None:
        self.late += 61

    def rows(self) -> list[WorkflowExecutionRow]:
        return list(
            WorkflowExecutionRow.gsi1.query(
                WorkflowExecutionRow.of_organization(self.organization_id),
                WorkflowExecutionRow.gsi1sk > self.first,
            )
        )

    def check(self) -> None:
        """Assert that no limit is exceeded."""
        admitted = [row for row in self.rows() if row.status in OPEN_STATUSES and not row.queued_at]
        assert len(admitted) <= 3
        limited = [(row.workflow_id, row.concurrency) for row in admitted if row.concurrency]
        counts = Counter((workflow_id, concurrency["key"]) for workflow_id, concurrency in limited)
        limits = {workflow_id: concurrency["limit"] for workflow_id, concurrency in limited}
        for (workflow_id, _), count in counts.items():
            assert count <= limits[workflow_id]

    def settle(self) -> None:
        """Let time pass, with the sweeper and the platform, until nothing is open."""
        for _ in range(30):
            self.late += 61
            sweeper.sweep()
            while self.starter.invocations:
                self.carry(0)
                self.check()
            if not any(row.status in OPEN_STATUSES for row in self.rows()):
                return
        raise AssertionError([(row.id, row.status, row.waits_for) for row in self.rows()])


ACTIONS = st.tuples(
    st.sampled_from(["start", "start", "start", "carry", "carry", "cancel", "sweep", "later"]),
    st.integers(0, 11),
    st.integers(-12, 12),
)
numbers = iter(range(10**9))


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=st.lists(ACTIONS, min_size=4, max_size=12))
def test_random_crashes_neither_exceed_a_limit_nor_lose_an_execution(
    us: tuple[RegisteredUser, Starter], actions: list[tuple[str, int, int]]
) -> None:
    me, starter = us
    set_plan(me, "enterprise", max_concurrent_executions=3)
    del starter.invocations[:]
    with pytest.MonkeyPatch.context() as patch:
        world = World(me, starter, patch)
        for action in actions:
            world.do(*action)
            world.check()
        world.settle()
        ended = {row.id: row.status for row in world.rows()}
        assert {ended.get(str(each)) for each in world.accepted} <= {"completed", "cancelled", "failed"}
        pk = table.key("ORG", world.organization_id)
        assert QueueRow.count(pk, table.Row.sk.startswith("QUEUE#")) == 0
        world.late += 61
        sweeper.sweep()
        for which in (0, 0, 2):
            world.start(which)
        assert not any(row.queued_at for row in world.rows()), "all slots are free again"
        world.settle()
