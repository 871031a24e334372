"""The static check: every kind of finding, with its code, its node and its place."""

from typing import Any

import pytest

from tests.workflows.definitions import START, connect, definition, node
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.validation import check

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
