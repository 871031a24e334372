"""Workflows as tools of agents and of MCP clients: which are offered, and what they are told of their input.

The schema is that of the trigger which such a run begins at: the first of type `manual`, else of type `webhook`.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import query_page
from weconnect.base_entity import Json
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.workflows.definition import versions
from weconnect.workflows.entities import WorkflowDefinition, WorkflowStatus
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow

ANY_OBJECT: Json = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class Offered:
    """An active workflow that is offered, and the schema of its input."""

    id: UUID
    name: str
    description: str
    input_schema: Json


def declared(definition: WorkflowDefinition) -> Json | None:
    """The schema that a definition's trigger gives; None when it gives none."""
    enabled = [node for node in definition.nodes if node.is_enabled]
    for kind in ("manual", "webhook"):
        if found := [node for node in enabled if node.type == kind]:
            return found[0].parameters.get("inputSchema")
    return None


def schema_of(organization_id: UUID, workflow_id: UUID) -> Json:
    """What a workflow takes: the version's that runs, else the newest's; any object where no trigger says."""
    places = [
        WorkflowVersionRow.at_active(organization_id, workflow_id),
        WorkflowVersionRow.at_newest(organization_id, workflow_id),
    ]
    head = WorkflowRow.at(organization_id, workflow_id)
    found: dict[tuple[str, str], Any] = table.get_many([head, *places])
    if head not in found:
        raise NotFound("No such workflow", code="workflow_not_found")
    # The copy of a version that was active stays when it is not any more.
    row = found[places[0]] if found[head].status == WorkflowStatus.ACTIVE else found[places[1]]
    return declared(versions.opened(organization_id, row)[1]) or ANY_OBJECT


def page(caller: Caller, *, limit: int, cursor: str | None) -> tuple[list[Offered], str | None]:
    """A page of what the organization offers, newest first."""
    pk, prefix = WorkflowRow.of_organization(caller.organization_id)
    rows, following = query_page(
        WorkflowRow,
        pk,
        prefix,
        limit=limit,
        cursor=cursor,
        keep=_is_offered,
        filters=["offered"],
    )
    places = [WorkflowVersionRow.at_active(caller.organization_id, UUID(row.id)) for row in rows]
    found: dict[tuple[str, str], Any] = table.get_many(places) if places else {}
    return [_offered(row, found[at]) for row, at in zip(rows, places, strict=True) if at in found], following


def need(caller: Caller, workflow_id: UUID) -> Offered:
    """One that is offered; raises NotFound."""
    at = WorkflowRow.at(caller.organization_id, workflow_id)
    copy = WorkflowVersionRow.at_active(caller.organization_id, workflow_id)
    found: dict[tuple[str, str], Any] = table.get_many([at, copy])
    if at not in found or copy not in found or not _is_offered(found[at]):
        raise NotFound("No such workflow", code="workflow_not_found")
    return _offered(found[at], found[copy])


def _is_offered(row: WorkflowRow) -> bool:
    return row.status == WorkflowStatus.ACTIVE and bool(row.offered)


def _offered(row: WorkflowRow, copy: WorkflowVersionRow) -> Offered:
    _, definition = versions.opened(UUID(row.organization_id), copy)
    return Offered(UUID(row.id), row.name, row.description or "", declared(definition) or ANY_OBJECT)
