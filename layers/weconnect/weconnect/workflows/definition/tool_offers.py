"""Workflows as tools of agents and of MCP clients, and the JSON Schema of their input.

The schema is that of the trigger at which such an execution starts: the first of type `manual`, else of type `webhook`.
"""

from dataclasses import dataclass
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import query_page
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.organizations.plans import quotas
from weconnect.workflows.definition import stored_versions
from weconnect.workflows.entities import WorkflowDefinition, WorkflowStatus
from weconnect.workflows.errors import WorkflowNotFound
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow

ANY_OBJECT: JsonObject = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class OfferedWorkflow:
    """An active workflow that is offered as a tool, with the JSON Schema of its input."""

    id: UUID
    name: str
    description: str
    input_schema: JsonObject


def find_declared_input_schema(definition: WorkflowDefinition) -> JsonObject | None:
    """Return the input schema of the trigger at which a tool call starts; None when it declares none."""
    enabled = [node for node in definition.nodes if node.is_enabled]
    for trigger_type in ("manual", "webhook"):
        if triggers := [node for node in enabled if node.type == trigger_type]:
            return triggers[0].parameters.get("inputSchema")
    return None


def exists(organization_id: UUID, workflow_id: UUID) -> bool:
    """Return whether the organization has a workflow with this ID."""
    return table.get(WorkflowRow, WorkflowRow.at(organization_id, workflow_id)) is not None


def find_by_name(organization_id: UUID, name: str) -> UUID | None:
    """Return the ID of the workflow with this name, whatever its case."""
    return quotas.find_by_name(WorkflowRow, WorkflowRow.of_organization(organization_id), name)


def load_input_schema(organization_id: UUID, workflow_id: UUID) -> JsonObject:
    """Return the input schema of a workflow's active version, else of its newest; any object if none is declared.

    Raises WorkflowNotFound.
    """
    at = WorkflowRow.at(organization_id, workflow_id)
    at_active = WorkflowVersionRow.at_active(organization_id, workflow_id)
    at_newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    rows_by_key = table.get_many([at, at_active, at_newest])
    row = rows_by_key.get(at)
    if not isinstance(row, WorkflowRow):
        raise WorkflowNotFound()
    # The copy of the version that was active stays when the workflow is deactivated.
    version = rows_by_key[at_active if row.status == WorkflowStatus.ACTIVE else at_newest]
    assert isinstance(version, WorkflowVersionRow)
    _, definition = stored_versions.unpack_definition(organization_id, version)
    return find_declared_input_schema(definition) or ANY_OBJECT


def list_offered(
    caller: Caller, *, limit: int, cursor: str | None
) -> tuple[list[OfferedWorkflow], str | None]:
    """Return a page of the workflows that the caller's organization offers, newest first, and the next cursor."""
    pk, prefix = WorkflowRow.of_organization(caller.organization_id)
    rows, next_cursor = query_page(
        WorkflowRow, pk, prefix, limit=limit, cursor=cursor, keep=_is_offered, filters=["offered"]
    )
    keys = [WorkflowVersionRow.at_active(caller.organization_id, UUID(row.id)) for row in rows]
    rows_by_key = table.get_many(keys) if keys else {}
    versions = [rows_by_key.get(key) for key in keys]
    offered = [
        _to_offered(row, version)
        for row, version in zip(rows, versions, strict=True)
        if isinstance(version, WorkflowVersionRow)
    ]
    return offered, next_cursor


def require_offered(caller: Caller, workflow_id: UUID) -> OfferedWorkflow:
    """Return a workflow that is offered as a tool. Raises WorkflowNotFound."""
    at = WorkflowRow.at(caller.organization_id, workflow_id)
    at_active = WorkflowVersionRow.at_active(caller.organization_id, workflow_id)
    rows_by_key = table.get_many([at, at_active])
    row, version = rows_by_key.get(at), rows_by_key.get(at_active)
    if (
        not isinstance(row, WorkflowRow)
        or not isinstance(version, WorkflowVersionRow)
        or not _is_offered(row)
    ):
        raise WorkflowNotFound()
    return _to_offered(row, version)


def _is_offered(row: WorkflowRow) -> bool:
    """Return whether a workflow is active and offered as a tool."""
    return row.status == WorkflowStatus.ACTIVE and bool(row.offered)


def _to_offered(row: WorkflowRow, version: WorkflowVersionRow) -> OfferedWorkflow:
    """Return an offered workflow from its row and the copy of its active version."""
    _, definition = stored_versions.unpack_definition(UUID(row.organization_id), version)
    schema = find_declared_input_schema(definition) or ANY_OBJECT
    return OfferedWorkflow(UUID(row.id), row.name, row.description or "", schema)
