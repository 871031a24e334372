"""Trees of executions: how many one execution may start, by itself and through others, and how many at once."""

from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.agents.tool_call_helpers import DONE
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.executions.test_combinations import id_of, list_executions
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect.db import table
from weconnect.executions.rows import TreeRow
from weconnect.executions.start import start
from weconnect.models.messages import ModelReply, ToolCall
from weconnect.workflows.engine import levels

LEAF = definition([node("a", "noop")], "start > a")
WAITER = definition([node("w", "wait", until="callback")], "start > w")


def calling(flow: str, *ids: str, **more: Any) -> dict[str, Any]:
    """Return a definition whose nodes call a workflow in parallel."""
    nodes = [node(id, "subworkflow", workflowId=id_of(flow), **more) for id in ids]
    return definition(nodes, *(f"start > {id}" for id in ids))


def loop_calling(flow: str, **more: Any) -> dict[str, Any]:
    """Return a definition that calls a workflow for each item."""
    nodes = [node("l", "loop"), node("sub", "subworkflow", workflowId=id_of(flow), **more)]
    return definition(nodes, "start > l", "l.loop > sub", "sub > l")


def items(count: int) -> list[dict[str, int]]:
    return [{"n": number} for number in range(count)]


def count_descendants(me: RegisteredUser, execution: Any) -> int:
    at = TreeRow.at(UUID(me.organization["id"]), UUID(execution["id"]))
    row = table.get(TreeRow, at)
    return int(row.descendants) if row else 0


def tool_calls(*names: str) -> ModelReply:
    """Return a reply that calls these tools; the agents among them want an input."""
    calls = [
        ToolCall(id=f"c{number}", name=name, arguments={"input": "x"} if name == "expert" else {})
        for number, name in enumerate(names)
    ]
    return ModelReply(tool_calls=calls, cost_micros=1)


def agent_with_tools(me: RegisteredUser, name: str, **targets: str) -> str:
    """Create an agent with a tool for each workflow or agent; return its path."""
    path = create_agent(me, name=name)
    for tool_name, target in targets.items():
        kind = "agent" if "/agents/" in target else "workflow"
        configuration = {f"{kind}Id": id_of(target)}
        tool = {"toolName": tool_name, "toolType": kind, "configuration": configuration}
        assert me.client.post(f"{path}/tools", tool).status == 201
    return path


# How many


def test_an_execution_starts_as_many_others_as_the_plan_allows(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_descendants=3)
    loop = loop_calling(create_workflow(me, LEAF, "Leaf"))
    allowed = execute_workflow(me, starter, loop, items(3), name="Three")
    assert allowed["status"] == "completed" and count_descendants(me, allowed) == 3
    refused = execute_workflow(me, starter, loop, items(5), name="Five")
    assert (refused["status"], refused["error"]["code"]) == ("failed", "too_many_descendants")
    assert "has started 3 others" in refused["error"]["message"]
    assert "change the plan" in refused["error"]["message"]
    assert len(list_executions(me, "subworkflow")) == 6
    usage = me.client.get(f"/v1/organizations/{me.organization['id']}/usage").json["resources"]
    assert next(each["used"] for each in usage if each["resource"] == "executions") == 2, "roots alone count"


def test_what_the_children_start_counts_with_them(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_descendants=3)
    middle = create_workflow(me, calling(create_workflow(me, LEAF, "Leaf"), "a"), "Middle")
    root = execute_workflow(me, starter, loop_calling(middle), items(5), name="Root")
    assert root["error"]["code"] == "subworkflow_failed"
    assert root["error"]["message"].endswith("is failed: too_many_descendants")
    assert count_descendants(me, root) == 3 == len(list_executions(me, "subworkflow"))


def test_slices_of_a_loop_count(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes iterations of a new execution, so nested loops would have no end."""
    monkeypatch.setattr(levels, "PLANNED_OPERATIONS", 30)
    set_plan(me, "free", max_descendants=4)
    root = execute_workflow(
        me, starter, loop_calling(create_workflow(me, LEAF, "Leaf")), items(20), name="Root"
    )
    assert (root["status"], root["error"]["code"]) == ("failed", "too_many_descendants")
    children = list_executions(me, "subworkflow")
    assert len(children) == 4 and root["id"] in {child["parentExecutionId"] for child in children}


def test_a_child_whose_start_is_repeated_counts_once(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is when its function dies between the start and the checkpoint; also when nothing is left to count."""

    def start_twice(request: Any) -> Any:
        assert start(request).is_new
        return start(request)

    monkeypatch.setattr("weconnect.workflows.engine.child_executions.start", start_twice)
    set_plan(me, "pro", max_descendants=1)
    flow = create_workflow(me, LEAF, "Leaf")
    at_the_limit = execute_workflow(me, starter, calling(flow, "a"), name="One")
    set_plan(me, "pro", max_descendants=5)
    below_it = execute_workflow(me, starter, calling(flow, "a"), name="Many")
    for root in (at_the_limit, below_it):
        assert root["status"] == "completed" and count_descendants(me, root) == 1


def test_a_child_that_is_refused_does_not_count(me: RegisteredUser, starter: Starter) -> None:
    flow = create_workflow(me, WAITER | {"settings": {"concurrency": {"limit": 1, "policy": "skip"}}}, "W")
    start_execution(me, flow)
    starter.run_pending()
    root = execute_workflow(me, starter, calling(flow, "a"), name="Root")
    assert root["error"]["code"] == "concurrency_limit" and count_descendants(me, root) == 0


def test_calls_of_agents_and_by_agents_count(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_plan(me, "free", max_descendants=2)
    expert = agent_with_tools(me, "Expert", leaf=create_workflow(me, LEAF, "Leaf"))
    path = agent_with_tools(me, "Lead", expert=expert)
    requests = script_replies(
        monkeypatch,
        tool_calls("expert"),
        tool_calls("leaf"),
        tool_calls("leaf"),
        DONE,
        tool_calls("expert"),
        DONE,
    )
    done = execute(me, starter, path, "go")
    assert done["status"] == "completed" and count_descendants(me, done) == 2
    for request in (requests[3], requests[5]):
        last = request.messages[-1]
        assert last.is_error and "has started 2 others" in last.content


def test_an_agent_node_counts(me: RegisteredUser, starter: Starter) -> None:
    set_plan(me, "free", max_descendants=0)
    agent = create_agent(me)
    call = definition([node("a", "agent", agentId=id_of(agent), input="hello")], "start > a")
    assert execute_workflow(me, starter, call)["error"]["code"] == "too_many_descendants"
    assert me.client.get(f"{agent}/executions").json["items"] == []


def test_an_error_workflow_is_executed_in_the_tree_of_what_has_failed(
    me: RegisteredUser, starter: Starter
) -> None:
    """It reports that the limit is reached, and what it starts counts: else failures would multiply the limit."""
    set_plan(me, "free", max_descendants=1)
    leaf = create_workflow(me, LEAF, "Leaf")
    handler = calling(leaf, "a")
    handler["nodes"][0] = node("start", "error")
    settings = {"errorWorkflowId": id_of(create_workflow(me, handler, "Handler"))}
    execute_workflow(me, starter, loop_calling(leaf) | {"settings": settings}, items(2), name="Root")
    (handling,) = list_executions(me, "event")
    assert (handling["status"], handling["error"]["code"]) == ("failed", "too_many_descendants")


# How many at once


def list_open(me: RegisteredUser, flow: str) -> list[Any]:
    executions = me.client.get(f"/v1/executions?workflowId={id_of(flow)}").json["items"]
    return [each for each in executions if each["status"] in ("pending", "running", "waiting")]


def cancel_one(me: RegisteredUser, starter: Starter, flow: str) -> None:
    """Cancel an execution that waits, and continue with the ones that waited for it."""
    assert me.client.post(f"/v1/executions/{list_open(me, flow)[0]['id']}/cancel").status == 200
    starter.run_pending()


def test_a_child_starts_its_own_children_one_after_the_other(me: RegisteredUser, starter: Starter) -> None:
    """Else eight parallel branches on each of five levels would make 32,768 executions at once."""
    waiter = create_workflow(me, WAITER, "Waiter")
    middle = create_workflow(me, calling(waiter, "a", "b", "c", onError="continue"), "Middle")
    root = start_execution(me, create_workflow(me, calling(middle, "a", "b"), "Root"))
    starter.run_pending()
    assert len(list_open(me, middle)) == len(list_open(me, waiter)) == 2, "one for each that the root started"
    for _ in range(6):
        cancel_one(me, starter, waiter)
        parents = [each["parentExecutionId"] for each in list_open(me, waiter)]
        assert sorted(parents) == sorted(each["id"] for each in list_open(me, middle))
    assert me.client.get(root).json["status"] == "completed"
    assert len(list_executions(me, "subworkflow")) == 2 + 6


def test_nodes_that_start_nothing_do_not_wait_for_one_another(me: RegisteredUser, starter: Starter) -> None:
    waiter = create_workflow(me, WAITER, "Waiter")
    value = calling(waiter, "a", "b")
    value["nodes"] += [node("ask", "approval", message="Go on?"), node("ask2", "approval", message="Go on?")]
    value["connections"] += definition([], "start > ask", "start > ask2")["connections"]
    start_execution(me, create_workflow(me, calling(create_workflow(me, value, "Middle"), "m"), "Root"))
    starter.run_pending()
    assert len(me.client.get("/v1/approvals").json["items"]) == 2 and len(list_open(me, waiter)) == 1


def test_an_agent_that_was_asked_starts_its_calls_one_after_the_other(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiter = create_workflow(me, WAITER, "Waiter")
    expert = agent_with_tools(me, "Expert", waiter=waiter)
    path = agent_with_tools(me, "Lead", expert=expert, waiter=waiter)
    script_replies(
        monkeypatch,
        tool_calls("waiter", "waiter"),
        tool_calls("expert"),
        tool_calls("waiter", "waiter"),
        DONE,
        DONE,
    )
    execution = me.client.post(f"{path}/executions", {"input": "go"}).headers["Location"]
    starter.run_pending()
    assert len(list_open(me, waiter)) == 2, "the execution that was requested starts them in parallel"
    for left in (1, 1, 1, 0):
        cancel_one(me, starter, waiter)
        assert len(list_open(me, waiter)) == left
    assert me.client.get(execution).json["status"] == "completed"
