"""JSON Schema (2020-12): checks of schemas, and of values against them. A stranger may have written either.

Nothing is fetched, and every check ends. References stay within the schema. Patterns run on a regular-expression engine
of linear time (pydantic's, in Rust), which has no look-around and no back-references. Every step of a check is counted,
because a schema of a few references can ask for more of them than there are atoms.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from weconnect.errors import FieldError, Invalid

MAX_DEPTH = 32
MAX_SUBSCHEMAS = 3_000
MAX_BYTES = 60_000
MAX_PATTERNS = 50
MAX_PATTERN_LENGTH = 1_000
MAX_MATCHED_LENGTH = 20_000
MAX_STEPS = 50_000
MAX_MESSAGE_LENGTH = 300

# The keywords whose values are a subschema, a list of them, and an object of them.
_ONE_SUBSCHEMA = (
    *("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems"),
)
_LISTS_OF_SUBSCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_OBJECTS_OF_SUBSCHEMAS = (
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "$defs",
    "definitions",
)

Path = tuple[str | int, ...]
_remaining_steps: ContextVar[list[int]] = ContextVar("remaining steps")


class UnusableSchema(Exception):
    """A schema cannot be used; `pointer` (RFC 6901) is the location of the error in it."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(detail)
        self.pointer, self.detail = _to_pointer(path), detail


class _TooCostly(Exception):
    """The check exceeds its maximum of steps."""


@dataclass(frozen=True)
class Mismatch:
    """An error of a value: an RFC 6901 pointer into it, and a message."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"


def find_mismatch(schema: Any, value: Any) -> Mismatch | None:
    """Return the first error of `value`, or None when it is valid. By an unusable schema no value is valid."""
    from jsonschema.exceptions import UnknownType  # cold start
    from referencing import Registry  # cold start
    from referencing.exceptions import Unresolvable  # cold start

    token = _remaining_steps.set([MAX_STEPS])
    try:
        _check_bounds(schema, False)
        error = next(_build_validator_class()(schema, registry=Registry()).iter_errors(value), None)
    except UnusableSchema as bad:
        return Mismatch("", f"the schema is not usable: it {bad.detail}")
    except Unresolvable as unknown:
        return Mismatch("", f"the schema refers to {unknown.ref!r}, which is not in it")
    except (_TooCostly, RecursionError):
        return Mismatch("", "the value takes too long to check")
    except (ArithmeticError, ValueError):
        return Mismatch("", "a number is too large to be checked")
    except (AttributeError, TypeError, UnknownType):
        return Mismatch("", "the schema is not usable")  # it was never checked
    except BaseException as panic:
        # A RecursionError within a Rust map of `referencing` is a panic there, which is not an Exception.
        if type(panic).__name__ != "PanicException":
            raise
        return Mismatch("", "the value takes too long to check")
    finally:
        _remaining_steps.reset(token)
    return error and Mismatch(_to_pointer(error.absolute_path), error.message[:MAX_MESSAGE_LENGTH])


def require_valid_schema(schema: Any, pointer: str, *, of_object: bool = True) -> None:
    """Raise Invalid, with a pointer below `pointer`, unless this is a usable schema.

    With `of_object`, it must describe an object.
    """
    try:
        check_schema(schema)
        if of_object and schema.get("type", "object") != "object":
            raise UnusableSchema(("type",), "must be 'object'")
    except UnusableSchema as error:
        errors: list[FieldError] = [{"pointer": pointer + error.pointer, "detail": error.detail}]
        raise Invalid(
            f"Invalid JSON Schema: {pointer + error.pointer} {error.detail}", errors=errors
        ) from error


def check_schema(schema: Any, *, patterns: bool = True) -> None:
    """Raise UnusableSchema unless `find_mismatch` can use this schema.

    Without `patterns`, a pattern that the engine does not support is accepted, and then matches every text.
    """
    from jsonschema import Draft202012Validator, FormatChecker  # cold start

    _check_bounds(schema, patterns)
    if len(json.dumps(schema, ensure_ascii=False).encode(errors="replace")) > MAX_BYTES:
        raise UnusableSchema((), f"exceeds {MAX_BYTES} bytes as JSON")
    # Without formats: the one of `pattern` would use another regular-expression engine.
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=FormatChecker(formats=()))
    for error in meta.iter_errors(schema):
        raise UnusableSchema(tuple(error.absolute_path), error.message[:MAX_MESSAGE_LENGTH])


def _to_pointer(path: Iterable[str | int]) -> str:
    """Return the RFC 6901 pointer of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _check_bounds(root: Any, patterns: bool) -> None:
    """Raise UnusableSchema unless a schema can be checked in bounded time; done before anything else reads it."""
    pending: list[tuple[Path, Any]] = [((), root)]
    subschema_count = pattern_count = 0
    keywords: set[str] = set()
    while pending:
        path, schema = pending.pop()
        subschema_count += 1
        if subschema_count > MAX_SUBSCHEMAS:
            raise UnusableSchema((), f"has more than {MAX_SUBSCHEMAS} subschemas")
        if not isinstance(schema, dict):
            continue
        if len(path) > 2 * MAX_DEPTH:
            raise UnusableSchema(path[: 2 * MAX_DEPTH], "is nested too deeply")
        keywords |= schema.keys() & {"patternProperties", "unevaluatedProperties"}
        for keyword in ("$ref", "$dynamicRef"):
            if not str(schema.get(keyword, "#")).startswith("#"):
                raise UnusableSchema((*path, keyword), "may only refer within the schema: #/$defs/name")
        properties = schema.get("patternProperties")
        for text in [schema.get("pattern"), *(properties if isinstance(properties, dict) else ())]:
            pattern_count += text is not None
            if patterns and isinstance(text, str) and _compile_pattern(text) is None:
                detail = (
                    f"{text[:80]!r} is not a supported pattern. Use no look-around and no back-references."
                )
                raise UnusableSchema(
                    (*path, "pattern" if text == schema.get("pattern") else "patternProperties"), detail
                )
        pending += _list_subschemas(path, schema)
    if pattern_count > MAX_PATTERNS:
        raise UnusableSchema((), f"has more than {MAX_PATTERNS} patterns")
    if len(keywords) == 2:
        raise UnusableSchema((), "may not use patternProperties and unevaluatedProperties together")
    _check_depth(root, 0)


def _list_subschemas(path: Path, schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the path and the value of each direct subschema of a schema."""
    for keyword in _ONE_SUBSCHEMA:
        if isinstance(schema.get(keyword), dict):
            yield (*path, keyword), schema[keyword]
    for keyword in _LISTS_OF_SUBSCHEMAS:
        if isinstance(schema.get(keyword), list):
            yield from (((*path, keyword, number), part) for number, part in enumerate(schema[keyword]))
    for keyword in _OBJECTS_OF_SUBSCHEMAS:
        if isinstance(schema.get(keyword), dict):
            yield from (((*path, keyword, name), part) for name, part in schema[keyword].items())


def _check_depth(value: Any, depth: int) -> None:
    """Raise UnusableSchema for a JSON value that is too deep, `enum` and `default` included."""
    if depth > 3 * MAX_DEPTH:
        raise UnusableSchema((), "is nested too deeply")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(part, depth + 1)


# Our own rules for keywords


@functools.cache
def _build_validator_class() -> Any:
    """Return jsonschema's validator class for 2020-12 with our rules and every step counted."""
    from jsonschema import Draft202012Validator, validators  # cold start

    own_rules = {
        "pattern": _check_pattern,
        "patternProperties": _check_pattern_properties,
        "additionalProperties": _check_additional_properties,
        "uniqueItems": _check_unique_items,
    }
    rules = Draft202012Validator.VALIDATORS | own_rules
    return validators.extend(
        Draft202012Validator, {keyword: _count_steps_of(rule) for keyword, rule in rules.items()}
    )


def _count_steps_of(rule: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """Return the rule of a keyword so that each call of it spends one step."""

    def count_and_check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        """Spend one step, then yield the errors of the rule."""
        _spend_steps(1)
        yield from rule(validator, value, instance, schema) or ()

    return count_and_check


def _spend_steps(steps: int) -> None:
    """Subtract steps from those that this check may still take. Raises _TooCostly below zero."""
    remaining = _remaining_steps.get()
    remaining[0] -= steps
    if remaining[0] < 0:
        raise _TooCostly


@functools.lru_cache(maxsize=128)
def _compile_pattern(pattern: str) -> SchemaValidator | None:
    """Return a validator of texts that match a pattern; None for one that is too long or not supported."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return None
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None


def _matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches somewhere in a text; an unsupported pattern matches every text."""
    _spend_steps(1 + len(text) // 64)
    compiled = _compile_pattern(pattern)
    if compiled is None:
        return True
    try:
        compiled.validate_python(text)
    except ValidationError:
        return False
    return True


def _build_error(message: str) -> Any:
    """Return jsonschema's error with this message."""
    from jsonschema import ValidationError  # cold start

    return ValidationError(message)


def _check_pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Yield an error when a text does not match `pattern` or is too long to be matched."""
    if not isinstance(instance, str):
        return
    if len(instance) > MAX_MATCHED_LENGTH:
        yield _build_error(f"a text with a pattern may have {MAX_MATCHED_LENGTH} characters")
    elif not _matches(pattern, instance):
        yield _build_error(f"{instance[:100]!r} does not match {pattern[:100]!r}")


def _check_pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Yield the errors of an object's values under the schemas whose pattern matches their name."""
    if isinstance(instance, dict):
        for pattern, part in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name[:MAX_MATCHED_LENGTH]):
                    yield from validator.descend(value, part, path=name, schema_path=pattern)


def _check_additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Yield the errors of an object's values that neither `properties` nor a pattern covers."""
    if not isinstance(instance, dict):
        return
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name in properties or any(_matches(pattern, name[:MAX_MATCHED_LENGTH]) for pattern in patterns):
            continue
        if isinstance(allowed, dict):
            yield from validator.descend(instance[name], allowed, path=name)
        elif not allowed:
            yield _build_error(f"Additional properties are not allowed ({name[:100]!r} was unexpected)")


def _check_unique_items(validator: Any, is_unique: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Yield an error when a list has an item twice, in linear time; 1 equals 1.0, but not true."""
    if is_unique and isinstance(instance, list):
        _spend_steps(len(instance))
        if len({json.dumps(_normalize_numbers(item), sort_keys=True) for item in instance}) < len(instance):
            yield _build_error("has the same item twice")


def _normalize_numbers(value: Any) -> Any:
    """Return a copy of a JSON value in which floats without a fraction are integers."""
    if isinstance(value, dict):
        return {name: _normalize_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_normalize_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
