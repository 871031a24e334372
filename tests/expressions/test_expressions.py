"""Expressions: their values, refusals, and bombs that harm nothing else."""

import contextlib
import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weconnect.expressions import evaluator, rendering
from weconnect.expressions.bounded_process import BoundedProcess, BoundExceeded
from weconnect.expressions.rendering import EvaluationContext, ExpressionError
from weconnect.expressions.variables import find_variable_names

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def render(value: Any, data: Any = None, **shared: Any) -> Any:
    return rendering.render(value, [EvaluationContext(data)], shared, MOMENT)[0]


def evaluate(expression: str, data: Any = None) -> Any:
    return rendering.evaluate(expression, data, MOMENT)


@pytest.mark.parametrize(
    ("value", "data", "expected"),
    [
        ("plain", {}, "plain"),
        (5, {}, 5),
        ("{{ a }}", {"a": 5}, 5),
        ("{{ a }}", {"a": [1]}, [1]),
        ("{{a}}", {"a": {"b": None}}, {"b": None}),
        ("{{ $json.a }}", {"a": True}, True),
        ("{{ missing }}", {}, None),
        ("n = {{ a }}", {"a": 5}, "n = 5"),
        (" {{ a }}", {"a": 5}, " 5"),
        ("{{ a }}{{ b }}", {"a": 1, "b": "x"}, "1x"),
        ("{{ a }}, {{ b }}, {{ c }}!", {"a": True, "b": {"x": [1.5]}}, 'true, {"x":[1.5]}, !'),
        ('{{ {"a": {"b": x}} }}', {"x": 1}, {"a": {"b": 1}}),
        ("{{ \"}}\" & '{{' & a }}", {"a": 1}, "}}{{1"),
        ("{{ `a }}` }}", {"a }}": 2}, 2),
        ("{{ a /* }} */ }}", {"a": 3}, 3),
        (
            {"x": ["{{ a }}", {"y": "{{ a + 1 }}"}], "{{ a }}": 0},
            {"a": 1},
            {"x": [1, {"y": 2}], "{{ a }}": 0},
        ),
        ("{{ $sum(rows.n) }}", {"rows": [{"n": 1}, {"n": 2}]}, 3),
        ("single } and { brace }}", {}, "single } and { brace }}"),
    ],
)
def test_expressions_are_replaced_by_their_values(value: Any, data: Any, expected: Any) -> None:
    rendered = render(value, data)
    assert rendered == expected and type(rendered) is type(expected)


def test_each_context_has_bindings_of_its_own_and_shares_the_rest() -> None:
    contexts = [EvaluationContext({"n": n}, {"index": n}) for n in range(3)]
    value = {"sum": "{{ n + $index + $run.base }}"}
    assert rendering.render(value, contexts, {"run": {"base": 10}}, MOMENT) == [
        {"sum": 10},
        {"sum": 12},
        {"sum": 14},
    ]


def test_the_time_is_a_given_one() -> None:
    assert evaluate("$now()") == "2026-01-02T03:04:05.000Z"
    assert evaluate("$millis()") == int(MOMENT.timestamp() * 1000)
    assert evaluate("$now('[Y]-[M01]')") == "2026-01"
    assert evaluate("$now('[H01]:[m]', '+0530')") == "08:34"
    assert evaluate("$map([1, 2], function($x) { $now() })") == ["2026-01-02T03:04:05.000Z"] * 2
    later = MOMENT.replace(year=2027)
    assert rendering.evaluate("$now()", None, later) == "2027-01-02T03:04:05.000Z"


@pytest.mark.parametrize(
    ("width", "padded"),
    [(5, "abc.."), (-5, "..abc"), (2, "abc"), (0, "abc"), (-10_000, "." * 9_997 + "abc")],
)
def test_pad_pads_as_jsonata_defines(width: int, padded: str) -> None:
    assert evaluate(f"$pad('abc', {width}, '.')") == padded


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("$eval('1')", "not allowed"),
        ("$random()", "not allowed"),
        ("$shuffle([1, 2])", "not allowed"),
        ("($r := $random; $r())", "not allowed"),
        ("1 / 0", "not a number"),
        ("[1 / 0]", "not JSON"),
        ("1 +", "Unexpected end"),
        ("a b", "Syntax error"),
        ("1); (2", "Syntax error"),
        ("$nope()", "non-function"),
        ("$sum('x')", "Argument 1"),
        ("$error('told so')", "told so"),
        ("$match('a', /(?=a)/)", "look"),
        ("1" * 10_001, "Longer than"),
        ("", "end of expression"),
    ],
)
def test_a_failed_expression_says_why(expression: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        evaluate(expression)


DOUBLING = "($f := function($x, $n) {{ $n = 0 ? $x : $f({step}, $n - 1) }}; $f({start}, {times}))"


@pytest.mark.parametrize(
    "expression",
    [
        "($f := function() { $f() }; $f())",
        "($f := function($x) { 1 + $f($x) }; $f(1))",
        "[1..1000000]",
        "[1..10000000000]",
        "[1..100000].[1..100000]",
        "$map([1..100000], function($x) { $map([1..100000], function($y) { $y }) })",
        "$pad('a', 100000000)",
        "$pad('a', -100000000)",
        DOUBLING.format(step="$x & $x", start="'aaaaaaaa'", times=40),
        DOUBLING.format(step="[$x, $x]", start="[1]", times=60),
        DOUBLING.format(step="{'a': $x, 'b': $x}", start="1", times=60),
        DOUBLING.format(step="$append($x, $x)", start="[1]", times=60),
        "$reduce([1..60], function($a, $b) { $a & $a }, 'aaaa')",
        "($s := $join([1..100000].$string(1)); $replace($s, '1', $s))",
        "($s := $join([1..90000].$string(1)); $join([1..90000].$s))",
        "($s := $join([1..90000].$string(1)); [1..60].$s)",
        "(" * 5_000,
        "[" * 900 + "1" + "]" * 900,
    ],
)
def test_bombs_are_stopped(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression)
    assert evaluate("1 + 1") == 2, "the next expression is evaluated as usual"


def test_regular_expressions_are_linear() -> None:
    assert evaluate("$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /^(a+)+$/)") is None


def test_input_is_bounded() -> None:
    with pytest.raises(ExpressionError, match="larger than 16 MB"):
        evaluate("$length(a)", {"a": "x" * (17 << 20)})


def test_only_the_variables_in_use_are_sent() -> None:
    huge = "x" * (17 << 20)
    assert render("{{ $small }}", {}, small=1, huge=huge) == 1


def test_an_error_names_its_pointer() -> None:
    value = {"a": ["{{ 1 }}", {"b/c": "text {{ $nope() }}"}]}
    with pytest.raises(ExpressionError, match=r"in \{\{ \$nope\(\) \}\}") as caught:
        render(value)
    assert caught.value.pointer == "/a/1/b~1c"
    with pytest.raises(ExpressionError, match="Missing }}") as caught:
        render({"a": "{{ {x }}"})
    assert caught.value.pointer == "/a"


def test_syntax_is_checked_without_data() -> None:
    assert rendering.syntax_errors(["a.b", "a b", "x" * 10_001]) == [
        None,
        'S0201: Syntax error: Identifier("b")',
        "longer than 10000 characters",
    ]


def test_the_variables_of_an_expression_are_named() -> None:
    assert find_variable_names("$nodes.`My Node`.x & $now() & $$.a & $json") == {"nodes", "now", "json"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8).filter(lambda k: "{{" not in k), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_a_value_passes_unchanged(value: Any) -> None:
    assert render("{{ $it }}", {}, it=[value]) == [value]


@given(JSON)
def test_a_value_without_expressions_is_unchanged(value: Any) -> None:
    if "{{" not in json.dumps(value):
        assert render(value) == value


@given(st.text(max_size=40), st.integers(0, 99))
def test_the_text_around_an_expression_stays(around: str, number: int) -> None:
    if "{{" not in around + "{{ n }}" + around and not around.endswith("{"):
        assert render(f"{around}{{{{ n }}}}{around}|", {"n": number}) == f"{around}{number}{around}|"


@given(st.text(alphabet="{}$()[]\"'`/*a1 .&", max_size=40))
def test_no_text_fails_in_another_way(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        json.dumps(render(text, {"a": 1}), allow_nan=False)


def test_compiled_expressions_are_bounded_by_their_characters() -> None:
    engine = evaluator.Evaluator(importlib.import_module("jsonatapy"))
    most = 0
    for number in range(130):
        source = f"[{number}, {'(a),' * 2_400} 1]"
        assert engine.evaluate({"parse": [source]}) == {"errors": [None]}
        characters = sum(map(len, engine._compiled))
        most = max(most, characters)
        assert source in engine._compiled
    assert 0.9 * evaluator.MAX_COMPILED_CHARACTERS < most <= evaluator.MAX_COMPILED_CHARACTERS


ENDS_AT_SECOND_REQUEST = """
import sys
for number, line in enumerate(sys.stdin):
    if number or "bomb" in line:
        sys.exit(1)
    print('{"ok": true}', flush=True)
"""


def test_a_request_is_tried_again_where_no_other_one_has_used_memory(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ENDS_AT_SECOND_REQUEST)
    process = BoundedProcess(str(program), "jsonatapy", 2**20, 10)
    try:
        assert [process.request("{}") for _ in range(3)] == [{"ok": True}] * 3
        with pytest.raises(BoundExceeded, match="Needs more memory than 1 MB"):
            process.request('"bomb"')
        assert process.request("{}") == {"ok": True}
    finally:
        process.stop()
