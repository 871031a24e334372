"""Concurrency limits of workflows, concurrency keys and organizations, and the order of admission."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.agents.execution_helpers import Starter, create_agent
from tests.durable_runner import ProcessKilled
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.integration.racing import owner_caller
from tests.organizations.organization_helpers import set_plan
from tests.soak import example_count
from tests.workflows.definitions import definition, node
from weconnect import clock, fault_injection, ids
from weconnect.agents.engine import model_requests
from weconnect.agents.entities import NewAIAgentExecution
from weconnect.agents.executions import starts as agent_starts
from weconnect.agents.rows import AgentExecutionRow
from weconnect.db import counters, table
from weconnect.durable import client as durable_client
from weconnect.errors import Conflict, NotFound
from weconnect.executions import service as executions
from weconnect.executions import sweeper
from weconnect.executions.concurrency import semaphores
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.kinds import kind_of
from weconnect.executions.rows import AnyRow, ExecutionRow, QueueRow, SemaphoreRow, agent_slot
from weconnect.models.messages import ModelReply, ModelRequest, ToolCall
from weconnect.trash import purge
from weconnect.workflows.executions import starts
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


@pytest.mark.parametrize("policy", ["queue", "cancel_running"])
@pytest.mark.parametrize("caller", ["workflow", "agent"])
def test_a_child_takes_over_the_slot_of_an_execution_that_waits_for_its_parents(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, caller: str, policy: str
) -> None:
    """Neither would ever begin: the child without the slot of its workflow, the other one without the parent's."""
    set_plan(me, "free", max_concurrent_executions=1)
    monkeypatch.setattr(model_requests, "send_request", call_once)
    limited = limited_workflow(me, "Limited", limit=1, policy=policy)
    if caller == "agent":
        parent = me.client.post(f"{create_caller(me, 'Caller', limited)}/executions", {"input": "go"})
        execution = parent.headers["Location"]
    else:
        value = definition([node("sub", "subworkflow", workflowId=id_of(limited))], "start > sub")
        execution = start_execution(me, create_workflow(me, value, "Caller"))
    others = [start_execution(me, limited) for _ in range(2 if policy == "queue" else 1)]
    assert state(me, others[0]) == ("pending", "organization", 1)
    starter.run_next()
    assert (
        me.client.get(execution).json["status"] in ("running", "waiting")
        and len(set(started_ids(starter))) == 1
    )
    queued = [("pending", "workflow", 1), ("pending", "workflow", 2)]
    assert [state(me, each) for each in others] == (
        queued if policy == "queue" else [("cancelled", None, None)]
    )
    starter.run_pending()
    assert me.client.get(execution).json["status"] == "completed"
    assert {state(me, each)[0] for each in others} == {"completed" if policy == "queue" else "cancelled"}


def test_a_child_is_the_first_of_its_queue(me: RegisteredUser, starter: Starter) -> None:
    """Executions that have begun end before others begin."""
    set_plan(me, "enterprise", max_concurrent_executions=2)
    limited = limited_workflow(me, "Limited", limit=1)
    first, second = start_execution(me, limited), start_execution(me, limited)
    value = definition([node("sub", "subworkflow", workflowId=id_of(limited))], "start > sub")
    parent = start_execution(me, create_workflow(me, value, "Caller"))
    holder = starter.invocations.pop(0)
    starter.run_next()
    (child,) = [
        each for each in me.client.get("/v1/executions").json["items"] if each["mode"] == "subworkflow"
    ]
    assert state(me, f"/v1/executions/{child['id']}") == ("pending", "workflow", 1)
    assert state(me, second) == ("pending", "workflow", 2)
    starter.invocations.append(holder)
    starter.run_next()
    assert started_ids(starter) == [child["id"]]
    starter.run_pending()
    assert [state(me, each)[0] for each in (first, second, parent)] == ["completed"] * 3


def test_an_execution_that_lost_its_slot_keeps_none_of_the_organization(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was admitting it had taken that slot when a child took over the one of its workflow."""
    set_plan(me, "free", max_concurrent_executions=2)
    limited, free = limited_workflow(me, "Limited", waits=True, limit=1), limited_workflow(me, "Free")
    start_execution(me, limited)
    starter.run_pending()
    queued = start_execution(me, limited)
    row = WorkflowExecutionRow.get(*WorkflowExecutionRow.at(UUID(me.organization["id"]), UUID(id_of(queued))))
    assert semaphores.acquire(semaphores.Semaphore(UUID(me.organization["id"])), row.slot, 2)
    execution = start_execution(me, free)
    sweeper.sweep()
    assert state(me, execution) == ("pending", "organization", 1), "the process may be alive"
    late = clock.now() + timedelta(seconds=semaphores.STORED_WITHIN_SECONDS + 1)
    monkeypatch.setattr(clock, "now", lambda: late)
    sweeper.sweep()
    assert (state(me, execution), state(me, queued)) == (ADMITTED, ("pending", "workflow", 1))


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


class Platform(Starter):
    """A replacement of Lambda in which each callback resumes the execution that waits for it, as an invocation.

    `paths` are those of workflows and agents, some of which execute others; `late` is how late it is, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self.paths: list[str] = []
        self.late = 0

    def send_durable_execution_callback_success(self, **sent: Any) -> dict[str, Any]:
        self.values[sent["CallbackId"]] = json.loads(sent["Result"])
        waiting = [each for each in self.suspended if each[1].prefix in sent["CallbackId"]]
        self.suspended = [each for each in self.suspended if each not in waiting]
        self.invocations += [request for request, _ in waiting]
        return {}


class World:
    """Executions of workflows and agents of one organization, with their own clock; processes crash now and then."""

    def __init__(self, me: RegisteredUser, starter: Platform, patch: pytest.MonkeyPatch) -> None:
        self.caller, self.starter = owner_caller(me), starter
        self.organization_id = UUID(me.organization["id"])
        self.paths = starter.paths
        self.accepted: list[UUID] = []
        self.steps: dict[str, InMemorySteps] = {}
        patch.setattr(model_requests, "send_request", call_once)
        self.left = -1
        now = clock.now
        patch.setattr(clock, "now", lambda: now() + timedelta(seconds=starter.late))
        self.first = str(ids.new_id())
        patch.setattr(fault_injection, "kill_point", self.point)
        patch.setattr(sweeper, "SWEEPER_SHARDS", "0")
        patch.setattr(ExecutionRow, "shard", staticmethod(lambda _: "0"))
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
        path = self.paths[which // 2 % len(self.paths)]
        target_id, wait_seconds = UUID(id_of(path)), 5 if which % 4 > 2 else 0
        if path.startswith("/v1/agents/"):
            new_agents = NewAIAgentExecution(input="go")
            self.accepted.append(
                agent_starts.start_for_caller(self.caller, target_id, new_agents, wait_seconds).id
            )
            return
        new = NewWorkflowExecution(input={"key": "ab"[which % 2]})
        self.accepted.append(starts.start_for_caller(self.caller, target_id, new, wait_seconds).id)

    def carry(self, which: int) -> None:
        if not self.starter.invocations:
            return
        request = self.starter.invocations[which % len(self.starter.invocations)]
        name = request["DurableExecutionName"]
        steps = self.steps.setdefault(name, InMemorySteps(f"{name}:"))
        steps.callback_values = self.starter.values
        self.starter._execute(request, steps)
        self.starter.invocations.remove(request)

    def cancel(self, which: int) -> None:
        if self.accepted:
            execution_id = self.accepted[which % len(self.accepted)]
            row = next((row for row in self.rows() if row.id == str(execution_id)), None)
            if row:
                with suppress(Conflict):
                    executions.cancel(kind_of(row), self.caller, (row.pk, row.sk))

    def sweep(self, which: int) -> None:
        sweeper.sweep()

    def later(self, which: int) -> None:
        self.starter.late += 61

    def rows(self) -> list[AnyRow]:
        """Return the executions of workflows and of agents."""
        rows: list[AnyRow] = [
            *WorkflowExecutionRow.gsi1.query(
                WorkflowExecutionRow.of_organization(self.organization_id),
                WorkflowExecutionRow.gsi1sk > self.first,
            )
        ]
        for path in self.paths:
            if path.startswith("/v1/agents/"):
                pk, prefix = AgentExecutionRow.of_agent(self.organization_id, UUID(id_of(path)))
                rows += AgentExecutionRow.query(pk, AgentExecutionRow.sk.startswith(prefix))
        return [row for row in rows if row.id > self.first]

    def check(self) -> None:
        """Assert that no limit is exceeded."""
        admitted = [row for row in self.rows() if row.status in OPEN_STATUSES and not row.queued_at]
        assert len([row for row in admitted if row.needs_slot]) <= LIMIT
        limited = [(row.target_id, row.concurrency) for row in admitted if row.concurrency]
        counts = Counter((workflow_id, concurrency["key"]) for workflow_id, concurrency in limited)
        limits = {workflow_id: concurrency["limit"] for workflow_id, concurrency in limited}
        for (workflow_id, _), count in counts.items():
            assert count <= limits[workflow_id]

    def settle(self) -> None:
        """Let time pass, with the sweeper and the platform, until nothing is open."""
        for _ in range(30):
            self.later(0)
            sweeper.sweep()
            while self.starter.invocations:
                self.carry(0)
                self.check()
            if not any(row.status in OPEN_STATUSES for row in self.rows()):
                return
        raise AssertionError([(row.id, row.status, row.waits_for) for row in self.rows()])


def create_paths(me: RegisteredUser) -> list[str]:
    """Create workflows and agents, the last three of which execute others; return their paths."""
    one = limited_workflow(me, "One", limit=1)
    call = definition([node("sub", "subworkflow", workflowId=id_of(one))], "start > sub")
    calls = create_workflow(me, call, "Calls")
    return [
        limited_workflow(me, "Queue", limit=2, key="{{ $trigger.key }}"),
        limited_workflow(me, "Free"),
        limited_workflow(me, "Newest", limit=1, policy="cancel_running"),
        one,
        calls,
        create_caller(me, "Agent", one),
        create_caller(me, "Outer", calls),
    ]


def create_caller(me: RegisteredUser, name: str, workflow: str) -> str:
    """Create an agent with a tool that executes a workflow; return its path."""
    path = create_agent(me, name=name)
    configuration = {"workflowId": id_of(workflow)}
    tool = {"toolName": "call", "toolType": "workflow", "configuration": configuration}
    assert me.client.post(f"{path}/tools", tool).status == 201
    return path


def call_once(request: ModelRequest, key: str | None) -> ModelReply:
    """Return the reply of a model that calls the tool, and then is done."""
    if any(message.role == "tool" for message in request.messages):
        return ModelReply(text="done", cost_micros=1)
    return ModelReply(tool_calls=[ToolCall(id="c", name="call", arguments={})], cost_micros=1)


@pytest.fixture(scope="module")
def us() -> Iterator[tuple[RegisteredUser, Platform]]:
    from tests.api.matrix_world import mocked_services

    starter = Platform()
    with mocked_services(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable_client, "lambda_client", lambda: starter)
        me = register()
        set_plan(me, "enterprise", max_concurrent_executions=LIMIT, max_agents=-1)
        starter.paths = create_paths(me)
        yield me, starter


LIMIT = 2
ACTIONS = st.tuples(
    st.sampled_from(["start", "start", "start", "carry", "carry", "cancel", "sweep", "later"]),
    st.integers(0, 13),
    st.integers(-12, 24),
)


@settings(max_examples=example_count(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=st.lists(ACTIONS, min_size=4, max_size=14))
# An execution is queued with the slot that what an agent, or a workflow, calls needs.
@example(actions=[("start", 10, 0), ("start", 8, 0), ("start", 6, 0), ("start", 6, 0)])
@example(actions=[("start", 12, 0), ("start", 12, 0), ("start", 6, 0), ("start", 6, 0)])
def test_random_crashes_neither_exceed_a_limit_nor_lose_an_execution(
    us: tuple[RegisteredUser, Platform], actions: list[tuple[str, int, int]]
) -> None:
    me, starter = us
    del starter.invocations[:], starter.suspended[:]
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
        world.later(0)
        sweeper.sweep()
        for which in (0, 2):
            world.start(which)
        assert not any(row.queued_at for row in world.rows()), "all slots are free again"
        world.settle()
