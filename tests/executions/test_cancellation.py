"""Cancellations that take longer than a request, or are killed: what is left of them is done by the sweeper."""

from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, script_replies
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.executions.test_combinations import id_of, limited_workflow, status
from tests.executions.test_lost_executions import load_row
from tests.executions.test_trees import WAITER, agent_with_tools, calling, list_open, tool_calls
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import status_and_code
from weconnect.api.caller import Caller
from weconnect.errors import Unavailable
from weconnect.executions import closing, followups, retention, sweeper
from weconnect.executions.rows import EndingRow


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let requests have no time for what may be long, until this is undone."""
    monkeypatch.setattr(followups, "BUDGET_SECONDS", 0)
    return monkeypatch


def start_waiting(me: RegisteredUser, starter: Starter) -> tuple[str, list[str]]:
    """Start an execution with two children in parallel, and a child of each; return it and the workflows of those."""
    waiter = create_workflow(me, WAITER, "Waiter")
    middle = create_workflow(me, calling(waiter, "a"), "Middle")
    root = start_execution(me, create_workflow(me, calling(middle, "a", "b"), "Root"))
    starter.run_pending()
    assert len(list_open(me, middle)) == len(list_open(me, waiter)) == 2
    return root, [middle, waiter]


def count_open(me: RegisteredUser, flows: list[str]) -> int:
    return sum(len(list_open(me, flow)) for flow in flows)


def count_marks() -> int:
    return sum(1 for _ in EndingRow.query(EndingRow.of_all(), consistent_read=True))


def test_what_a_cancellation_has_no_time_for_is_done_by_the_sweeper(
    me: RegisteredUser, starter: Starter, no_time: Any
) -> None:
    root, flows = start_waiting(me, starter)
    assert me.client.post(f"{root}/cancel").json["status"] == "cancelled"
    assert (count_open(me, flows), count_marks()) == (4, 1)
    assert status_and_code(me.client.delete(root)) == (409, "still_open"), "else nothing would lead to them"
    assert sweeper.sweep("queues") == 1
    assert (count_open(me, flows), count_marks()) == (0, 0)
    assert sweeper.sweep("queues") == 0
    assert me.client.delete(root).status == 204


def test_an_ended_execution_is_cancelled_again_while_its_children_are_open(
    me: RegisteredUser, starter: Starter, no_time: Any
) -> None:
    root, flows = start_waiting(me, starter)
    assert me.client.post(f"{root}/cancel").status == 200
    no_time.setattr(followups, "BUDGET_SECONDS", 10)
    assert me.client.post(f"{root}/cancel").json["status"] == "cancelled"
    assert (count_open(me, flows), count_marks()) == (0, 0)
    assert status_and_code(me.client.post(f"{root}/cancel")) == (409, "already_finished")


def test_a_cancellation_that_is_killed_is_finished_by_the_sweeper(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, flows = start_waiting(me, starter)
    cancel_children = followups._cancel_children

    def kill(*_: Any) -> bool:
        monkeypatch.setattr(followups, "_cancel_children", cancel_children)
        raise Unavailable

    monkeypatch.setattr(followups, "_cancel_children", kill)
    assert me.client.post(f"{root}/cancel").status == 503
    assert (status(me, root)[0], count_open(me, flows)) == ("cancelled", 4)
    sweeper.sweep("queues")
    assert (count_open(me, flows), count_marks()) == (0, 0)


@pytest.mark.parametrize(("seconds", "left"), [(10, 0), (0, 4)])
def test_what_has_started_others_and_failed_leaves_none_of_them_open(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, seconds: int, left: int
) -> None:
    monkeypatch.setattr(followups, "BUDGET_SECONDS", seconds)
    root, flows = start_waiting(me, starter)
    assert sweeper.close(load_row(me, root).function_call.durable_name, "FAILED", "it failed")
    assert (status(me, root)[0], count_open(me, flows)) == ("failed", left)
    sweeper.sweep("queues")
    assert (count_open(me, flows), count_marks()) == (0, 0)


def test_the_workflow_that_a_cancelled_agent_has_called_is_cancelled(
    me: RegisteredUser, starter: Starter, no_time: Any
) -> None:
    waiter = create_workflow(me, WAITER, "Waiter")
    path = agent_with_tools(me, "Lead", expert=agent_with_tools(me, "Expert", waiter=waiter))
    script_replies(no_time, tool_calls("expert"), tool_calls("waiter"))
    execution = me.client.post(f"{path}/executions", {"input": "go"}).headers["Location"]
    starter.run_pending()
    assert len(list_open(me, waiter)) == 1
    assert me.client.post(f"{execution}/cancel").status == 202
    assert len(list_open(me, waiter)) == 1 and count_marks() > 0
    for _ in range(2):
        sweeper.sweep("queues")
    assert (list_open(me, waiter), count_marks()) == ([], 0)


def test_closing_an_organization_is_finished_by_the_sweeper(
    me: RegisteredUser, starter: Starter, no_time: Any
) -> None:
    """Executions that were requested since then are not concerned."""
    waiter = create_workflow(me, WAITER, "Waiter")
    for _ in range(3):
        start_execution(me, waiter)
    starter.run_pending()
    owner = Caller(UUID(me.user["id"]), UUID(me.organization["id"]), "owner", frozenset({"*"}))
    closing.close_access(owner)
    assert (len(list_open(me, waiter)), count_marks()) == (3, 1)
    later = start_execution(me, waiter)
    no_time.setattr(followups, "BUDGET_SECONDS", 10)
    sweeper.sweep("queues")
    assert [each["id"] for each in list_open(me, waiter)] == [id_of(later)] and count_marks() == 0


def test_superseded_executions_are_not_cancelled_within_one_another(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue of some hundreds, whose starts were killed, would exceed the depth of calls, and cost its square."""
    flow = limited_workflow(me, policy="cancel_running")
    with monkeypatch.context() as killed:
        killed.setattr(followups, "cancel_all", lambda *_: False)
        executions = [start_execution(me, flow) for _ in range(6)]
    cancel, depths = followups.cancel_execution, [0]

    def record_depth(*args: Any, **options: Any) -> bool:
        depths.append(depths[-1] + 1)
        try:
            return cancel(*args, **options)
        finally:
            depths.append(depths[-1] - 1)

    monkeypatch.setattr(followups, "cancel_execution", record_depth)
    sweeper.sweep("queues")
    assert max(depths) <= 2
    assert [status(me, each)[0] for each in executions] == ["cancelled"] * 5 + ["pending"]


def test_a_sweep_that_is_killed_keeps_no_mark_from_its_turn(
    me: RegisteredUser, starter: Starter, no_time: Any
) -> None:
    first, *flows = start_waiting(me, starter)
    waiter = flows[0][1]
    second = start_execution(me, create_workflow(me, calling(waiter, "a"), "Second"))
    starter.run_pending()
    for each in (first, second):
        assert me.client.post(f"{each}/cancel").status == 200
    swept: list[str] = []

    def kill(row: Any, until: float) -> None:
        swept.append(row.id)
        raise KeyboardInterrupt

    with no_time.context() as killed:
        killed.setattr(followups, "finish_ending", kill)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                sweeper.sweep("queues")
    assert swept == [id_of(first), id_of(second)]
    assert sweeper.sweep("queues") == 2 and count_marks() == 0


def test_an_end_is_finished_when_nothing_is_open(me: RegisteredUser, starter: Starter, no_time: Any) -> None:
    """A walk through all that has ended would take its turn from others; it is not repeated."""
    root, flows = start_waiting(me, starter)
    assert me.client.post(f"{root}/cancel").status == 200
    no_time.setattr(retention, "begin", lambda *_: None)
    sweeper.sweep("queues")
    assert (count_open(me, flows), count_marks()) == (0, 0)
