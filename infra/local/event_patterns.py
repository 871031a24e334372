"""Event patterns of EventBridge, which the filters of DynamoDB and SQS also use."""

from typing import Any


def matches_pattern(pattern: Any, event: Any) -> bool:
    """Return whether an event has every field of the pattern, with one of the values listed for it."""
    if not isinstance(pattern, dict):
        raise ValueError(f"a pattern must be an object, not {pattern!r}")
    for key, expected in pattern.items():
        if key == "$or":
            if not any(matches_pattern(option, event) for option in expected):
                return False
            continue
        present = isinstance(event, dict) and key in event
        value = event[key] if present else None
        if isinstance(expected, dict):
            if not matches_pattern(expected, value):
                return False
        elif not any(_matches_rule(rule, value, present) for rule in expected):
            return False
    return True


def _matches_rule(rule: Any, value: Any, present: bool) -> bool:
    """Return whether a field matches one rule: a literal, or a filter such as `{"prefix": "a"}` or `{"exists": false}`.

    Of a list, one item must match. `present` is false when the event lacks the field.
    """
    if isinstance(rule, dict):
        (kind, operand), *_ = rule.items()
        if kind == "exists":
            return bool(present == operand)
        return present and any(
            _matches_filter(kind, operand, item) for item in (value if _is_list(value) else [value])
        )
    return present and (rule in value if _is_list(value) else _is_equal(rule, value))


def _matches_filter(kind: str, operand: Any, value: Any) -> bool:
    """Return whether a value matches a filter (`prefix`, `suffix`, `numeric`, `anything-but`, `equals-ignore-case`).

    Raises ValueError for any other kind.
    """
    if kind == "anything-but":
        if isinstance(operand, dict):
            return not any(_matches_filter(inner, part, value) for inner, part in operand.items())
        return not any(_is_equal(part, value) for part in (operand if _is_list(operand) else [operand]))
    if kind == "numeric":
        return isinstance(value, int | float) and all(
            _NUMERIC[operator](value, bound)
            for operator, bound in zip(operand[::2], operand[1::2], strict=True)
        )
    if not isinstance(value, str):
        return False
    if kind == "prefix":
        return value.startswith(str(operand))
    if kind == "suffix":
        return value.endswith(str(operand))
    if kind == "equals-ignore-case":
        return value.lower() == str(operand).lower()
    raise ValueError(f"unknown filter {kind!r}")


def _is_equal(rule: Any, value: Any) -> bool:
    """Return whether two JSON values are equal; unlike in Python, 1 does not equal true."""
    return bool(rule == value) and isinstance(rule, bool) == isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_NUMERIC = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}
