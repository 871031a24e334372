"""Executions of agents in the organization's semaphore: admitted, queued, nested, cancelled and swept as workflows'."""

from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect.db import counters, table
from weconnect.executions import sweeper
from weconnect.executions.concurrency.semaphores import Semaphore, read_acquired_at
from weconnect.executions.rows import QueueRow
from weconnect.models.messages import ModelReply


def start_agent(me: RegisteredUser, path: str) -> str:
    """Start an execution of an agent and return its path."""
    return str(me.client.post(f"{path}/executions", {"input": "1+1"}).headers["Location"])


def state(me: RegisteredUser, execution: str) -> tuple[str, str | None, int | None]:
    shown = me.client.get(execution).json
    return shown["status"], shown["waitsFor"], shown["queuePosition"]


def list_holders(me: RegisteredUser) -> list[str]:
    """Return the slots of the organization that are taken."""
    return list(read_acquired_at(counters.read_item(Semaphore(UUID(me.organization["id"])).row_key)))


def count_queued(me: RegisteredUser) -> int:
    return int(QueueRow.count(table.key("ORG", me.organization["id"]), table.Row.sk.startswith("QUEUE#")))


ADMITTED = ("pending", None, None)
DONE = ("completed", None, None)


def test_agents_and_workflows_share_the_organizations_slots(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_concurrent_executions=2)
    agent = create_agent(me)
    workflow = create_workflow(me, definition([node("a", "noop")], "start > a"))
    executions = [start_agent(me, agent), start_execution(me, workflow), start_agent(me, agent)]
    executions += [start_execution(me, workflow), start_agent(me, agent)]
    queued = [("pending", "organization", position) for position in (1, 2, 3)]
    assert [state(me, each) for each in executions] == [ADMITTED, ADMITTED, *queued]
    assert len(starter.invocations) == 2
    listed = me.client.get(f"{agent}/executions?status=pending").json["items"]
    assert [each["waitsFor"] for each in listed] == ["organization", "organization", None]
    starter.run_next()
    assert [state(me, each) for each in executions] == [DONE, ADMITTED, ADMITTED, queued[0], queued[1]]
    starter.run_pending()
    assert [state(me, each) for each in executions] == [DONE] * 5
    assert list_holders(me) == [] and count_queued(me) == 0


def test_the_sweeper_starts_no_queued_agent_but_admits_it_when_a_slot_is_free(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_plan(me, "free", max_concurrent_executions=1)
    monkeypatch.setitem(sweeper.SWEEP_AFTER_SECONDS, "pending", -5)
    agent = create_agent(me)
    first, second = start_agent(me, agent), start_agent(me, agent)
    starter.invocations.clear()  # lost
    sweeper.sweep()
    assert [each["DurableExecutionName"] for each in starter.invocations] == [first.rpartition("/")[2]]
    assert state(me, second) == ("pending", "organization", 1)
    set_plan(me, "free", max_concurrent_executions=2)
    sweeper.sweep()
    assert state(me, second) == ADMITTED
    starter.run_pending()
    assert state(me, second) == DONE


def test_a_queued_agent_is_cancelled_and_leaves_the_queue(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_concurrent_executions=1)
    agent = create_agent(me)
    first, second, third = (start_agent(me, agent) for _ in range(3))
    assert me.client.post(f"{second}/cancel").json["status"] == "cancelled"
    assert state(me, third) == ("pending", "organization", 1) and count_queued(me) == 1
    assert me.client.post(f"{first}/cancel").json["status"] == "cancelled"
    assert state(me, third) == ADMITTED
    starter.run_pending()
    assert (state(me, third), list_holders(me)) == (DONE, [])


def test_a_queued_execution_of_a_purged_agent_ends_and_frees_its_slot(
    me: RegisteredUser, starter: Starter
) -> None:
    set_plan(me, "free", max_concurrent_executions=1)
    agent, other = create_agent(me), create_agent(me, name="Other")
    first, second = start_agent(me, other), start_agent(me, agent)
    assert me.client.delete(agent).status == 204
    starter.run_next()
    assert state(me, first) == DONE
    assert me.client.get(second).status == 404 or state(me, second)[0] == "cancelled"
    assert (count_queued(me), starter.invocations, list_holders(me)) == (0, [], [])


def test_what_an_agent_or_a_workflow_calls_needs_no_slot_of_the_organization(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_plan(me, "free", max_concurrent_executions=1, max_agents=5)
    inner = create_agent(me, name="Inner")
    workflow = create_workflow(
        me, definition([node("a", "agent", agentId=inner.rpartition("/")[2], input="hello")], "start > a")
    )
    execution = start_execution(me, workflow)
    starter.run_pending()
    assert me.client.get(execution).json["status"] == "completed"
    outer = create_agent(me, name="Outer")
    tool = {"toolName": "ask", "toolType": "agent", "configuration": {"agentId": inner.rpartition("/")[2]}}
    added = me.client.post(f"{outer}/tools", tool)
    assert added.status == 201, added.text
    replies = script_replies(
        monkeypatch, *build_call("ask"), ModelReply(text="inner"), ModelReply(text="outer")
    )
    assert execute(me, starter, outer, "go")["output"] == "outer"
    assert len(replies) == 3 and list_holders(me) == []


def build_call(tool: str) -> list[ModelReply]:
    """Return the reply of a model that calls a tool."""
    from weconnect.models.messages import ToolCall

    return [ModelReply(text="", tool_calls=[ToolCall(id="1", name=tool, arguments={"input": "x"})])]


def test_an_agents_slot_costs_two_updates_and_none_on_a_plan_without_a_limit(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sent = create_agent(me), list[str]()
    execute(me, starter, path, "1+1")
    send_update = counters.send_update

    def record(request: dict[str, Any], **options: Any) -> dict[str, Any]:
        sent.append(request["Key"]["sk"]["S"])
        return send_update(request, **options)

    monkeypatch.setattr(counters, "send_update", record)
    execute(me, starter, path, "1+1")
    assert sent.count("SLOTS") == 2
    set_plan(me, "free", max_concurrent_executions=-1)
    execute(me, starter, path, "1+1")
    assert sent.count("SLOTS") == 2 + 1, "a release that finds no slot"
