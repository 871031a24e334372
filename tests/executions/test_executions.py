"""Executions of workflows: items, errors, retries of nodes and triggers, executed step by step in memory."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import (
    create_workflow,
    execute_workflow,
    http_node,
    start_execution,
    statuses_by_path,
)
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from tests.workflows.definitions import connect, definition, node
from weconnect.auth.limits import enforcement
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse


def test_items_flow_through_splits_branches_and_merges(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [
            node("split", "split", field="orders"),
            node("big", "if", condition="{{ amount > 10 }}"),
            node("yes", "set", values={"kind": "big", "all": "{{ $count($input) }}", "at": "{{ $index }}"}),
            node("no", "set", values={"kind": "small", "first": "{{ $nodes.split.output.amount }}"}),
            node("merge", "merge"),
            node("sum", "aggregate", operations=[{"function": "sum", "field": "amount", "as": "total"}]),
        ],
        "start > split",
        "split > big",
        "big.true > yes",
        "big.false > no",
        "yes > merge.a",
        "no > merge.b",
        "merge > sum",
    )
    orders = [{"amount": 5}, {"amount": 20}, {"amount": 30}]
    execution = execute_workflow(me, starter, value, {"orders": orders})
    assert (execution["status"], execution["output"], execution["error"]) == (
        "completed",
        [{"total": 55}],
        None,
    )
    assert execution["progress"] == 100 and execution["nodesRun"] == 7 and execution["nodesSkipped"] == 0
    path = f"/v1/executions/{execution['id']}"
    merged = next(each for each in execution["nodes"] if each["nodeId"] == "merge")
    whole = me.client.get(f"{path}/nodes/{merged['id']}").json
    assert whole["input"]["a"][1] == {"amount": 30, "kind": "big", "all": 2, "at": 1}
    assert [item["amount"] for item in whole["output"]["main"]] == [20, 30, 5]
    workflow = me.client.get(f"/v1/workflows/{execution['workflowId']}")
    assert workflow.json["executionCount"] == 1 and workflow.json["lastExecutedAt"]
    assert workflow.headers["ETag"] == '"2"', "an execution does not change the version for If-Match"


def test_nodes_without_items_are_skipped(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [
            node("if", "if", condition="{{ ok }}"),
            node("yes", "noop"),
            node("no", "noop"),
            node("after", "noop"),
            node("both", "merge", mode="all"),
            node("any", "merge", mode="any"),
        ],
        *("start > if", "if.true > yes", "if.false > no", "no > after"),
        *("yes > both.a", "no > both.b", "yes > any.a", "after > any.b"),
    )
    execution = execute_workflow(me, starter, value, {"ok": True})
    expected = {"no": "skipped", "after": "skipped", "both": "skipped"}
    assert {
        path: status for path, status in statuses_by_path(execution).items() if status != "completed"
    } == expected
    assert execution["output"] == [{"ok": True}] and execution["nodesSkipped"] == 3


def test_a_connection_takes_the_items_that_match_its_condition(me: RegisteredUser, starter: Starter) -> None:
    value = definition([node("a", "noop")])
    value["connections"] = [connect("start > a", "n > 1")]
    assert execute_workflow(me, starter, value, [{"n": 1}, {"n": 2}])["output"] == [{"n": 2}]


def test_a_disabled_node_passes_items_on(me: RegisteredUser, starter: Starter) -> None:
    value = definition([node("a", "set", values={"x": 1}, isEnabled=False)], "start > a")
    assert execute_workflow(me, starter, value, {"n": 1})["output"] == [{"n": 1}]


def test_nested_loops_execute_the_body_for_each_batch(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    value = definition(
        [
            node("outer", "loop", batchSize=2),
            node("split", "split", field="parts"),
            node("inner", "loop"),
            http_node("call", "https://example.com/{{ n }}"),
            node("mark", "set", values={"outer": "{{ $count($nodes.outer.items) }}"}),
            node("end", "aggregate", operations=[{"function": "count", "as": "n"}]),
        ],
        *("start > outer", "outer.loop > split", "split > inner", "inner.loop > call", "call > inner"),
        *("inner.done > mark", "mark > outer", "outer.done > end"),
    )
    items = [{"parts": [{"n": 1}, {"n": 2}]}, {"parts": [{"n": 3}]}, {"parts": [{"n": 4}]}]
    execution = execute_workflow(me, starter, value, items)
    assert execution["status"] == "completed", execution["error"]
    assert execution["output"] == [{"n": 4}]
    assert [url for url, _ in calls] == [f"https://example.com/{n}" for n in (1, 2, 3, 4)]
    assert len({key for _, key in calls}) == 4
    assert [path for path in statuses_by_path(execution) if path.startswith("call")] == [
        "call.1.1",
        "call.1.2",
        "call.1.3",
        "call.2.1",
    ]


def test_a_loop_over_its_iteration_limit_fails(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [node("l", "loop", maxIterations=2), node("a", "noop")], "start > l", "l.loop > a", "a > l"
    )
    execution = execute_workflow(me, starter, value, [{}, {}, {}])
    assert (execution["status"], execution["error"]["code"]) == ("failed", "too_many_iterations")


def test_pure_nodes_take_no_steps(me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]) -> None:
    nodes = [node(f"s{n}", "set", values={"n": n}) for n in range(9)]
    chain = ["start > s0", *(f"s{n} > s{n + 1}" for n in range(8))]
    start_execution(me, create_workflow(me, definition([*nodes, http_node("call")], *chain, "s8 > call")))
    starter.run_pending(steps := InMemorySteps())
    assert steps.names == ["load", "call~1", "finish"]


def test_effects_that_are_ready_together_are_executed_in_parallel(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    value = definition(
        [http_node("a"), http_node("b"), node("end", "merge")],
        "start > a",
        "start > b",
        "a > end.a",
        "b > end.b",
    )
    start_execution(me, create_workflow(me, value))
    starter.run_pending(steps := InMemorySteps())
    assert steps.names == ["load", "branches-1-1/a~1", "branches-1-2/b~1", "finish"]


@pytest.mark.parametrize("source", ["a", "start"])
def test_half_a_surrogate_pair_in_a_key_of_a_response_fails_no_step(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """The second request follows the first, or is executed in parallel to it."""

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        return OutboundResponse(200, {"content-type": "application/json"}, rb'{"\ud800": 1}', url)

    monkeypatch.setattr(outbound, "send", send)
    count = node("count", "aggregate", operations=[{"function": "count", "as": "n"}])
    nodes = [http_node("a"), http_node("b"), count]
    execution = execute_workflow(
        me, starter, definition(nodes, "start > a", f"{source} > b", "a > count", "b > count")
    )
    assert (execution["status"], execution["output"]) == ("completed", [{"n": 2}]), execution["error"]


def test_a_failed_node_ends_the_execution(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    value = definition([http_node("a", "https://x/status/404"), node("b", "noop")], "start > a", "a > b")
    execution = execute_workflow(me, starter, value)
    assert execution["status"] == "failed" and execution["output"] is None
    assert execution["error"] == {
        "code": "http_404",
        "message": 'The response has the status 404: {"ok": true}',
        "nodeId": "a",
        "retryable": False,
    }
    assert (execution["nodesRun"], execution["nodesFailed"]) == (2, 1)
    logs = me.client.get(f"/v1/executions/{execution['id']}/logs?level=error").json["items"]
    assert [(line["nodeId"], line["data"]["code"]) for line in logs] == [("a", "http_404")]


@pytest.mark.parametrize(("on_error", "output"), [("continue", "main"), ("error_output", "error")])
def test_an_error_can_become_an_item(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], on_error: str, output: str
) -> None:
    value = definition(
        [http_node("a", "https://x/status/404", onError=on_error), node("b", "noop")],
        "start > a",
        f"a.{output} > b",
    )
    execution = execute_workflow(me, starter, value, {"n": 1})
    assert execution["status"] == "completed"
    assert execution["output"][0]["n"] == 1 and execution["output"][0]["error"]["code"] == "http_404"
    assert statuses_by_path(execution) == {"start": "completed", "a": "failed", "b": "completed"}


def test_retries_are_counted_with_growing_delays(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    retry = {"maxAttempts": 3, "backoff": "exponential", "delaySeconds": 10, "maxDelaySeconds": 15}
    begun_at = start_execution(
        me,
        create_workflow(me, definition([http_node("a", "https://x/status/503", retry=retry)], "start > a")),
    )
    starter.run_pending(steps := InMemorySteps())
    execution = me.client.get(begun_at).json
    assert [(each["attempt"], each["status"]) for each in execution["nodes"][1:]] == [
        (n, "failed") for n in (1, 2, 3)
    ]
    assert 10 <= steps.waits[0] <= 13 and steps.waits[1] == 15
    assert len({key for _, key in calls}) == 3
    assert execution["error"]["code"] == "http_503" and execution["error"]["retryable"] is True


@pytest.mark.parametrize(
    ("status", "on", "tries"), [(404, [], 1), (404, ["http_404"], 2), (503, ["http_404"], 1)]
)
def test_only_the_chosen_errors_are_retried(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], status: int, on: list[str], tries: int
) -> None:
    one = http_node("a", f"https://x/status/{status}", retry={"maxAttempts": 2, "on": on})
    execute_workflow(me, starter, definition([one], "start > a"))
    assert len(calls) == tries


def test_respond_sets_the_output_and_stop_ends_the_execution(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [
            node("say", "respond", body={"hello": "{{ name }}"}),
            node("stop", "stop"),
            node("after", "set", values={"x": 1}),
        ],
        "start > say",
        "say > stop",
        "start > after",
    )
    execution = execute_workflow(me, starter, value, {"name": "Ada"})
    assert execution["output"] == {"hello": "Ada"}
    failing = definition([node("stop", "stop", outcome="failed", message="enough {{ n }}")], "start > stop")
    execution = execute_workflow(me, starter, failing, {"n": 1}, "Other")
    assert (execution["status"], execution["error"]["code"], execution["error"]["message"]) == (
        "failed",
        "stopped",
        "enough 1",
    )


def test_the_execution_begins_with_the_trigger_of_its_mode(me: RegisteredUser, starter: Starter) -> None:
    value = definition([node("hook", "webhook"), node("a", "set", values={"by": "{{ $execution.mode }}"})])
    value["connections"] = [connect("hook > a")]
    path = create_workflow(me, value)
    chosen = start_execution(me, path, triggerNodeId="hook")
    default = start_execution(me, path)
    starter.run_pending()
    assert me.client.get(chosen).json["output"] == [{"by": "api"}]
    assert me.client.get(default).json["output"] == [{}]
    refused = me.client.post(f"{path}/executions", {"triggerNodeId": "none"})
    assert refused.json["code"] == "trigger_not_found"


def test_starting_requires_an_active_workflow_unless_it_is_a_test(
    me: RegisteredUser, starter: Starter
) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    me.client.patch(path, {"nodes": [node("start", "manual")], "connections": []})
    me.client.post(f"{path}/deactivate")
    refused = me.client.post(f"{path}/executions", {})
    assert (refused.status, refused.json["code"]) == (409, "workflow_inactive")
    execution = start_execution(me, path, mode="test")
    assert me.client.get(execution).json["workflowVersion"] == 2
    me.client.patch(path, {"nodes": []})
    refused = me.client.post(f"{path}/executions", {"mode": "test"})
    assert (refused.status, refused.json["code"]) == (422, "workflow_invalid")
    huge = me.client.post(f"{path}/executions", {"input": "x" * 1_100_000, "mode": "test"})
    assert huge.status in (413, 422)


def test_times_of_creation_have_the_order_of_the_ids(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An execution that is requested first and stored last is the older one, which `cancel_running` cancels."""
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    count, later = enforcement.count_execution, [""]

    def count_late(*arguments: Any) -> Any:
        if not later[0]:
            later[0] = "begun"
            later[0] = start_execution(me, path)
        return count(*arguments)

    monkeypatch.setattr(enforcement, "count_execution", count_late)
    first = me.client.get(start_execution(me, path)).json
    second = me.client.get(later[0]).json
    assert first["id"] < second["id"] and first["createdAt"] < second["createdAt"]
