"""Entities of variables, as the API sends and receives them."""

import json
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from weconnect.base_entity import ApiModel, TenantEntity

MAX_BYTES = 32_000
MIN_SECRET_CHARACTERS = 8
"""A shorter secret could not be masked: its characters occur in other texts as well."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Description = Annotated[str, StringConstraints(max_length=2_000)]


class VariableType(StrEnum):
    """The type of a variable; a secret is encrypted and never returned."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    SECRET = "secret"


class VariableScope(StrEnum):
    """The scope of a variable: one workflow, or the whole organization."""

    WORKFLOW = "workflow"
    ORGANIZATION = "organization"


class NewVariable(ApiModel):
    """A variable to create. Its name, type and scope cannot be changed later.

    `workflowId` is required for the scope `workflow`, and not allowed for `organization`.
    """

    name: VariableName
    type: VariableType = VariableType.STRING
    scope: VariableScope = VariableScope.ORGANIZATION
    workflow_id: UUID | None = None
    value: Any = Field(description="A value of the `type`; a secret is a text of at least 8 characters")
    description: Description = ""

    @model_validator(mode="after")
    def _has_workflow_and_value(self) -> Self:
        """Raise ValueError unless scope and workflow, and type and value, fit together."""
        if (self.scope == VariableScope.WORKFLOW) != (self.workflow_id is not None):
            raise ValueError("give workflowId with the scope workflow, and with no other scope")
        check_value(self.type, self.value)
        return self


class VariableChanges(ApiModel):
    """Fields to change; a missing one stays."""

    value: Any = None
    description: Description | None = None


class WorkflowVariable(TenantEntity):
    """A value that expressions read as `$vars.name`. The value of a secret is shown as `••••`."""

    name: VariableName
    type: VariableType
    scope: VariableScope
    workflow_id: UUID | None = None
    value: Any = None
    description: str = ""


def check_value(type: VariableType, value: Any) -> None:
    """Raise ValueError for a value that does not have the type, or is too large."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits_type = {
        VariableType.STRING: isinstance(value, str),
        VariableType.NUMBER: is_number,
        VariableType.BOOLEAN: isinstance(value, bool),
        VariableType.JSON: True,
        VariableType.SECRET: isinstance(value, str) and len(value.strip()) >= MIN_SECRET_CHARACTERS,
    }
    if not fits_type[type]:
        length = f" of at least {MIN_SECRET_CHARACTERS} characters" if type == VariableType.SECRET else ""
        raise ValueError(f"The value is not of the type {type.value}{length}.")
    size = len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    if size > MAX_BYTES:
        raise ValueError(f"The value has {size} bytes as JSON; at most {MAX_BYTES} are allowed.")
