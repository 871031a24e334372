"""Variables of workflows, as they are on the wire."""

import json
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from weconnect.base_entity import TenantEntity, Wire

MAX_BYTES = 32_000
MIN_SECRET = 8
"""Shorter secrets could not be hidden: their letters stand in other texts too."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Description = Annotated[str, StringConstraints(max_length=2_000)]


class VariableType(StrEnum):
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    SECRET = "secret"


class VariableScope(StrEnum):
    WORKFLOW = "workflow"
    ORGANIZATION = "organization"


class NewVariable(Wire):
    """What a caller gives; name, type and scope stay as they are. `workflowId` belongs to the scope `workflow`."""

    name: VariableName
    type: VariableType = VariableType.STRING
    scope: VariableScope = VariableScope.ORGANIZATION
    workflow_id: UUID | None = None
    value: Any = Field(description="As `type` says; a secret is a text of 8 characters or more")
    description: Description = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.scope == VariableScope.WORKFLOW) != (self.workflow_id is not None):
            raise ValueError("workflowId is needed for the scope workflow, and for no other")
        check_value(self.type, self.value)
        return self


class VariableChanges(Wire):
    """Fields to change; a missing one stays."""

    value: Any = None
    description: Description | None = None


class WorkflowVariable(TenantEntity):
    """A value that expressions read as `$vars.name`; that of a secret is shown as `••••`."""

    name: VariableName
    type: VariableType
    scope: VariableScope
    workflow_id: UUID | None = None
    value: Any = None
    description: str = ""


def check_value(type: VariableType, value: Any) -> None:
    """Raise ValueError for a value that is not what the type says, or is too large."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fitting = {
        VariableType.STRING: isinstance(value, str),
        VariableType.NUMBER: is_number,
        VariableType.BOOLEAN: isinstance(value, bool),
        VariableType.JSON: True,
        VariableType.SECRET: isinstance(value, str) and len(value.strip()) >= MIN_SECRET,
    }
    if not fitting[type]:
        more = f" of {MIN_SECRET} characters or more" if type == VariableType.SECRET else ""
        raise ValueError(f"value is no {type.value}{more}")
    if len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) > MAX_BYTES:
        raise ValueError(f"value takes more than {MAX_BYTES} bytes as JSON")
