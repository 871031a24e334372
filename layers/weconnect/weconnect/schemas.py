"""JSON Schema (draft 2020-12): is it one, and does a value fit it. A `$ref` is never followed out of its document."""

from dataclasses import dataclass
from typing import Any

from weconnect.errors import Invalid


@dataclass(frozen=True)
class Mismatch:
    """Where a value does not fit, as an RFC 6901 pointer into it, and why."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"


def mismatch(schema: dict[str, Any], value: Any) -> Mismatch | None:
    """The first place where `value` does not fit, None when all of it does."""
    from referencing.exceptions import Unresolvable

    try:
        error = next(iter(_validator(schema).iter_errors(value)), None)
    except Unresolvable as unknown:
        return Mismatch("", f"the schema refers to {unknown.ref!r}, which is not in it")
    return error and Mismatch(_pointer(error.absolute_path), error.message[:500])


def check(schema: dict[str, Any], pointer: str) -> None:
    """Raise Invalid, with places below `pointer`, for what is not the schema of an object."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
        if schema.get("type", "object") != "object":
            raise SchemaError("it has to describe an object", path=["type"])
    except SchemaError as error:
        place = pointer + _pointer(error.absolute_path)
        raise Invalid(
            f"Not a JSON Schema: {place} {error.message[:300]}",
            errors=[{"pointer": place, "detail": error.message[:500]}],
        ) from error


def _validator(schema: dict[str, Any]) -> Any:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    return Draft202012Validator(schema, registry=Registry())


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
