"""n8n's expressions and their translations, compared by evaluating JavaScript and JSONata on random data.

Without Node.js the comparison is skipped; the other tests look at the text of a translation alone.
"""

import json
import math
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.soak import example_count
from weconnect.expressions import rendering
from weconnect.expressions.rendering import EvaluationContext
from weconnect.workflows.importers.n8n.expression_translator import ASSUMED_ITEM_NOTE, translate
from weconnect.workflows.importers.n8n.jsonata_terms import ExpressionScope
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported

NODE = shutil.which("node")
PROGRAM = """
require("readline").createInterface({input: process.stdin}).on("line", (line) => {
  const {source, data} = JSON.parse(line);
  let answer;
  try {
    const found = new Function("$json", "$input", "return (" + source + ")")(data, {all: () => [{json: data}]});
    answer = {value: found === undefined || Number.isNaN(found) ? null : found};
  } catch (error) {
    answer = {thrown: String(error)};
  }
  console.log(JSON.stringify(answer));
});
"""
SCOPE = ExpressionScope({"A": "A", "My Node": "My Node (2)"}, lambda name: "first", "UTC")

texts = st.text("abcXYZ 019,.-_é\n\t\"'$\\{}", max_size=8)
numbers = st.integers(-1_000, 1_000) | st.integers(-4_000, 4_000).map(lambda quarters: quarters / 4)
anything = (
    st.none()
    | st.booleans()
    | numbers
    | texts
    | st.lists(numbers, max_size=2)
    | st.dictionaries(st.just("k"), numbers)
)
people = st.lists(st.fixed_dictionaries({"name": texts, "age": numbers, "on": st.booleans()}), max_size=3)
data = st.fixed_dictionaries(
    {
        "s": texts,
        "t": texts,
        "n": numbers,
        "m": numbers,
        "b": st.booleans(),
        "a": anything,
        "c": st.none() | st.booleans() | numbers | texts,
        "list": st.lists(numbers, max_size=3),
        "words": st.lists(texts, max_size=3),
        "people": people,
        "o": st.fixed_dictionaries({"my key": texts, "in": st.fixed_dictionaries({"x": numbers})}),
        "when": st.sampled_from(["2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+02:00"])
        | numbers,
        "odd": st.fixed_dictionaries({"": st.fixed_dictionaries({"x": numbers}), "a`b": texts}),
        "digits": st.integers(-500, 500).map(str) | st.sampled_from([" 12 ", "+3", "1.5", "7x", "x", ""]),
    },
    optional={"maybe": anything, "also": st.none() | numbers | texts},
)

TEXT = (
    'function($x) { $type($x) = "array" ? $join([$map($x, function($y) { $y = null ? "" : $text($y) })], ",")'
    ' : $type($x) = "object" ? "[object Object]" : $string($x) }'
)
ENCODED = f"($text := {TEXT}; $encodeUrlComponent($text($json.s)))"

SAME = [
    "$json",
    "$json.o.in.x",
    '$json["o"]["my key"]',
    "$json.maybe",
    "$json?.o?.missing?.deeper",
    "$json.list[0]",
    "$json.people[1]?.name",
    "'a' + $json.s",
    "$json.s + $json.n",
    "$json.n + $json.m",
    "$json.n + 1",
    "$json.c + 'x'",
    "$json.c + 1",
    "$json.list + ''",
    "`<${$json.s}-${$json.n}-${$json.b}-${$json.list}>`",
    "$json.n - $json.m",
    "$json.n * 2 - 3",
    "$json.n / 4 + $json.m % 7",
    "-$json.n",
    "$json.digits * 1",
    "$json.a ? 'yes' : 'no'",
    "$json.maybe || 'none'",
    "$json.a || $json.maybe || 0",
    "$json.maybe ?? 'none'",
    "$json.maybe && $json.s",
    "!$json.a",
    "!!$json.maybe",
    "$json.c === $json.also",
    "$json.c !== $json.also",
    "$json.s === 'a'",
    "$json.c !== 'a'",
    "$json.also === null",
    "$json.also == null",
    "$json.also !== undefined",
    "$json.maybe != undefined",
    "$json.s == 'abc'",
    "$json.c == 5",
    "$json.n > 3",
    "$json.n <= $json.m",
    "$json.s < $json.t",
    "$json.c > 3",
    "$json.digits >= 2",
    "$json.n > 0 && $json.b",
    "$json.n > 0 || $json.b",
    "$json.n > 0 ? $json.n < 9 ? 1 : 2 : 3",
    "$json.s.toUpperCase()",
    "$json.s.toLowerCase().trim()",
    "$json.s.trim()",
    "$json.s.length",
    "$json.list.length",
    "$json.s.split(',')",
    "$json.s.split('a')[0]",
    "$json.words.join(', ')",
    "$json.list.join()",
    "$json.s.replace('a', 'b')",
    "$json.s.replaceAll('a', '-')",
    "$json.s.replace(/[a-c]+/g, '*')",
    "$json.s.replace(/\\s/, '_')",
    "$json.s.replace(/[^\\w.]|\\d$/gi, '')",
    "$json.s.includes('a')",
    "$json.words.includes('a')",
    "$json.list.includes(1)",
    "$json.s.startsWith('ab')",
    "$json.s.endsWith('a')",
    "$json.s.slice(1)",
    "$json.s.slice(0, 3)",
    "$json.s.slice(-2)",
    "$json.list.slice(1)",
    "$json.list.slice(0, 2)",
    "$json.list.slice(-1)",
    "$json.s.substring(1, 3)",
    "$json.s.substring(3, 1)",
    "$json.s.substr(1, 2)",
    "$json.s.charAt(1)",
    "$json.people.map(p => p.name)",
    "$json.people.map((p, i) => i + 1)",
    "$json.people.map(p => ({ name: p.name, old: p.age > 5 }))",
    "$json.people.filter(p => p.on)",
    "$json.people.filter(p => p.age > 2).map(p => p.name).join('; ')",
    "$json.people.find(p => p.on)",
    "$json.people.some(p => p.on)",
    "$json.people.every(p => p.on)",
    "$json.words.filter(Boolean)",
    "$json.people.map(sum => sum.age)",
    "Math.floor($json.n) + Math.ceil($json.m)",
    "Math.round($json.n)",
    "Math.abs($json.n)",
    "Math.max($json.n, $json.m, 0)",
    "Math.min($json.n, $json.m)",
    "JSON.stringify($json.a)",
    "JSON.stringify($json.s)",
    "JSON.stringify({ a: $json.s, b: [1, 'x'] })",
    "Number($json.digits)",
    "Number($json.b)",
    "parseInt($json.digits)",
    "parseInt($json.digits, 10)",
    "parseFloat($json.digits)",
    "String($json.c)",
    "$json.n.toString()",
    "Object.keys($json.o)",
    "Object.values($json.o.in)",
    "Object.keys($json.o).length > 1",
    "Array.isArray($json.a)",
    "$input.all().length",
    "$input.all().map(item => item.json.s)",
    "{ a: $json.n, 'b c': $json.list, d: { e: $json.s } }",
    "[$json.n > 1, 'a', { x: $json.s }]",
    "(($json.n))",
    "new Date($json.n * 86400000).toISOString()",
    "new Date(1700000000000).toISOString().split('T')[0]",
    "new Date($json.when).getTime()",
    "new Date($json.when).toISOString()",
    "(new Date($json.when) - new Date($json.n)) / 1000",
    "new Date($json.when) > new Date(0)",
    "$json.list[$json.list.length - 1]",
    "$json.words[$json.n]",
    "$json.s[$json.n]",
    "$json.o[$json.t]",
    "$json.o['in']['x' + '']",
    "$json.o.in[$json.missing]",
    "$json.s.split('a')[$json.s.split('a').length - 1]",
    "$json.odd[''].x",
    "$json.odd['a`b']",
    "$json.s.match(/[a-c]+/)",
    "$json.s.match(/([a-c])(X)?/)?.[1]",
    "$json.s.match(/([a-c])(X)?/)?.[2]",
    "$json.s.match(/[a-c]/) ? 'yes' : 'no'",
    "$json.s.match(/[a-c]/g)",
    "$json.s.match(/[^/]+/g)",
    "($json.s.match(/b/) || ['none'])[0]",
    "$json.s.replace(/([a-c])(.)/g, '$2-$1')",
    "$json.s.split(/[ab]/)",
    "$json.s.slice(1, -1)",
    "$json.list.slice(0, -1)",
    "$json.words.slice(1, -2)",
    "JSON.stringify($json.a, null, 2)",
    "JSON.stringify($json.o, null, 2)",
    "[$json.a, $json.s]",
    "[$json.list, $json.maybe]",
    "[...$json.list, $json.n]",
    "[...$json.words]",
    "[...$json.s].length",
    "{ ...$json.o, z: 1, s: $json.maybe }",
    "{ a: 1, ...($json.b ? $json.o : null), ...{ b: 2 } }",
    "$json.list.reduce((sum, each) => sum + each, 0)",
    "$json.people.reduce((all, each) => ({ ...all, last: each.age }), {})",
    "[...$json.list].reverse()",
    "'abc'.indexOf('c')",
    "$json.s.trim().indexOf('b')",
    "(() => { const a = $json.n; const b = a + 1; return a * b; })()",
    "(() => { const { n, s } = $json; return `${n}${s}` })()",
    "(() => { if ($json.n > 0) return 'more'; if ($json.n < 0) { return 'less'; } return 'none' })()",
    "(() => { if ($json.b) { return 1 } else if ($json.n > 0) { return 2 } else { return 3 } })()",
    "(() => { if ($json.b) { const x = $json.s; if (x) return x; return 'empty'; } })()",
    "(function (x, y) { return x - y })($json.n, $json.m)",
    "(() => { const twice = (x) => x * 2; return twice($json.n) + twice(1) })()",
    "$json.people.map(p => { const a = p.age; return { a, on: p.on } })",
    "(() => { const a = 1; const f = () => { const a = 2; return a }; return a })()",
    "$json.people.filter(p => { return p.on; }).length",
]


class Node:
    """Node.js evaluating expressions, one line each."""

    def __init__(self) -> None:
        assert NODE
        self.process = subprocess.Popen([NODE, "-e", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def evaluate(self, source: str, value: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"source": source, "data": value}).encode() + b"\n")
        self.process.stdin.flush()
        result: dict[str, Any] = json.loads(self.process.stdout.readline())
        return result

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    if NODE is None:
        pytest.skip("Node.js is not installed, so there is nothing to compare with")
    process = Node()
    yield process
    process.close()


def evaluate_translation(source: str, value: Any) -> Any:
    from weconnect import clock

    term, _ = translate(source, SCOPE)
    contexts = [EvaluationContext(value, {"index": 0})]
    return rendering.render("{{ " + term.source + " }}", contexts, {"input": [value]}, clock.now())[0]


def are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(are_equal(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize("source", SAME)
@settings(
    max_examples=example_count(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=data)
def test_javascript_and_jsonata_agree(node: Node, source: str, value: dict[str, Any]) -> None:
    expected = node.evaluate(source, value)
    assert "thrown" not in expected, expected
    actual = evaluate_translation(source, value)
    assert are_equal(actual, expected["value"]), (
        actual,
        expected["value"],
        translate(source, SCOPE)[0].source,
    )


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("$('A').item.json.x", "$nodes.A.output.x"),
        ('$node["My Node"].json["a b"].c', "$nodes.`My Node (2)`.output.`a b`.c"),
        ("$('A').first().json.x", "$nodes.A.output.x"),
        ("$('A').last().json.x", "$nodes.A.items[-1].x"),
        ("$('A').all().length", "$count($nodes.A.items)"),
        ("$('A').all().map(i => i.json.x)", "[$map($nodes.A.items, function($i_) { $i_.x })]"),
        ("$items('A')[0].json.x", "($nodes.A.items)[0].x"),
        ("$input.first().json.x", "$input[0].x"),
        ("$input.item.json.x", "$json.x"),
        ("$itemIndex", "$index"),
        ("$execution.id", "$execution.id"),
        ("$now", "$now()"),
        ("$workflow.id", "$execution.workflowId"),
        ("$workflow.name", "$execution.workflowName"),
        ("$vars.x", "$vars.x"),
        ("$env.HOME", "$vars.HOME"),
        ("$('A').all().first().json.x", "($nodes.A.items)[0].x"),
        ("$now.toISO()", "$now()"),
        ("$now.toFormat('yyyy-MM-dd HH:mm')", '$now("[Y0001]-[M01]-[D01] [H01]:[m01]")'),
        ("$now.minus({ days: 1 }).toISO()", "$fromMillis(($millis() - (1 * 86400000)))"),
        ("$today.plus(2, 'hours').toMillis()", '($toMillis($now("[Y0001]-[M01]-[D01]")) + (2 * 3600000))'),
        (
            "encodeURIComponent($json.s.trim())",
            '$encodeUrlComponent($replace($json.s, /^[\\s\\ufeff]+|[\\s\\ufeff]+$/, ""))',
        ),
    ],
)
def test_names_that_n8n_adds_to_javascript_are_translated(source: str, becomes: str) -> None:
    assert translate(source, SCOPE)[0].source == becomes
    assert rendering.syntax_errors([becomes]) == [None]


@pytest.mark.parametrize(
    "source",
    [
        "$fromAI('x')",
        "$binary.data",
        "$workflow.active",
        "$runIndex",
        "$('Nowhere').item.json.x",
        "$('A').params.x",
        "$json.x = 1",
        "$json.list.reduce((a, b) => a + b)",
        "$json.list.reduce((a, b, i) => a + b * i, 0)",
        "$json.x.match($json.y)",
        "$json.list.reverse()",
        "$json.s.split(/a*/)",
        "$json.s.split(/(a)/)",
        "$json.people.map(({ on }) => on)",
        "(() => { let a = 1; a = 2; return a })()",
        "(() => { for (const x of $json.list) { return x } })()",
        "(() => { const a = []; a.push(1); return a })()",
        "(() => { if ($json.b) { const x = 1 } return 2 })()",
        "(() => { if ($json.b) { if ($json.n) return 1; } return 2 })()",
        "(() => { if ($json.b) console.log(1); return 2 })()",
        "((_a) => { const a_ = 2; return _a + a_ })(1)",
        "(() => { return 1; 2 })()",
        "JSON.parse($json.x)",
        "$json.a.toFixed(2)",
        "Math.random()",
        "$json.s.replace(/(?<=a)b/, '')",
        "$json.s.replace(/a/, '$1')",
        "$json.s.replace('a', $json.t)",
        "[...$json.s.trim()]",
        "{ ...$json.list.map(x => x) }",
        "$json.a == $json.b",
        "$now.plus({ months: 1 })",
        "$now.toFormat('w')",
        "`never ends",
        "'never ends",
        "$json.",
        "((((",
        "typeof $json.x",
        "$json.a) + ($json.b",
        "$json.a, $json.b",
        "[1, , 2]",
        "$json.f`x`",
        "$json.f?.(1)",
        "0x1f",
        "1_000",
        "10n",
        "'\\ud800'",
        "<b>{1}</b>",
        "async (x) => x",
        "$json.a ** 2",
        "$json.a++",
        "(x = 1) => x",
        "a" * 10_001,
        "(" * 500 + "1" + ")" * 500,
        "!" * 9_000 + "1",
        "-".join("1" * 4_000),
    ],
)
def test_an_expression_without_a_certain_translation_is_refused(source: str) -> None:
    with pytest.raises(Unsupported):
        translate(source, SCOPE)


def test_nesting_does_not_double_the_length_of_a_translation() -> None:
    long = " || ".join(f"$json.some.rather.long.path.to.a.value.number{n}" for n in range(30))
    assert len(translate(long, SCOPE)[0].source) < 6_000


def test_an_item_whose_origin_is_uncertain_is_noted() -> None:
    scope = ExpressionScope({"A": "A"}, lambda name: "assumed", "UTC")
    assert translate("$('A').item.json.x", scope)[1] == [ASSUMED_ITEM_NOTE.format(name="A")]
    scope = ExpressionScope({"A": "A"}, lambda name: "index", "UTC")
    term, notes = translate("$('A').item.json.x", scope)
    assert (term.source, notes) == ("$nodes.A.items[$index].x", [])


@settings(max_examples=300, deadline=None)
@given(st.text("$json.x()[]{}'\"`+-*/=>!&|?:, 019a\\\n", max_size=40))
def test_any_text_is_translated_or_refused(source: str) -> None:
    try:
        term, _ = translate(source, SCOPE)
    except Unsupported:
        return
    assert rendering.syntax_errors([term.source]) == [None], (source, term.source)
