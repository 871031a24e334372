"""Static validation: each finding with its code, its node and its pointer."""

from itertools import pairwise
from typing import Any

import pytest

from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser
from tests.workflows.definitions import START, connect, definition, node
from weconnect.expressions import evaluator, rendering
from weconnect.expressions.bounded_process import BoundedProcess
from weconnect.workflows.definition import hints
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import WorkflowDefinition

NOOPS = [node("a", "noop"), node("b", "noop"), node("c", "noop")]


def find(value: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    validation = check(WorkflowDefinition.model_validate(value))
    assert validation.valid == (not [each for each in validation.findings if each.severity == "error"])
    return [(each.code, each.node_id, each.pointer) for each in validation.findings]


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
def test_each_problem_is_found_at_its_pointer(
    value: dict[str, Any], expected: list[tuple[str, str | None, str]]
) -> None:
    assert find(value) == expected


def test_a_condition_is_validated_as_an_expression() -> None:
    value = {"nodes": [START, NOOPS[0]], "connections": [connect("start > a", "a b")]}
    assert find(value) == [("expression_syntax", "start", "/connections/0/condition")]


def test_loops_may_be_nested_four_levels_deep() -> None:
    loops = [node(f"l{number}", "loop") for number in range(5)]
    down = [f"l{number}.loop > l{number + 1}" for number in range(4)]
    up = [f"l{number + 1}.done > l{number}" for number in range(4)]
    value = definition([*loops, NOOPS[0]], "start > l0", *down, "l4.loop > a", "a > l4", *up)
    assert find(value) == [("too_deep", "l4", "/nodes/5")]


def test_only_nodes_that_cannot_wait_allow_express() -> None:
    pure = WorkflowDefinition.model_validate(definition(NOOPS, "start > a"))
    waiting = WorkflowDefinition.model_validate(definition([node("a", "wait")], "start > a"))
    durable = WorkflowDefinition.model_validate(definition(NOOPS, "start > a", execution="durable"))
    assert [check(each).express for each in (pure, waiting, durable)] == [True, False, False]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("a", "httpRequest")], "Unknown node type 'httpRequest'. Did you mean 'http_request'?"),
        ([node("a", "zzz")], "Unknown node type 'zzz'. GET /v1/node-types lists them."),
        (
            [node("a", "set", value={})],
            "Unknown parameter 'value'. The node type has values, remove, keepInput.",
        ),
        (
            [node("a", "filter", condition="n > 1")],
            "Input should be a valid boolean, unable to interpret input. Write an expression between {{ and }}.",
        ),
        (
            [node("a", "filter", condition="{{ n == 1 }}")],
            "S0211: The symbol Equal cannot be used as a unary operator. In JSONata, write '=' instead of '=='.",
        ),
        (
            [node("a", "filter", condition="{{ n = '==' || m }}")],
            "S0201: Syntax error: Pipe. In JSONata, write 'or' instead of '||'.",
        ),
        (
            [node("a", "filter", condition="{{ !n }}")],
            "S0204: Unknown operator: !. In JSONata, write '$not(…)' instead of '!'.",
        ),
        (
            [node("a", "set", values={"x": "={{ $json.n }}"})],
            "The = before {{ is n8n's syntax; here it stays in the text. Remove it.",
        ),
        ([node("a", "set", values={"x": "{{ $toUpper(n) }}"})], "Unknown name $toUpper."),
        ([node("a", "set", values={"x": "{{ $var.n }}"})], "Unknown name $var. Did you mean '$vars'?"),
        (
            [node("a", "set", values={"x": "{{ $eval(n) }}"})],
            "$eval is not allowed here: an expression must give the same result each time",
        ),
        (
            [node("a", "set", values={"x": "{{ $('start').item.json.n }}"})],
            "This is n8n's syntax. Write $nodes.`Its name`.output for a node's first item, .items for all.",
        ),
        (
            [node("a", "set", values={"x": "{{ $nodes.start.json.n }}"})],
            "A node has no field 'json'. Use output, items or outputs.",
        ),
        (
            [node("a", "set", values={"x": "{{ $nodes.begin.output.n }}"})],
            "No node is named 'begin'.",
        ),
        (
            [node("one", "noop", name="The first"), node("a", "set", values={"x": "{{ $nodes.one.items }}"})],
            "No node is named 'one'. This is the ID of 'The first': use its name.",
        ),
    ],
)
def test_a_message_names_the_alternative(nodes: list[dict[str, Any]], message: str) -> None:
    links = [f"{a} > {b}" for a, b in pairwise(["start", *(each["id"] for each in nodes)])]
    validation = check(WorkflowDefinition.model_validate(definition(nodes, *links)))
    assert [each.message for each in validation.findings] == [message]


@pytest.mark.parametrize(
    "source",
    [
        "($x := n; $x + 1)",
        "$map(list, function($each, $position) { $each + $position })",
        "list#$at.{'at': $at}",
        "list@$one.$one.n",
        "$contains(text, /\\$dollar/)",
        "'$nobody' & `$no one` /* $nothing */",
        "$json.a & $count($input) & $index & $trigger & $execution.id & $now() & $vars.`a b` & $$.n",
        "$nodes.start.output.n & $count($nodes.`start`.items) & $nodes.start.outputs.main[0].n",
        "$lookup($nodes, 'start')",
    ],
)
def test_existing_names_are_valid(source: str) -> None:
    value = definition([node("a", "jsonata", expression=source)], "start > a")
    assert find(value) == []


def test_the_functions_exist_in_the_evaluator() -> None:
    for name in hints.FUNCTIONS:
        assert rendering.evaluate(f"$exists(${name})", {}) is True, name


def test_the_expressions_of_a_definition_are_bounded_together(me: RegisteredUser) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    values = {f"v{number}": "{{ [" + "1," * 4_900 + "1] }}" for number in range(60)}
    body = definition([node("a", "set", values=values)], "start > a")
    response = me.client.post(f"{path}/validate", body)
    assert response.status == 200, response.text
    assert [finding["code"] for finding in response.json["findings"]] == ["too_many_expressions"]
    assert "more than 500,000 characters together" in response.json["findings"][0]["message"]
    few = definition([node("a", "set", values=dict(list(values.items())[:50]))], "start > a")
    assert me.client.post(f"{path}/validate", few).json["findings"] == []


def test_expressions_that_take_too_long_to_check_are_a_finding(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    slow = BoundedProcess(evaluator.__file__, "jsonatapy", evaluator.MAX_MEMORY, 0)
    monkeypatch.setattr(rendering, "_process", slow)
    body = definition([node("a", "set", values={"x": "{{ n }}"})], "start > a")
    response = me.client.post(f"{path}/validate", body)
    assert response.status == 200, response.text
    assert [finding["code"] for finding in response.json["findings"]] == ["expressions_not_checked"]
    assert "Took longer than 0 s" in response.json["findings"][0]["message"]
