"""Versions of a workflow: immutable, numbered from one, compared by JSON pointer, restored as new ones."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import compression, table
from weconnect.workflows import service
from weconnect.workflows.entities import (
    Difference,
    VersionDiff,
    Workflow,
    WorkflowDefinition,
    WorkflowVersion,
    WorkflowVersionSummary,
)
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access


def find(
    caller: Caller, workflow_id: UUID, *, limit: int, cursor: str | None
) -> Page[WorkflowVersionSummary]:
    """Versions of a workflow, newest first, without their definitions."""
    service.need(caller, workflow_id, access.VIEW)
    pk, prefix = WorkflowVersionRow.of_workflow(caller.organization_id, workflow_id)
    rows, following = query_page(WorkflowVersionRow, pk, prefix, limit=limit, cursor=cursor)
    return Page(items=[row.to_entity() for row in rows], next_cursor=following)


def get(caller: Caller, workflow_id: UUID, number: int) -> WorkflowVersion:
    """One version with its definition."""
    service.need(caller, workflow_id, access.VIEW)
    return load(caller.organization_id, workflow_id, number)


def load(organization_id: UUID, workflow_id: UUID, number: int) -> WorkflowVersion:
    """One version; raises NotFound."""
    at = WorkflowVersionRow.at(organization_id, workflow_id, number)
    return version_of(organization_id, table.need(WorkflowVersionRow, at, "workflow version"))


def version_of(organization_id: UUID, row: WorkflowVersionRow) -> WorkflowVersion:
    """The version that a row holds."""
    _, definition = opened(organization_id, row)
    return WorkflowVersion.model_validate(row.values() | {"definition": definition}, by_name=True)


def diff(caller: Caller, workflow_id: UUID, before: int, after: int) -> VersionDiff:
    """What changed from one version to another."""
    first, second = (get(caller, workflow_id, number).definition for number in (before, after))
    return VersionDiff(from_version=before, to_version=after, differences=list(differences(first, second)))


def restore(caller: Caller, workflow_id: UUID, number: int, if_match: int | None) -> Workflow:
    """Make a new version out of an old one."""
    row, description, _ = service.read(caller, workflow_id, access.EDIT)
    old = load(caller.organization_id, workflow_id, number).definition
    service.not_archived(row)
    service.check_size(caller, old)
    newest = row.latest_version + 1
    with table.transaction(caller.actor()) as writes:
        writes.change(row, {"latest_version": newest, "node_count": len(old.nodes)}, if_match=if_match)
        put(writes, caller, row, description, old, newest, changelog=f"Version {number} restored")
    return service.workflow(row, description, old)


def put(
    writes: table.Transaction,
    caller: Caller,
    row: WorkflowRow,
    description: str,
    definition: WorkflowDefinition,
    number: int,
    changelog: str | None = None,
    label: str | None = None,
) -> None:
    """Write a version, and its copy as the newest."""
    summary = WorkflowVersionSummary(
        workflow_id=UUID(row.id),
        number=number,
        changelog=changelog,
        label=label,
        created_at=clock.now(),
        created_by=caller.user_id,
        previous_version=number - 1 or None,
        node_count=len(definition.nodes),
    )
    at = WorkflowVersionRow.at(caller.organization_id, summary.workflow_id, number)
    writes.create(_packed(at, caller.organization_id, summary, description, definition))
    newest = WorkflowVersionRow.at_newest(caller.organization_id, summary.workflow_id)
    writes.put(_packed(newest, caller.organization_id, summary, description, definition))


def put_newest(
    writes: table.Transaction, row: WorkflowRow, description: str, definition: WorkflowDefinition
) -> None:
    """Write the newest version's copy with another description, which is no part of a version."""
    organization_id, workflow_id = UUID(row.organization_id), UUID(row.id)
    at = WorkflowVersionRow.at(organization_id, workflow_id, row.latest_version)
    summary = table.need(WorkflowVersionRow, at, "workflow version").to_entity()
    newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    writes.put(_packed(newest, organization_id, summary, description, definition))


def put_active(writes: table.Transaction, organization_id: UUID, version: WorkflowVersion) -> None:
    """Write the copy that runs are started from."""
    at = WorkflowVersionRow.at_active(organization_id, version.workflow_id)
    writes.put(_packed(at, organization_id, version, "", version.definition))


def opened(organization_id: UUID, row: WorkflowVersionRow) -> tuple[str, WorkflowDefinition]:
    """The workflow's description and the definition that a version's row holds."""
    found = compression.unpack(organization_id, row.packed, row.pointer)
    return found["description"], WorkflowDefinition.model_validate(found["definition"])


def differences(before: WorkflowDefinition, after: WorkflowDefinition) -> list[Difference]:
    """Nodes and connections added, removed and changed, the changed ones place by place."""
    found: list[Difference] = []
    _compare(_keyed(before), _keyed(after), "", found)
    return found


def _keyed(definition: WorkflowDefinition) -> dict[str, Any]:
    """The definition with its lists as objects, so that moving a node within its list changes nothing."""
    wire = definition.wire()
    nodes = {node["id"]: node for node in wire["nodes"]}
    connections = {_ends(connection): connection for connection in wire["connections"]}
    return {"settings": wire["settings"], "nodes": nodes, "connections": connections}


def _ends(connection: dict[str, Any]) -> str:
    source = f"{connection['sourceNodeId']}.{connection['sourceOutput']}"
    return f"{source}->{connection['targetNodeId']}.{connection['targetInput']}"


def _compare(before: Any, after: Any, pointer: str, found: list[Difference]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in after:
                found.append(Difference(kind="removed", pointer=place, before=before[name]))
            elif name not in before:
                found.append(Difference(kind="added", pointer=place, after=after[name]))
            else:
                _compare(before[name], after[name], place, found)
    elif before != after or type(before) is not type(after):
        found.append(Difference(kind="changed", pointer=pointer, before=before, after=after))


def _packed(
    at: tuple[str, str],
    organization_id: UUID,
    summary: WorkflowVersionSummary,
    description: str,
    definition: WorkflowDefinition,
) -> WorkflowVersionRow:
    place = f"workflows/{summary.workflow_id}/version-{summary.number}"
    wire = {"description": description, "definition": definition.wire()}
    packed = compression.pack(organization_id, place, wire)
    return WorkflowVersionRow.of(
        WorkflowVersionSummary.model_validate(
            summary.model_dump(include=set(WorkflowVersionSummary.model_fields))
        ),
        pk=at[0],
        sk=at[1],
        **packed,
    )
