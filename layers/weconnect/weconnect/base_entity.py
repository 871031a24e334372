"""The base classes of entities and of the bodies of requests and responses."""

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from weconnect.texts import require_visible

MAX_UNKNOWN_FIELDS = 20

M = TypeVar("M", bound=BaseModel)


def with_fields(fields: Mapping[str, Any]) -> Callable[[type[M]], type[M]]:
    """Return a decorator that adds fields to a model: those that only the manifests of other modules know.

    `fields` are pydantic's definitions by name, such as `{"agents": (list[JsonObject], Field(description="…"))}`.
    """

    def extend(model: type[M]) -> type[M]:
        """Return a model of the same name with the fields, or the model itself when there are none."""
        if not fields:
            return model
        return create_model(
            model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields
        )

    return extend


class ApiModel(BaseModel):
    """A model whose JSON is camelCase and whose Python is snake_case; undeclared fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        ser_json_inf_nan="null",
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_unknown_fields(cls, value: Any) -> Any:
        """Return the value. Raise one error for many unknown fields: pydantic makes one of 2 KB for each."""
        if not isinstance(value, dict) or len(value) <= 2 * len(cls.model_fields) + MAX_UNKNOWN_FIELDS:
            return value
        names = {name for key, each in cls.model_fields.items() for name in (key, each.alias)}
        unknown = (key for key in value if key not in names)
        shown = ", ".join(repr(str(key)[:50]) for key in islice(unknown, 3))
        raise PydanticCustomError(
            "extra_forbidden",
            "Extra inputs are not permitted: {shown} and others, of {count} fields",
            {"shown": shown, "count": len(value)},
        )

    def to_json_dict(self) -> dict[str, Any]:
        """Return the JSON object of the model in camelCase, without the fields that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class BaseEntity(ApiModel):
    """The fields of every stored entity; `version` is the optimistic lock and the ETag."""

    id: UUID
    created_at: AwareDatetime
    updated_at: AwareDatetime
    deleted_at: AwareDatetime | None = None
    version: int = 1


class TenantEntity(BaseEntity):
    """An entity of an organization; `user_id` is its creator."""

    organization_id: UUID
    user_id: UUID


def trimmed_text(max_length: int, min_length: int = 1) -> StringConstraints:
    """Return the constraint of a text of bounded length, trimmed of blanks: `Annotated[str, trimmed_text(255)]`."""
    return StringConstraints(strip_whitespace=True, min_length=min_length, max_length=max_length)


def max_json_bytes(limit: int) -> AfterValidator:
    """Return a validator that bounds the UTF-8 JSON of a value in bytes; a whole row of the table has 400 KB."""

    def check(value: Any) -> Any:
        """Return the value. Raises ValueError when its JSON is longer than the limit."""
        if len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) > limit:
            raise ValueError(f"exceeds {limit} bytes as JSON")
        return value

    return AfterValidator(check)


def max_entries(limit: int) -> BeforeValidator:
    """Return a validator that bounds the entries of a mapping before they are looked at, unlike `max_length`."""

    def check(value: Any) -> Any:
        """Return the value. Raises ValueError when it has more entries than the limit."""
        if isinstance(value, dict) and len(value) > limit:
            raise ValueError(f"has more than {limit} entries")
        return value

    return BeforeValidator(check)


JsonObject = dict[str, Any]
StoredJson = Annotated[JsonObject, max_json_bytes(60_000)]
Name = Annotated[str, trimmed_text(255)]
NewName = Annotated[Name, AfterValidator(require_visible)]
"""A name in a request. An entity has a `Name`, because stored names may be older than this rule."""
