"""How many runs are open at once: of a workflow, of a key, of an organization; and who is next."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran
from tests.factories import Registered, registered
from tests.integration.racing import caller_of
from tests.mortal import Died
from tests.organizations.people import on_plan
from tests.recorded import Recorded
from tests.workflows.definitions import definition, node
from weconnect import clock, durable, fault_injection, ids
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.executions import service, starting, sweeper
from weconnect.executions.concurrency import semaphores
from weconnect.executions.entities import OPEN, NewWorkflowExecution
from weconnect.executions.rows import ExecutionRow, GateRow, QueueRow
from weconnect.trash import purge

WAITED_FOR = {"Prefer": "wait=1"}  # long enough for an express run


def flow(me: Registered, name: str = "Flow", waits: bool = False, **concurrency: Any) -> str:
    """A workflow that ends at once, or when its callback is called."""
    nodes = [node("a", "wait", until="callback") if waits else node("a", "noop")]
    more = {"concurrency": concurrency} if concurrency else {}
    return made(me, definition(nodes, "start > a", **more), name)


def state(me: Registered, run: str) -> tuple[str, str | None, int | None]:
    found = me.client.get(run).json
    return found["status"], found.get("waitsFor"), found.get("queuePosition")


def asked(starter: Starter) -> list[str]:
    """The ids of the runs that Lambda was asked for, in order."""
    return [str(UUID(request["DurableExecutionName"][32:])) for request in starter.asked]


def id_of(run: str) -> str:
    return run.rpartition("/")[2]


LET_IN = ("pending", None, None)
DONE = ("completed", None, None)


# A workflow's own limit


def test_a_run_too_many_waits_for_its_turn(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1)
    runs = [begun(me, path) for _ in range(3)]
    queued = [("pending", "workflow", 1), ("pending", "workflow", 2)]
    assert [state(me, run) for run in runs] == [LET_IN, *queued]
    assert asked(starter) == [id_of(runs[0])]
    assert len(me.client.get("/v1/executions?status=pending").json["items"]) == 3
    starter.run_next()
    assert asked(starter) == [id_of(runs[1])], "the oldest is next"
    assert [state(me, run) for run in runs] == [DONE, LET_IN, queued[0]]
    starter.run_pending()
    assert [state(me, run) for run in runs] == [DONE] * 3


def test_runs_with_different_keys_do_not_limit_one_another(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1, key="{{ $trigger.customer }}")
    first, other, second, none = (begun(me, path, {"customer": each}) for each in ("a#1", 7, "a#1", None))
    assert [state(me, run) for run in (first, other, second, none)] == [
        LET_IN,
        LET_IN,
        ("pending", "workflow", 1),
        LET_IN,
    ]
    starter.run_pending()
    assert state(me, second) == DONE


def test_a_key_that_cannot_be_told(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1, key="{{ $trigger.n + 1 }}")
    answer = me.client.post(f"{path}/executions", {"input": {"n": "x"}})
    assert (answer.status, answer.json["code"]) == (422, "concurrency_key_failed")
    assert answer.json["errors"][0]["pointer"] == "/settings/concurrency/key"
    assert me.client.get("/v1/executions").json["items"] == []
    value = definition([], concurrency={"limit": 1, "key": "{{ 1 + }}"})
    bad = me.client.post("/v1/workflows", {"name": "Bad", **value})
    found = me.client.post(f"{bad.headers['Location']}/validate").json["findings"]
    assert ("expression_syntax", "/settings/concurrency/key") in [
        (each["code"], each["pointer"]) for each in found
    ]


def test_skip_stores_and_counts_nothing(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1, policy="skip")
    begun(me, path)
    before = me.client.get(f"/v1/organizations/{me.organization['id']}/usage").json
    answer = me.client.post(f"{path}/executions", {})
    assert (answer.status, answer.json["code"]) == (409, "concurrency_limit")
    assert answer.json["detail"] == "As many runs are open as settings.concurrency allows: 1"
    assert me.client.get(f"/v1/organizations/{me.organization['id']}/usage").json == before
    assert len(me.client.get("/v1/executions").json["items"]) == 1
    starter.run_pending()
    assert state(me, begun(me, path)) == LET_IN


def test_the_newest_runs_in_place_of_the_one_before(me: Registered, starter: Starter) -> None:
    path = flow(me, waits=True, limit=1, policy="cancel_running")
    first = begun(me, path)
    starter.run_pending()
    assert state(me, first)[0] == "waiting"
    second = begun(me, path)
    assert state(me, first)[0] == "cancelled", "one that waits ends at once"
    assert state(me, second) == LET_IN
    third, fourth = begun(me, path), begun(me, path)
    assert [state(me, run)[0] for run in (second, third)] == ["cancelled"] * 2
    assert state(me, fourth) == LET_IN
    assert me.client.get(second).json["error"]["code"] == "cancelled"


def test_a_running_one_is_asked_and_waited_for(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1, policy="cancel_running")
    first = begun(me, path)
    row = table.need(ExecutionRow, ExecutionRow.at(UUID(me.organization["id"]), UUID(id_of(first))), "run")
    table.change(row, {"status": "running"}, {})
    second, third = begun(me, path), begun(me, path)
    assert me.client.get(first).json["cancelRequestedAt"]
    assert [state(me, run) for run in (second, third)] == [
        ("cancelled", None, None),
        ("pending", "workflow", 1),
    ]
    starter.run_pending()
    assert [state(me, run)[0] for run in (first, third)] == ["cancelled", "completed"]


def test_cancelling_takes_a_run_out_of_the_queue(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1)
    first, second, third = (begun(me, path) for _ in range(3))
    assert me.client.post(f"{second}/cancel").json["status"] == "cancelled"
    assert state(me, third) == ("pending", "workflow", 1)
    assert me.client.post(f"{first}/cancel").json["status"] == "cancelled"
    assert state(me, third) == LET_IN
    assert me.client.delete(second).status == 204
    assert (
        QueueRow.count(
            table.key("ORG", me.organization["id"], "WORKFLOW", id_of(path)), table.Row.sk.startswith("QUEUE")
        )
        == 0
    )


def test_retries_take_their_turn(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1)
    first = begun(me, path)
    starter.run_pending()
    second = begun(me, path)
    again = me.client.post(f"{first}/retry", {}).json
    assert (again["status"], again["waitsFor"]) == ("pending", "workflow")
    starter.run_pending()
    assert state(me, second) == state(me, f"/v1/executions/{again['id']}") == DONE


def test_a_run_that_is_waited_for_waits_for_its_turn_too(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1)
    first = begun(me, path)
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
        assert (answer["status"], answer["isExpress"]) == ("completed", True), "and leaves its place"


def test_a_workflow_within_itself_needs_no_second_place(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1)
    nodes = [node("if", "if", condition="{{ n > 0 }}"), node("less", "set", values={"n": "{{ n - 1 }}"})]
    nodes.append(node("again", "subworkflow", workflowId=id_of(path)))
    value = definition(nodes, "start > if", "if.true > less", "less > again", concurrency={"limit": 1})
    assert me.client.patch(path, value).status == 200
    assert me.client.post(f"{path}/activate", {}).status == 200
    run = begun(me, path, {"n": 1})
    starter.run_pending()
    assert state(me, run) == DONE
    assert len(me.client.get("/v1/executions").json["items"]) == 2


def test_a_limited_subworkflow(me: Registered, starter: Starter) -> None:
    inner = flow(me, "Inner", limit=1)
    skipping = flow(me, "Skipping", limit=1, policy="skip")
    first = begun(me, inner)
    begun(me, skipping)
    del starter.asked[:]
    value = definition([node("sub", "subworkflow", workflowId=id_of(skipping))], "start > sub")
    assert ran(me, starter, value, name="Refused")["error"]["code"] == "concurrency_limit"
    value = definition([node("sub", "subworkflow", workflowId=id_of(inner))], "start > sub")
    outer = ran(me, starter, value, name="Queued")
    assert outer["status"] == "waiting" and starter.asked == []
    me.client.post(f"{first}/cancel")
    starter.run_pending()
    assert me.client.get(f"/v1/executions/{outer['id']}").json["status"] == "completed"


def test_a_purged_workflow_leaves_no_gates(me: Registered, starter: Starter) -> None:
    path = flow(me, limit=1, key="{{ $trigger.customer }}")
    begun(me, path, {"customer": "ada@example.com"})
    starter.run_pending()
    pk = table.key("ORG", me.organization["id"], "WORKFLOW", id_of(path))
    assert GateRow.count(pk, table.Row.sk.startswith("PLACES#")) == 1
    assert me.client.delete(path).status == me.client.delete(f"{path}?purge=true").status == 204
    assert purge.purge({"pk": f"ORG#{me.organization['id']}", "sk": f"TRASH#WORKFLOW#{id_of(path)}"})
    assert GateRow.count(pk, table.Row.sk.startswith("PLACES#")) == 0


# An organization's limit


def test_an_organization_has_so_many_runs_at_once(me: Registered, starter: Starter) -> None:
    on_plan(me, "free")
    path = flow(me)
    runs = [begun(me, path) for _ in range(4)]
    assert [state(me, run) for run in runs] == [
        LET_IN,
        LET_IN,
        ("pending", "organization", 1),
        ("pending", "organization", 2),
    ]
    express = me.client.post(f"{path}/executions", {}, headers=WAITED_FOR).json
    assert (express["isExpress"], express["waitsFor"]) == (False, "organization")
    starter.run_pending()
    runs.append(f"/v1/executions/{express['id']}")
    assert [state(me, run) for run in runs] == [DONE] * 5


def test_a_larger_plan_lets_more_in(me: Registered, starter: Starter) -> None:
    on_plan(me, "free", max_concurrent_executions=1)
    path = flow(me)
    runs = [begun(me, path) for _ in range(4)]
    on_plan(me, "free", max_concurrent_executions=3)
    sweeper.sweep()
    assert [state(me, run)[1] for run in runs] == [None, None, None, "organization"]
    on_plan(me, "free", max_concurrent_executions=-1)
    sweeper.sweep()
    assert state(me, runs[3]) == LET_IN


def test_a_run_passes_its_workflow_before_its_organization(me: Registered, starter: Starter) -> None:
    on_plan(me, "free", max_concurrent_executions=1)
    limited, free = flow(me, "Limited", limit=1), flow(me, "Free")
    runs = [begun(me, each) for each in (limited, free, limited)]
    assert [state(me, run)[1] for run in runs] == [None, "organization", "workflow"]
    starter.run_next()
    assert [state(me, run)[1] for run in runs] == [None, None, "organization"]
    starter.run_pending()
    assert [state(me, run) for run in runs] == [DONE] * 3


def test_nodes_of_a_run_need_no_place_of_their_own(me: Registered, starter: Starter) -> None:
    on_plan(me, "free", max_concurrent_executions=1)
    inner = flow(me, "Inner")
    value = definition([node("sub", "subworkflow", workflowId=id_of(inner))], "start > sub")
    assert ran(me, starter, value, name="Outer")["status"] == "completed"


def test_workflows_without_limits_take_a_place_and_give_it_back(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = flow(me)
    begun(me, path)
    starter.run_pending()
    sent: list[str] = []
    send = semaphores.counters.send
    monkeypatch.setattr(
        semaphores.counters,
        "send",
        lambda request, **more: (sent.append(request["Key"]["sk"]["S"]), send(request, **more))[1],
    )
    begun(me, path)
    starter.run_pending()
    assert [each.partition("#")[0] for each in sent] == ["USAGE", "PLACES", "PLACES"]
    on_plan(me, "free", max_concurrent_executions=-1)
    begun(me, path)
    starter.run_pending()
    assert len(sent) == 5, "none is taken on a plan without a limit"


def test_a_hundred_places_are_given_back(me: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    """In expressions of at most 4 KB, which moto does not hold to."""
    gate = semaphores.Gate(UUID(me.organization["id"]))
    run_ids = [ids.new_id() for _ in range(100)]
    assert all(semaphores.enter(gate, run_id, 100) for run_id in run_ids)
    sent: list[str] = []
    send = semaphores.counters.send
    monkeypatch.setattr(
        semaphores.counters,
        "send",
        lambda request, **more: (sent.append(request["UpdateExpression"]), send(request, **more))[1],
    )
    assert semaphores.holders(semaphores.leave(gate, run_ids)) == {}
    assert len(sent) == 2 and all(len(each) <= 4096 for each in sent)


# Whatever happens


@pytest.fixture(scope="module")
def us() -> Iterator[tuple[Registered, Starter]]:
    from tests.api.matrix_factories import services

    starter = Starter()
    with services(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "lambda_client", lambda: starter)
        yield registered(), starter


class World:
    """Runs of three workflows of one organization, at a clock of its own, whose processes die now and then."""

    def __init__(self, me: Registered, starter: Starter, patch: pytest.MonkeyPatch) -> None:
        self.caller, self.starter = caller_of(me), starter
        self.organization_id = UUID(me.organization["id"])
        self.paths = [
            flow(me, f"Queue {next(numbers)}", limit=2, key="{{ $trigger.key }}"),
            flow(me, f"Free {next(numbers)}"),
            flow(me, f"Newest {next(numbers)}", limit=1, policy="cancel_running"),
        ]
        self.accepted: list[UUID] = []
        self.steps: dict[str, Recorded] = {}
        self.late, self.left = 0, -1
        self.first = str(ids.new_id())
        now = clock.now
        patch.setattr(clock, "now", lambda: now() + timedelta(seconds=self.late))
        patch.setattr(fault_injection, "point", self.point)
        patch.setattr(sweeper, "SHARDS", "0")
        patch.setattr(ExecutionRow, "shard", staticmethod(lambda _: "0"))
        patch.setattr(service, "wait", lambda caller, execution, seconds: execution)

    def point(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died

    def do(self, what: str, which: int, death: int) -> None:
        """One thing, whose process dies at its `death`th fault point."""
        self.left = death
        with suppress(Died):
            getattr(self, what)(which)
        self.left = -1

    def start(self, which: int) -> None:
        new = NewWorkflowExecution(input={"key": "ab"[which % 2]})
        workflow_id = UUID(id_of(self.paths[which // 2 % 3]))
        self.accepted.append(starting.start(self.caller, workflow_id, new, 5 if which > 5 else 0).id)

    def carry(self, which: int) -> None:
        if not self.starter.asked:
            return
        request = self.starter.asked[which % len(self.starter.asked)]
        steps = self.steps.setdefault(request["DurableExecutionName"], Recorded())
        self.starter._carry(request, steps)
        self.starter.asked.remove(request)

    def cancel(self, which: int) -> None:
        if self.accepted:
            with suppress(Conflict):
                service.cancel(self.caller, self.accepted[which % len(self.accepted)])

    def sweep(self, which: int) -> None:
        sweeper.sweep()

    def later(self, which: int) -> None:
        self.late += 61

    def rows(self) -> list[ExecutionRow]:
        return list(
            ExecutionRow.gsi1.query(
                ExecutionRow.of_organization(self.organization_id), ExecutionRow.gsi1sk > self.first
            )
        )

    def check(self) -> None:
        """Never more are let in than may be."""
        let_in = [row for row in self.rows() if row.status in OPEN and not row.queued_at]
        assert len(let_in) <= 3
        limited = [row for row in let_in if row.concurrency]
        for key, count in Counter((row.workflow_id, row.concurrency["key"]) for row in limited).items():
            assert count <= next(row.concurrency["limit"] for row in limited if row.workflow_id == key[0])

    def settle(self) -> None:
        """Let time pass, as the sweeper and the platform do, until nothing is open."""
        for _ in range(30):
            self.late += 61
            sweeper.sweep()
            while self.starter.asked:
                self.carry(0)
                self.check()
            if not any(row.status in OPEN for row in self.rows()):
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
def test_no_run_too_many_and_none_lost(
    us: tuple[Registered, Starter], actions: list[tuple[str, int, int]]
) -> None:
    me, starter = us
    on_plan(me, "enterprise", max_concurrent_executions=3)
    del starter.asked[:]
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
        assert not any(row.queued_at for row in world.rows()), "all places are free again"
        world.settle()
