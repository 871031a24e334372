"""Workflows at the limits of size and oddity: errors stay those of their nodes, and no execution hangs."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import execute_workflow
from tests.factories import RegisteredUser
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import ExpressionScope, NodeRun
from weconnect.workflows.engine import journal_entries
from weconnect.workflows.node_catalogue import find_node_type


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


ODD: list[Any] = [
    {},
    {"a": None},
    {"a": [], "b": {}},
    {"a": "\ud800", "b": "\x00", "": ""},
    {"__proto__": {"x": 1}, "constructor": 1, "a.b": 2, "a": {"b": 3}},
    {"a": 10**400, "b": -0.0, "c": 1e308},
    {"a": "9" * 5_000, "date": "9999-12-31T23:59:59Z", "text": "<a><b></a>"},
    nested(3_000),
]

PURE: dict[str, dict[str, Any]] = {
    "set": {"values": {"a.b": "{{ a }}", "__proto__": 1, "": 2}},
    "filter": {"condition": "{{ a > 1 }}"},
    "if": {"condition": "{{ a = 1 }}"},
    "switch": {"cases": [{"output": "x", "condition": "{{ a = 1 }}"}]},
    "sort": {"by": [{"field": "a"}]},
    "limit": {"count": 1},
    "split": {"field": "a"},
    "aggregate": {"operations": [{"function": "sum", "field": "a", "as": "total"}]},
    "deduplicate": {"fields": ["a"]},
    "merge": {"mode": "by_key", "key": "a"},
    "compare": {"key": "a"},
    "date_time": {"operation": "add", "date": "{{ date }}", "months": 10_000_000},
    "jsonata": {"expression": "$string(a) & $power(10, 1000)"},
    "text": {"operation": "replace", "text": "{{ a }}", "pattern": "(a+)+$", "replacement": "x"},
    "csv": {"operation": "write"},
    "xml": {"operation": "parse", "text": "{{ text }}"},
    "html": {"operation": "text", "html": "{{ text }}"},
    "noop": {},
    "stop": {"message": "{{ a }}"},
    "respond": {"body": "{{ a }}"},
}


@pytest.mark.parametrize("type", sorted(PURE))
def test_odd_items_never_cause_an_internal_error(type: str) -> None:
    """Items that a pure node cannot process are an error with a code of its own."""
    kind = find_node_type(type)
    assert kind
    for number, item in enumerate(ODD):
        inputs = {"a": [item, ODD[4]], "b": [ODD[1]]} if kind.inputs is None else {"main": [item, ODD[4]]}
        made = Node.model_validate(node("n", type, **PURE[type]))
        call = NodeRun(made, inputs, ExpressionScope({}, None, {}, clock.now()))
        record = journal_entries.compute_node(call, "n", 0.0)
        code = record.get("error", {}).get("code")
        assert code != "internal_error", f"{type} with item {number}: {record['error']}"


def test_items_that_grow_too_deep_end_the_execution(me: RegisteredUser, starter: Starter) -> None:
    """Each node wraps the previous one's output."""
    deep: Any = "{{ $ }}"
    for _ in range(30):
        deep = {"a": deep}
    nodes = [node(f"n{number}", "set", values={"a": deep}) for number in range(60)]
    links = ["start > n0", *(f"n{number} > n{number + 1}" for number in range(59))]
    execution = execute_workflow(me, starter, definition(nodes, *links), {"x": 1})
    assert (execution["status"], execution["error"]["code"]) == ("failed", "too_deep")


def test_four_hundred_branches_complete(me: RegisteredUser, starter: Starter) -> None:
    nodes = [node(f"n{number}", "noop") for number in range(398)]
    links = [f"start > n{number}" for number in range(398)]
    links += [f"n{number} > merge.i{number:03d}" for number in range(398)]
    execution = execute_workflow(me, starter, definition([*nodes, node("merge", "merge")], *links), {"x": 1})
    assert (execution["status"], execution["nodesRun"], len(execution["output"])) == (
        "completed",
        400,
        398,
    ), execution["error"]


def test_ten_thousand_items_keep_their_order(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [node("even", "if", condition="{{ n % 2 = 0 }}"), node("merge", "merge")],
        *("start > even", "even.true > merge.b", "even.false > merge.a"),
    )
    execution = execute_workflow(me, starter, value, [{"n": number} for number in range(10_000)])
    assert execution["status"] == "completed", execution["error"]
    assert [item["n"] for item in execution["output"]] == [*range(1, 10_000, 2), *range(0, 10_000, 2)]


@pytest.mark.parametrize("name", ["__proto__", "constructor", "a#b", "ünï ☃ {{ $ }}", "a/b~1"])
def test_odd_node_names_work_in_expressions(me: RegisteredUser, starter: Starter, name: str) -> None:
    values = [
        node("__proto__", "set", name=name, values={"x": 7}),
        node("b", "set", values={"y": f"{{{{ $nodes.`{name}`.output.x }}}}"}),
    ]
    if "{{" in name:
        values[1]["parameters"]["values"]["y"] = "{{ x }}"
    execution = execute_workflow(me, starter, definition(values, "start > __proto__", "__proto__ > b"))
    assert (execution["status"], execution["output"]) == ("completed", [{"x": 7, "y": 7}]), execution["error"]
