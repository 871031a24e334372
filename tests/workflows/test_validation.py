"""The static check: every kind of finding, with its code, its node and its place."""

from itertools import pairwise
from typing import Any

import pytest

from tests.workflows.definitions import START, connect, definition, node
from weconnect.expressions import rendering
from weconnect.workflows.definition import hints
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import WorkflowDefinition

NOOPS = [node("a", "noop"), node("b", "noop"), node("c", "noop")]


def findings(value: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    found = check(WorkflowDefinition.model_validate(value))
    assert found.valid == (not [each for each in found.findings if each.severity == "error"])
    return [(each.code, each.node_id, each.pointer) for each in found.findings]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (definition([]), []),
        (definition(NOOPS, "start > a", "start > b", "a > c", "b > c"), []),
        ({"nodes": []}, [("no_trigger", None, "/nodes")]),
        (definition([node("a", "nothing")], "start > a"), [("unknown_node_type", "a", "/nodes/1/type")]),
        (
            definition([node("a", "noop"), node("a", "noop", name="other")], "start > a"),
            [("duplicate_node_id", "a", "/nodes/1/id"), ("duplicate_node_id", "a", "/nodes/2/id")],
        ),
        (
            definition([node("a", "noop", name="x"), node("b", "noop", name="X")], "start > a", "a > b"),
            [("duplicate_node_name", "a", "/nodes/1/name"), ("duplicate_node_name", "b", "/nodes/2/name")],
        ),
        (
            definition([node("a", "limit")], "start > a"),
            [("missing_parameter", "a", "/nodes/1/parameters/maxItems")],
        ),
        (
            definition([node("a", "limit", maxItems=0)], "start > a"),
            [("invalid_parameter", "a", "/nodes/1/parameters/maxItems")],
        ),
        (definition([node("a", "limit", maxItems="{{ n }}")], "start > a"), []),
        (
            definition([node("a", "limit", maxItems=1, more=2)], "start > a"),
            [("invalid_parameter", "a", "/nodes/1/parameters/more")],
        ),
        (definition([node("a", "limit", isEnabled=False)], "start > a"), []),
        (
            definition([node("a", "code", code="{{\nreturn")], "start > a"),
            [
                ("invalid_parameter", "a", "/nodes/1/parameters/code"),
                ("code_not_available", "a", "/nodes/1/type"),
            ],
        ),
        (definition([node("a", "code", code="x =", isEnabled=False)], "start > a"), []),
        (definition([node("a", "noop")]), [("unreachable", "a", "/nodes/1")]),
        (
            definition([], "start > nowhere", "somewhere > start"),
            [
                ("dangling_connection", None, "/connections/0/targetNodeId"),
                ("dangling_connection", None, "/connections/1/sourceNodeId"),
                ("unknown_input", "start", "/connections/1/targetInput"),
            ],
        ),
        (
            definition([node("a", "noop")], "start > a", "start > a"),
            [("duplicate_connection", None, "/connections/1")],
        ),
        (
            definition([node("a", "if", condition=True), node("b", "noop")], "start > a", "a.maybe > b.x"),
            [
                ("unknown_output", "a", "/connections/1/sourceOutput"),
                ("unknown_input", "b", "/connections/1/targetInput"),
            ],
        ),
        (
            definition(
                [node("a", "switch", cases=[{"output": "x", "condition": True}]), *NOOPS[1:]],
                "start > a",
                "a.x > b",
                "a.default > c",
            ),
            [],
        ),
        (definition([node("a", "noop", onError="error_output"), NOOPS[1]], "start > a", "a.error > b"), []),
        (
            definition(NOOPS, "start > a", "a > b", "b > a", "b > c"),
            [("cycle", "a", "/nodes/1"), ("cycle", "b", "/nodes/2"), ("cycle", "c", "/nodes/3")],
        ),
        (
            definition(
                [node("l", "loop"), *NOOPS], "start > l", "l.loop > a", "a > l", "l.done > b", "b > c"
            ),
            [],
        ),
        (
            definition([node("l", "loop"), NOOPS[0]], "start > l", "l.loop > a"),
            [("loop_without_return", "l", "/nodes/1")],
        ),
        (
            definition([node("l", "loop"), NOOPS[0]], "start > l", "l.loop > a", "a > l", "start > a"),
            [("into_loop", "a", "/nodes/2")],
        ),
        (
            definition([node("l", "loop"), NOOPS[0]], "start > l", "l.loop > a", "l.done > a", "a > l"),
            [("out_of_loop", "a", "/nodes/2")],
        ),
        (
            definition([node("a", "set", values={"x": "{{ 1 + }}", "y": "{{ open"})], "start > a"),
            [("expression_syntax", "a", "/nodes/1/parameters/values/y")],
        ),
        (
            definition([node("a", "set", values={"x": ["{{ 1 + }}"]})], "start > a"),
            [("expression_syntax", "a", "/nodes/1/parameters/values/x/0")],
        ),
        (
            definition([node("a", "jsonata", expression="a b")], "start > a"),
            [("expression_syntax", "a", "/nodes/1/parameters/expression")],
        ),
        (
            definition(
                [
                    node(
                        "a", "set", values={"x": "{{ $nodes.start.output.n & $nodes.`b`.output & $nodes.z }}"}
                    ),
                    NOOPS[1],
                ],
                "start > a",
                "a > b",
            ),
            [
                ("reference_not_before", "a", "/nodes/1/parameters/values/x"),
                ("unknown_reference", "a", "/nodes/1/parameters/values/x"),
            ],
        ),
        (
            definition([node("a", "wait")], "start > a", execution="express"),
            [("not_express", None, "/settings/execution")],
        ),
    ],
)
def test_finds(value: dict[str, Any], expected: list[tuple[str, str | None, str]]) -> None:
    assert findings(value) == expected


def test_a_condition_is_an_expression() -> None:
    value = {"nodes": [START, NOOPS[0]], "connections": [connect("start > a", "a b")]}
    assert findings(value) == [("expression_syntax", "start", "/connections/0/condition")]


def test_loops_stand_in_each_other_to_a_depth() -> None:
    loops = [node(f"l{number}", "loop") for number in range(5)]
    down = [f"l{number}.loop > l{number + 1}" for number in range(4)]
    up = [f"l{number + 1}.done > l{number}" for number in range(4)]
    value = definition([*loops, NOOPS[0]], "start > l0", *down, "l4.loop > a", "a > l4", *up)
    assert findings(value) == [("too_deep", "l4", "/nodes/5")]


def test_tells_what_may_be_express() -> None:
    pure = WorkflowDefinition.model_validate(definition(NOOPS, "start > a"))
    waiting = WorkflowDefinition.model_validate(definition([node("a", "wait")], "start > a"))
    durable = WorkflowDefinition.model_validate(definition(NOOPS, "start > a", execution="durable"))
    assert [check(each).express for each in (pure, waiting, durable)] == [True, False, False]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("a", "httpRequest")], "There is no node type 'httpRequest': did you mean 'http_request'?"),
        ([node("a", "zzz")], "There is no node type 'zzz'; GET /v1/node-types lists them"),
        ([node("a", "set", value={})], "There is no parameter 'value'; it has values, remove, keepInput"),
        (
            [node("a", "filter", condition="n > 1")],
            "Input should be a valid boolean, unable to interpret input; an expression stands between {{ and }}",
        ),
        (
            [node("a", "filter", condition="{{ n == 1 }}")],
            "S0211: The symbol Equal cannot be used as a unary operator; JSONata writes '=' for '=='",
        ),
        (
            [node("a", "filter", condition="{{ n = '==' || m }}")],
            "S0201: Syntax error: Pipe; JSONata writes 'or' for '||'",
        ),
        (
            [node("a", "filter", condition="{{ !n }}")],
            "S0204: Unknown operator: !; JSONata writes '$not(…)' for '!'",
        ),
        (
            [node("a", "set", values={"x": "={{ $json.n }}"})],
            "The = before {{ is n8n's, and stays in the text here",
        ),
        ([node("a", "set", values={"x": "{{ $toUpper(n) }}"})], "There is no $toUpper"),
        ([node("a", "set", values={"x": "{{ $var.n }}"})], "There is no $var: did you mean '$vars'?"),
        (
            [node("a", "set", values={"x": "{{ $eval(n) }}"})],
            "$eval is not allowed here: an expression must give the same result each time",
        ),
        (
            [node("a", "set", values={"x": "{{ $('start').item.json.n }}"})],
            "Another node is $nodes.`Its name`.output here, for its first item, or .items for all",
        ),
        (
            [node("a", "set", values={"x": "{{ $nodes.start.json.n }}"})],
            "A node has output, items and outputs, and no 'json'",
        ),
        (
            [node("a", "set", values={"x": "{{ $nodes.begin.output.n }}"})],
            "There is no node named 'begin'",
        ),
        (
            [node("one", "noop", name="The first"), node("a", "set", values={"x": "{{ $nodes.one.items }}"})],
            "There is no node named 'one': its id is that of 'The first'",
        ),
    ],
)
def test_says_what_there_is_instead(nodes: list[dict[str, Any]], message: str) -> None:
    links = [f"{a} > {b}" for a, b in pairwise(["start", *(each["id"] for each in nodes)])]
    found = check(WorkflowDefinition.model_validate(definition(nodes, *links)))
    assert [each.message for each in found.findings] == [message]


@pytest.mark.parametrize(
    "source",
    [
        "($x := n; $x + 1)",
        "$map(list, function($each, $place) { $each + $place })",
        "list#$at.{'at': $at}",
        "list@$one.$one.n",
        "$contains(text, /\\$dollar/)",
        "'$nobody' & `$no one` /* $nothing */",
        "$json.a & $count($input) & $index & $trigger & $execution.id & $now() & $vars.`a b` & $$.n",
        "$nodes.start.output.n & $count($nodes.`start`.items) & $nodes.start.outputs.main[0].n",
        "$lookup($nodes, 'start')",
    ],
)
def test_names_that_there_are_pass(source: str) -> None:
    value = definition([node("a", "jsonata", expression=source)], "start > a")
    assert findings(value) == []


def test_the_functions_are_those_of_the_evaluator() -> None:
    for name in hints.FUNCTIONS:
        assert rendering.evaluate(f"$exists(${name})", {}) is True, name
