"""The builtin calculator: bounded arithmetic over a whitelisted syntax tree, which Python does not evaluate."""

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from weconnect.calculations.errors import CalculationError

NAME = "calculator"
DISPLAY_NAME = "Calculator"
DESCRIPTION = (
    "Computes an arithmetic expression exactly. Operators + - * / // % **, parentheses, percentages, "
    "sqrt, cbrt, abs, round, min, max, floor, ceil, log, log2, log10, exp, sin, cos, tan, factorial, pi, e."
)
INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "expression": {
            "type": "string",
            "minLength": 1,
            "maxLength": 500,
            "description": "Arithmetic expression, for example (17 + 4) * 23 or sqrt(2) / 2",
        }
    },
    "required": ["expression"],
    "additionalProperties": False,
}

MAX_LENGTH = 500
MAX_DEPTH = 50
MAX_DIGITS = 1000
MAX_FACTORIAL = 400

Number = int | float
Function = Callable[..., Any]

SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**", "π": " pi "})
THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])")
# "50%" is a percentage when no right operand can follow; "10 % 3" and "10%3" are remainders.
PERCENT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(?:%(?=\s*(?:$|[-+*/),]))|\s+%(?=\s*(?:$|[*/),])))")
# Strings, and numbers that run into letters: Python's tokenizer would warn about them. 1e5 is a number.
ODD = re.compile(r"""['"\\]|\d(?!e[-+]?\d)[A-Za-z_]""", re.IGNORECASE)
NUMERIC_CALL = re.compile(r"[A-Za-z_]\w*\s*\($")

CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
BINARY: dict[type[ast.operator], Function] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: _divide(a, b),
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda a, b: _compute_power(a, b),
}
UNARY: dict[type[ast.unaryop], Function] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
# Name: function, fewest and most arguments.
FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "sqrt": (lambda x: _compute_square_root(x), 1, 1),
    "cbrt": (lambda x: _compute_cube_root(x), 1, 1),
    "abs": (abs, 1, 1),
    "round": (lambda x, digits=None: _round(x, digits), 1, 2),
    "min": (min, 1, 100),
    "max": (max, 1, 100),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "log": (math.log, 1, 2),
    "ln": (math.log, 1, 1),
    "log2": (math.log2, 1, 1),
    "log10": (math.log10, 1, 1),
    "exp": (math.exp, 1, 1),
    "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1),
    "tan": (math.tan, 1, 1),
    "factorial": (lambda x: _compute_factorial(x), 1, 1),
}


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """Evaluate `expression` and return `{"result": number}`, an integer if it is whole. Raises CalculationError."""
    expression = arguments.get("expression")
    if not isinstance(expression, str) or not expression.strip():
        raise CalculationError("expression must be a non-empty string, for example 17 * 23")
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"The expression is longer than {MAX_LENGTH} characters")
    return {"result": _normalize_zero(_evaluate(_parse(expression), 0))}


def normalize(expression: str) -> str:
    """Return the expression with signs that people use (×, ÷, ^, 1,000 and 20%) rewritten to Python's."""
    text = expression.strip().removesuffix("=").translate(SIGNS)
    return PERCENT.sub(r"(\1 / 100)", _without_thousands(text)).strip()


def _without_thousands(text: str) -> str:
    """Remove thousands separators, except within a call: max(1,200) has two arguments."""

    def strip(match: re.Match[str]) -> str:
        """Return the number without commas, unless the innermost open parenthesis belongs to a call."""
        depth = 0
        for position in range(match.start() - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(text[position], 0)
            if depth < 0:
                if NUMERIC_CALL.search(text[: position + 1]):
                    return match.group()
                depth = 0
        return match.group().replace(",", "")

    return THOUSANDS.sub(strip, text)


def _parse(expression: str) -> ast.expr:
    """Return the syntax tree of an expression. Raises CalculationError for one that Python cannot parse."""
    text = normalize(expression)
    try:
        if not text.isascii() or ODD.search(text):
            raise SyntaxError
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CalculationError(f"This is not an arithmetic expression: {expression.strip()[:80]}") from None


def _evaluate(node: ast.expr, depth: int) -> Number:
    """Return the value of a syntax tree of numbers, operators and known functions. Raises CalculationError."""
    if depth > MAX_DEPTH:
        raise CalculationError(f"The expression is nested deeper than {MAX_DEPTH} levels")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _check_bounds(value)
        case ast.Name(id=name):
            if name.lower() in CONSTANTS:
                return CONSTANTS[name.lower()]
            raise CalculationError(
                f"Unknown name {name!r}; the known names are {', '.join([*CONSTANTS, *FUNCTIONS])}"
            )
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return _check_bounds(UNARY[type(op)](_evaluate(operand, depth + 1)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return _apply(BINARY[type(op)], [_evaluate(left, depth + 1), _evaluate(right, depth + 1)])
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call(name, [_evaluate(argument, depth + 1) for argument in args])
    raise CalculationError("Only numbers, + - * / // % **, parentheses and the named functions are allowed")


def _call(name: str, values: list[Number]) -> Number:
    """Return the value of a function by its name, in any case of letters. Raises CalculationError."""
    if name.lower() not in FUNCTIONS:
        raise CalculationError(f"Unknown function {name!r}; the known names are {', '.join(FUNCTIONS)}")
    function, fewest, most = FUNCTIONS[name.lower()]
    if not fewest <= len(values) <= most:
        raise CalculationError(
            f"{name} takes {fewest if fewest == most else f'{fewest} to {most}'} argument(s)"
        )
    return _apply(function, values)


def _apply(function: Function, values: list[Number]) -> Number:
    """Return the function's value. Raises CalculationError for one that is undefined or too large."""
    try:
        return _check_bounds(function(*values))
    except ZeroDivisionError:
        raise CalculationError("Division by zero") from None
    except OverflowError:
        raise CalculationError("The result is too large") from None
    except (ValueError, TypeError):
        raise CalculationError("The result is not a real number") from None


def _check_bounds(value: Any) -> Number:
    """Return the value unchanged. Raises CalculationError unless it is a finite real number within MAX_DIGITS."""
    if isinstance(value, int):
        if value.bit_length() > MAX_DIGITS * 3.33:
            raise CalculationError(f"The result has more than {MAX_DIGITS} digits")
        return value
    if not isinstance(value, float):
        raise CalculationError("The result is not a real number")
    if not math.isfinite(value):
        raise CalculationError(
            "The result is too large" if math.isinf(value) else "The result is not a real number"
        )
    return value


def _normalize_zero(value: Number) -> Number:
    """Return 0.0 for -0.0, any other number unchanged."""
    return 0.0 if value == 0 and isinstance(value, float) else value


def _divide(a: Number, b: Number) -> Number:
    """Return the quotient, whole if that is exact. Raises ZeroDivisionError."""
    if isinstance(a, int) and isinstance(b, int) and b and a % b == 0:
        return a // b
    return a / b


def _compute_power(base: Number, exponent: Number) -> Number:
    """Return the power, exact for whole numbers. Raises CalculationError for one with too many digits."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    # Checked before it is computed: 9**9**9 must fail at once, not after an hour.
    if whole and exponent > 0 and abs(base) > 1 and exponent * math.log10(abs(base)) > MAX_DIGITS:
        raise CalculationError(f"The result has more than {MAX_DIGITS} digits")
    value: Any = base**exponent
    return _check_bounds(value)


def _compute_square_root(x: Number) -> Number:
    """Return the square root, whole if that is exact. Raises ValueError for a negative number."""
    if isinstance(x, int) and x >= 0 and math.isqrt(x) ** 2 == x:
        return math.isqrt(x)
    return math.sqrt(x)


def _compute_cube_root(x: Number) -> Number:
    """Return the cube root, whole if that is exact."""
    root = math.cbrt(x)
    whole = round(root)
    return whole if isinstance(x, int) and whole**3 == x else root


def _round(x: Number, digits: Number | None) -> Number:
    """Return the number rounded to `digits` decimal places, without them to a whole number. Raises CalculationError."""
    if digits is None:
        return round(x)
    if not isinstance(digits, int) or abs(digits) > 300:
        raise CalculationError("round takes a whole number of digits")
    return round(x, digits)


def _compute_factorial(x: Number) -> int:
    """Return the factorial. Raises CalculationError unless it is of a whole number from 0 to MAX_FACTORIAL."""
    if not isinstance(x, int) or not 0 <= x <= MAX_FACTORIAL:
        raise CalculationError(f"factorial takes a whole number from 0 to {MAX_FACTORIAL}")
    return math.factorial(x)
