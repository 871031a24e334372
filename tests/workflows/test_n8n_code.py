"""n8n's code nodes: those that amount to one expression, their output items, and those that are left."""

from typing import Any

import pytest

from tests.workflows.n8n_files import converted, made, n8n, why
from tests.workflows.test_nodes import execute

A, B = {"n": 1, "s": "a,b"}, {"n": 2, "s": ""}


@pytest.mark.parametrize(
    ("written", "items", "expected"),
    [
        ("return items;", [A, B], [A, B]),
        ("return $input.all();", [A], [A]),
        ("return [{ json: { count: items.length } }];", [A, B], [{"count": 2}]),
        ("return { total: 5 }", [A], [{"total": 5}]),
        ("return $input.all().map(i => ({ json: { n: i.json.n * 2 } }))", [A, B], [{"n": 2}, {"n": 4}]),
        ("return items.filter(item => item.json.n > 1);", [A, B], [B]),
        (
            "// parts\nconst parts = $input.first().json.s.split(',')\nreturn parts.map(p => ({ json: { p } }))",
            [A],
            [{"p": "a"}, {"p": "b"}],
        ),
        (
            "const { n, s } = $input.first().json;\nif (!s) { return [] }\nconsole.log(n);\nreturn [{ json: { n } }];",
            [A],
            [{"n": 1}],
        ),
        ("const s = items[0].json.s; if (!s) return []; return [{ json: { s } }]", [B], []),
        ("return items.map(item => ({ json: { ...item.json, m: item.json.n + 1 } }))", [A], [A | {"m": 2}]),
    ],
)
def test_code_over_all_items(written: str, items: Any, expected: Any) -> None:
    [(kind, parameters)] = made(n8n("C", "code", 2, jsCode=written))
    assert kind == "jsonata" and parameters["mode"] == "all"
    assert execute(kind, parameters, items).get("main", []) == expected


def test_code_over_each_item() -> None:
    written = "const n = $json.n; return { json: { n: n + $input.item.json.n } }"
    [(kind, parameters)] = made(n8n("C", "code", 2, mode="runOnceForEachItem", jsCode=written))
    assert execute(kind, parameters, [A, B])["main"] == [{"n": 2}, {"n": 4}]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "no code"),
        ("for (const item of items) { item.json.x = 1 }\nreturn items;", "for in statement"),
        ("items[0].json.x = 1; return items", "assignment expression as a statement"),
        ("const a = []; a.push(1); return a", "call expression as a statement"),
        ("return $json.x", "$json"),
        ("return 5", "no items"),
        ("const fs = require('fs'); return []", "require"),
        ("return\n[{ json: {} }]", "ends its line"),
        ("const x = JSON.parse(items[0].json.s); return [{ json: x }]", "JSON.parse"),
        ("const a = 1", "no items"),
    ],
)
def test_code_without_a_translation_becomes_a_placeholder_with_its_reason(written: str, reason: str) -> None:
    assert reason in why(n8n("C", "code", 2, jsCode=written))


def test_an_item_of_another_node_is_noted() -> None:
    nodes = [n8n("S", "manualTrigger"), n8n("A", "httpRequest", 4.2, url="https://example.com")]
    code = n8n("C", "code", 2, jsCode="return [{ json: $('A').item.json }]")
    draft = converted([*nodes, code], "S > A", "A > C")
    assert draft.nodes[2].status == "translated" and "first item of 'A'" in draft.nodes[2].left_out[0].why
