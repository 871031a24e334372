"""The bound of what nodes output: it holds while the items are made, so that small input makes no large result."""

import json
import tracemalloc
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.factories import RegisteredUser
from tests.workflows.definitions import definition, node
from tests.workflows.test_nodes import make_node_run
from weconnect.node_sdk.node_type import NodeError
from weconnect.node_sdk.output_budget import OutputBudget, collect
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import journal_entries
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.journal import Journal

MEGABYTE = 2**20
LONG = "x" * MEGABYTE
NUMBERS = list(range(1_000))

BOMBS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "split": ("split", {"field": "xs", "keepOthers": True}, [{"big": LONG, "xs": NUMBERS}]),
    "split into": ("split", {"field": "xs", "as": "x", "keepOthers": True}, [{"big": LONG, "xs": NUMBERS}]),
    "text join": (
        "text",
        {"operation": "join", "text": "{{ xs }}", "search": "{{ big }}"},
        [{"big": LONG, "xs": ["a"] * 1_000}],
    ),
    "text replace": (
        "text",
        {"operation": "replace", "text": "a" * 1_000, "search": "a", "replacement": "{{ big }}"},
        [{"big": LONG}],
    ),
    "text template": ("set", {"values": {"t": "{{ n }}" + "y" * 100_000}}, [{"n": n} for n in NUMBERS]),
    "html": (
        "html",
        {
            "text": "<div>" * 500 + "y" * 20_000,
            "extract": {"d": {"selector": "div", "all": True, "html": True}},
        },
        [{}],
    ),
    "aggregate": (
        "aggregate",
        {"operations": [{"function": "list", "as": f"l{number}"} for number in range(50)]},
        [{"big": LONG}],
    ),
    "merge": ("merge", {}, {f"i{number}": [{"big": LONG}] for number in range(200)}),
    "csv": ("csv", {"operation": "parse", "text": f"a{'b' * 100_000},c\n" + "1\n" * 1_000}, [{}]),
    "respond": ("respond", {"body": ["{{ $ }}"] * 3}, [{"big": LONG}, {"big": LONG}]),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_result_that_would_be_many_times_its_input_is_refused_while_it_is_made(name: str) -> None:
    type_, parameters, inputs = BOMBS[name]
    node_run = make_node_run(type_, parameters, inputs)
    journal_entries.compute_node(make_node_run(type_, parameters, [{}]), "n", 0.0)  # imports, processes
    tracemalloc.start()
    entry = journal_entries.compute_node(node_run, "n", 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert entry["error"]["code"] == "too_large", entry.get("error")
    assert peak < 60 * MEGABYTE, f"{peak >> 20} MB"


def test_the_error_names_the_node_and_the_limit() -> None:
    with pytest.raises(NodeError) as caught:
        collect("Split orders", {"main": ({"big": LONG} for _ in range(10**9))})
    assert caught.value.message == (
        "The output of the node 'Split orders' exceeds 4 MB. Process fewer items at once, or keep fewer fields."
    )


def test_the_test_of_a_node_has_the_same_bound(me: RegisteredUser) -> None:
    value = definition([node("n", "split", field="xs", keepOthers=True)], "start > n")
    path = create_workflow(me, value)
    body = {"input": {"main": [{"big": LONG, "xs": NUMBERS}]}}
    response = me.client.post(f"{path}/nodes/n/test", body)
    assert (response.status, response.json["error"]["code"]) == (200, "too_large")
    assert len(response.text) < 1_000


def test_the_sizes_are_those_of_the_json() -> None:
    shared: Any = {"text": "x" * 2_000, "list": [1, -2.5, None, True, False, 'é\n"', {}, []]}
    items: list[dict[str, Any]] = [{"a": shared, "b": [shared, shared]}, {}, {"n": 7, "long": "é" * 1_500}]
    collected = collect("n", {"main": items})
    expected = sum(len(json.dumps(item)) for item in items) + len(json.dumps("main"))
    assert (collected, collected.bytes) == ({"main": items}, expected)


def test_a_value_that_refers_to_others_very_often_is_read_once() -> None:
    value: list[Any] = ["x" * 2_000]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(NodeError) as caught:
        OutputBudget("n").take({"a": value})
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("height", [98, 99])
def test_a_shared_value_is_too_deep_where_it_is_nested_too_deeply(height: int) -> None:
    value: Any = "x" * 2_000
    for _ in range(50):
        value = [value]
    deeper = value
    for _ in range(height - 50):
        deeper = [deeper]
    budget = OutputBudget("n")
    budget.take({"a": value})
    if height == 98:
        budget.take({"a": deeper})
    else:
        with pytest.raises(NodeError) as caught:
            budget.take({"a": deeper})
        assert caught.value.code == "too_deep"


def test_items_with_a_long_error_in_each_are_replaced_by_the_error() -> None:
    run = make_node_run("stop", {"message": "x" * 2_000}, [{"n": n} for n in range(20_000)])
    failing = run.node.model_copy(
        update={"type": "split", "parameters": {"field": "n"}, "on_error": "continue"}
    )
    entry = journal_entries.build_entry(
        make_node_run("split", {}, run.inputs).__class__(node=failing, inputs=run.inputs, scope=run.scope),
        "n",
        1,
        {"error": {"code": "x", "message": "y" * 2_000, "retryable": False}},
        0.0,
        0,
    )
    assert [item.keys() for item in entry["output"]["main"]] == [{"error"}]


def test_the_items_that_a_loop_collects_are_bounded(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [
            node("loop", "loop", batchSize=1),
            node("body", "set", values={"t": "{{ $string(n) }}" + "y" * 100_000}),
        ],
        *("start > loop", "loop.loop > body", "body > loop"),
    )
    execution = execute_workflow(me, starter, value, [{"n": number} for number in range(60)])
    assert (execution["status"], execution["error"]["code"]) == ("failed", "too_large")
    assert "'loop'" in execution["error"]["message"]


def test_the_journal_leaves_out_items_of_nodes_that_only_compute_beyond_its_bound() -> None:
    held = Journal(written_at=0.0)
    items = [{"big": LONG} for _ in range(3)]
    node_run = make_node_run("noop", {}, items)
    for number in range(20):
        held.add(journal_entries.compute_node(node_run, f"n{number}", 0.0))
    stored = sum(len(json.dumps(entry)) for entry in held.entries)
    assert journal.MAX_HELD_BYTES // 2 < stored < journal.MAX_HELD_BYTES
    last = held.entries[-1]
    assert (last["itemsIn"], last["itemsOut"], last["input"], last["output"]) == (3, 3, {}, {})
    assert "not stored" in last["logs"][-1]["message"]


def test_a_half_of_a_surrogate_pair_in_a_key_is_replaced(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response can be read, whether it is an execution, a node run or the test of a node."""
    body = b'{"a\\ud800": {"b\\udfff": "c\\ud800"}}'
    response = OutboundResponse(200, {"content-type": "application/json"}, body, "https://x")
    monkeypatch.setattr(outbound, "send", lambda *_, **__: response)
    value = definition([node("n", "http_request", url="https://x")], "start > n")
    path = create_workflow(me, value)
    execution_path = start_execution(me, path)
    starter.run_pending()
    execution = me.client.get(execution_path).json
    assert [item["body"] for item in execution["output"]] == [{"a?": {"b?": "c?"}}]
    node_run = me.client.get(f"{execution_path}/nodes/{execution['nodes'][-1]['id']}").json
    assert node_run["output"]["main"][0]["body"] == {"a?": {"b?": "c?"}}
    tested = me.client.post(f"{path}/nodes/n/test", {}).json
    assert tested["output"]["main"][0]["body"] == {"a?": {"b?": "c?"}}
