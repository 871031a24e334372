"""The calculator: exact, bounded, and equal to Python on everything both can compute."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from weconnect.calculations import calculator
from weconnect.calculations.errors import CalculationError


def result(expression: str) -> int | float:
    value: int | float = calculator.run({"expression": expression})["result"]
    return value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("17 * 23", 391),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("12 / 4", 3),
        ("7 / 2", 3.5),
        ("7 // 2", 3),
        ("-7 % 3", 2),
        ("10%3", 1),
        ("2 ** 10", 1024),
        ("2 ^ 10", 1024),
        ("6 × 7", 42),
        ("84 ÷ 2", 42),
        ("1,000 + 2,500.5", 3500.5),
        ("max(1,200)", 200),
        ("max(1, 2, 3) - min(4, 5)", -1),
        ("50 * 20%", 10.0),
        ("200 + 5%", 200.05),
        ("sqrt(144)", 12),
        ("cbrt(64)", 4),
        ("abs(-5)", 5),
        ("round(3.14159, 2)", 3.14),
        ("floor(2.7) + ceil(2.1)", 5),
        ("log(e)", 1.0),
        ("log(8, 2)", 3.0),
        ("factorial(10)", 3628800),
        ("2 * pi", math.tau),
        ("sqrt(10**40)", 10**20),
        ("123456789123456789 * 987654321987654321", 121932631356500531347203169112635269),
        ("17 * 23 =", 391),
        ("-(-3)", 3),
        ("0 * -1.5", 0.0),
    ],
)
def test_an_expression_is_computed(expression: str, expected: float) -> None:
    assert result(expression) == pytest.approx(expected, rel=1e-15, abs=0)
    assert isinstance(result(expression), type(expected))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "Division by zero"),
        ("5 % 0", "Division by zero"),
        ("0 ** -1", "Division by zero"),
        ("9**9**9", "more than 1000 digits"),
        ("9**9**9**9", "more than 1000 digits"),
        ("(10**999) * (10**999)", "more than 1000 digits"),
        ("1e308 * 10", "too large"),
        ("1e999", "too large"),
        ("exp(1000)", "too large"),
        ("10.0 ** 999", "too large"),
        ("sqrt(-1)", "not a real number"),
        ("(-8) ** 0.5", "not a real number"),
        ("log(0)", "not a real number"),
        ("factorial(100000)", "0 to 400"),
        ("round(1.5, 0.5)", "whole number"),
        ("sqrt(1, 2)", "argument"),
        ("min()", "argument"),
        ("foo(1)", "Unknown function"),
        ("x + 1", "Unknown name"),
        ("__import__('os')", "not an arithmetic"),
        ("__import__(1)", "Unknown function"),
        ("(1).__class__", "Only"),
        ("[1][0]", "Only"),
        ("1 if 1 else 2", "Only"),
        ("1 << 99999999", "Only"),
        ("True + 1", "Only"),
        ("3j", "not an arithmetic"),
        ("sqrt(x=4)", "Only"),
        ("2 +", "not an arithmetic expression"),
        ("what", "Unknown name"),
        ("", "non-empty"),
        ("1" * 501, "longer than 500"),
        ("-" * 400 + "1", "nested deeper|not an arithmetic"),
        ("(" * 240 + "1" + ")" * 240, "not an arithmetic|nested"),
        ("'a' * 9", "not an arithmetic"),
        ("0x1f + 1", "not an arithmetic"),
        ("1or 2", "not an arithmetic"),
        ("\x00", "not an arithmetic"),
    ],
)
def test_an_invalid_expression_is_refused_with_a_reason(expression: str, message: str) -> None:
    with pytest.raises(CalculationError, match=message):
        result(expression)


@pytest.mark.parametrize("arguments", [{}, {"expression": None}, {"expression": 5}, {"expression": ["1"]}])
def test_an_expression_must_be_a_string(arguments: dict[str, Any]) -> None:
    with pytest.raises(CalculationError):
        calculator.run(arguments)


def grow(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    infix = st.tuples(children, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), children)
    call = st.tuples(st.sampled_from(["abs", "round", "-", "+", ""]), children)
    return infix.map(lambda t: f"({t[0]} {t[1]} {t[2]})") | call.map(lambda t: f"{t[0]}({t[1]})")


NUMBERS = st.integers(0, 60).map(str) | st.integers(0, 900).map(lambda n: str(n / 8))


@given(st.recursive(NUMBERS, grow, max_leaves=6))
def test_results_agree_with_python(expression: str) -> None:
    try:
        ours = result(expression)
    except CalculationError as refusal:
        # Either Python cannot compute it either, or the error names our limit.
        assert "digits" in str(refusal) or _python(expression) is None
        return
    assert type(ours) in (int, float)
    theirs = _python(expression)
    if theirs is None:
        assert abs(ours) > 1e308  # an exact integer quotient that Python's float division cannot hold
    else:
        assert ours == theirs or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)


def _python(expression: str) -> int | float | None:
    try:
        # We refuse powers of powers; Python would compute them for minutes.
        value = eval(expression, {"__builtins__": {}}, {"abs": abs, "round": round})
    except (ZeroDivisionError, OverflowError, TypeError, ValueError):
        return None
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None


@given(st.text(max_size=60))
def test_any_text_gives_a_result_or_a_tool_error(text: str) -> None:
    try:
        answer = calculator.run({"expression": text})
    except CalculationError:
        return
    json.dumps(answer, allow_nan=False)


def test_the_input_schema_is_valid() -> None:
    Draft202012Validator.check_schema(calculator.INPUT_SCHEMA)
