"""JSON Schema (2020-12): is it one, and does a value fit it. A stranger may have written either.

Nothing is fetched, and checking comes to an end. References stay within the schema. Patterns run on a
regular-expression engine whose time is linear (pydantic's, in Rust), which has no look-around and no back-references.
Every step of a check is counted, because a schema of a few references can ask for more of them than there are atoms.
"""

import functools
import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from weconnect.errors import Invalid

DEPTH = 32
NODES = 3_000
BYTES = 60_000
PATTERNS = 50
PATTERN_LENGTH = 1_000
MATCHED_LENGTH = 20_000
STEPS = 50_000
MESSAGE_LENGTH = 300

_ONE = (
    *("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems"),
)
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions")

Place = tuple[str | int, ...]
_left: ContextVar[list[int]] = ContextVar("steps left")


class BadSchema(Exception):
    """A schema that cannot be used; `pointer` (RFC 6901) is where."""

    def __init__(self, place: Place, detail: str) -> None:
        super().__init__(detail)
        self.pointer, self.detail = _pointer(place), detail


class _TooCostly(Exception):
    """The steps are used up."""


@dataclass(frozen=True)
class Mismatch:
    """Where a value does not fit, as an RFC 6901 pointer into it, and why."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"


def mismatch(schema: Any, value: Any) -> Mismatch | None:
    """The first place where `value` does not fit, None when all of it does; a schema of no use fits nothing."""
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    token = _left.set([STEPS])
    try:
        _walk(schema, False)
        error = next(_validator()(schema, registry=Registry()).iter_errors(value), None)
    except BadSchema as bad:
        return Mismatch("", f"the schema is not usable: {bad.detail}")
    except Unresolvable as unknown:
        return Mismatch("", f"the schema refers to {unknown.ref!r}, which is not in it")
    except (_TooCostly, RecursionError):
        return Mismatch("", "it takes too long to check")
    except (ArithmeticError, ValueError):
        return Mismatch("", "a number is too large to be checked")
    except (AttributeError, TypeError, UnknownType):
        return Mismatch("", "the schema is not usable")  # nobody has inspected it
    finally:
        _left.reset(token)
    return error and Mismatch(_pointer(error.absolute_path), error.message[:MESSAGE_LENGTH])


def check(schema: Any, pointer: str, *, of_object: bool = True) -> None:
    """Raise Invalid, with places below `pointer`, for what is not a schema of use (of an object)."""
    try:
        inspect(schema)
        if of_object and schema.get("type", "object") != "object":
            raise BadSchema(("type",), "it has to describe an object")
    except BadSchema as error:
        place = pointer + error.pointer
        raise Invalid(
            f"Not a JSON Schema: {place} {error.detail}", errors=[{"pointer": place, "detail": error.detail}]
        ) from error


def inspect(schema: Any, *, patterns: bool = True) -> None:
    """Raise BadSchema unless this is a schema that `mismatch` can use.

    Without `patterns` one that cannot be read here is let through, and holds nobody back.
    """
    from jsonschema import Draft202012Validator, FormatChecker

    _walk(schema, patterns)
    if len(json.dumps(schema, ensure_ascii=False).encode(errors="replace")) > BYTES:
        raise BadSchema((), f"takes more than {BYTES} bytes as JSON")
    # Without formats: the one of `pattern` would ask an engine that is not ours.
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=FormatChecker(formats=()))
    for error in meta.iter_errors(schema):
        raise BadSchema(tuple(error.absolute_path), error.message[:MESSAGE_LENGTH])


def _pointer(place: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _walk(root: Any, patterns: bool) -> None:
    """Hold a schema to what can be checked in bounded time, before anything looks at it."""
    found: list[tuple[Place, Any]] = [((), root)]
    nodes = seen = 0
    words: set[str] = set()
    while found:
        place, schema = found.pop()
        nodes += 1
        if nodes > NODES:
            raise BadSchema((), f"has more than {NODES} parts")
        if not isinstance(schema, dict):
            continue
        if len(place) > 2 * DEPTH:
            raise BadSchema(place[: 2 * DEPTH], "is nested too deeply")
        words |= schema.keys() & {"patternProperties", "unevaluatedProperties"}
        for word in ("$ref", "$dynamicRef"):
            if not str(schema.get(word, "#")).startswith("#"):
                raise BadSchema((*place, word), "may only refer within the schema: #/$defs/name")
        given = schema.get("patternProperties")
        for text in [schema.get("pattern"), *(given if isinstance(given, dict) else ())]:
            seen += text is not None
            if patterns and isinstance(text, str) and _compiled(text) is None:
                detail = (
                    f"{text[:80]!r} is no pattern of linear time (without look-around or back-references)"
                )
                raise BadSchema(
                    (*place, "pattern" if text == schema.get("pattern") else "patternProperties"), detail
                )
        found += _parts(place, schema)
    if seen > PATTERNS:
        raise BadSchema((), f"has more than {PATTERNS} patterns")
    if len(words) == 2:
        raise BadSchema((), "patternProperties and unevaluatedProperties do not go together here")
    _measure(root, 0)


def _parts(place: Place, schema: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    for word in _ONE:
        if isinstance(schema.get(word), dict):
            yield (*place, word), schema[word]
    for word in _MANY:
        if isinstance(schema.get(word), list):
            yield from (((*place, word, number), part) for number, part in enumerate(schema[word]))
    for word in _NAMED:
        if isinstance(schema.get(word), dict):
            yield from (((*place, word, name), part) for name, part in schema[word].items())


def _measure(value: Any, depth: int) -> None:
    """The depth of all of it, what stands in `enum` or `default` too."""
    if depth > 3 * DEPTH:
        raise BadSchema((), "is nested too deeply")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _measure(part, depth + 1)


# Keywords of our own


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator, validators

    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    rules = Draft202012Validator.VALIDATORS | own
    return validators.extend(Draft202012Validator, {word: _counted(rule) for word, rule in rules.items()})


def _counted(rule: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        _spend(1)
        yield from rule(validator, value, instance, schema) or ()

    return counted


def _spend(steps: int) -> None:
    left = _left.get()
    left[0] -= steps
    if left[0] < 0:
        raise _TooCostly


@functools.lru_cache(maxsize=128)
def _compiled(pattern: str) -> SchemaValidator | None:
    """None when this is no pattern that the engine takes."""
    if len(pattern) > PATTERN_LENGTH:
        return None
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text; one that cannot be read is found everywhere."""
    _spend(1 + len(text) // 64)
    compiled = _compiled(pattern)
    if compiled is None:
        return True
    try:
        compiled.validate_python(text)
    except ValidationError:
        return False
    return True


def _error(message: str) -> Any:
    from jsonschema import ValidationError

    return ValidationError(message)


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, str):
        return
    if len(instance) > MATCHED_LENGTH:
        yield _error(f"a text with a pattern takes {MATCHED_LENGTH} characters")
    elif not _matches(pattern, instance):
        yield _error(f"{instance[:100]!r} does not match {pattern[:100]!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict):
        for pattern, part in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name[:MATCHED_LENGTH]):
                    yield from validator.descend(value, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name in known or any(_matches(pattern, name[:MATCHED_LENGTH]) for pattern in patterns):
            continue
        if isinstance(allowed, dict):
            yield from validator.descend(instance[name], allowed, path=name)
        elif not allowed:
            yield _error(f"Additional properties are not allowed ({name[:100]!r} was unexpected)")


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """In linear time; 1 and 1.0 are one number, 1 and true are two values."""
    if wanted and isinstance(instance, list):
        _spend(len(instance))
        if len({json.dumps(_plain(item), sort_keys=True) for item in instance}) < len(instance):
            yield _error("has the same item twice")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
