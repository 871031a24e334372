"""Workflows as tools of agents and of MCP clients: what agents need to know of them, without importing them."""

from collections.abc import Sequence
from typing import Protocol, cast
from uuid import UUID

from weconnect import registry, registry_index
from weconnect.api.caller import Caller
from weconnect.base_entity import JsonObject


class OfferedWorkflow(Protocol):
    """An active workflow that is offered as a tool, with the JSON Schema of its input."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> JsonObject: ...


class WorkflowOffers(Protocol):
    """The functions of the module that the workflows' manifest names as `tool_offers`."""

    def exists(self, organization_id: UUID, workflow_id: UUID) -> bool:
        """Return whether the organization has a workflow with this ID."""

    def find_by_name(self, organization_id: UUID, name: str) -> UUID | None:
        """Return the ID of the workflow with this name, whatever its case."""

    def load_input_schema(self, organization_id: UUID, workflow_id: UUID) -> JsonObject:
        """Return the input schema of a workflow's active version, else of its newest. Raises NotFound."""

    def list_offered(
        self, caller: Caller, *, limit: int, cursor: str | None
    ) -> tuple[Sequence[OfferedWorkflow], str | None]:
        """Return a page of the workflows that the caller's organization offers, newest first, and the next cursor."""

    def require_offered(self, caller: Caller, workflow_id: UUID) -> OfferedWorkflow:
        """Return a workflow that is offered as a tool. Raises NotFound."""


def get_offers() -> WorkflowOffers:
    """Return the functions that tell about workflows."""
    return cast("WorkflowOffers", registry.resolve(registry_index.TOOL_OFFERS["workflow"]))
