"""What every entity and every body on the wire has in common."""

import json
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """camelCase JSON outside, snake_case Python inside, nothing that is not declared."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        ser_json_inf_nan="null",
        defer_build=True,
    )

    def wire(self) -> dict[str, Any]:
        """The JSON value that stands for this outside of Python, without unset optionals."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class BaseEntity(Wire):
    """The fields that every stored thing has; `version` is the optimistic lock and the ETag."""

    id: UUID
    created_at: AwareDatetime
    updated_at: AwareDatetime
    deleted_at: AwareDatetime | None = None
    version: int = 1


class TenantEntity(BaseEntity):
    """Something an organization owns; `user_id` made it."""

    organization_id: UUID
    user_id: UUID


def up_to(max_length: int, min_length: int = 1) -> StringConstraints:
    """Text of bounded length without surrounding blanks: `Annotated[str, up_to(255)]`."""
    return StringConstraints(strip_whitespace=True, min_length=min_length, max_length=max_length)


def fits(limit: int) -> AfterValidator:
    """A bound of what a value takes in its row, which has 400 KB for everything."""

    def check(value: Any) -> Any:
        if len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) > limit:
            raise ValueError(f"takes more than {limit} bytes as JSON")
        return value

    return AfterValidator(check)


Json = dict[str, Any]
StoredJson = Annotated[Json, fits(60_000)]
Name = Annotated[str, up_to(255)]
