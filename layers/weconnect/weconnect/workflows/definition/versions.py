"""Versions of a workflow: immutable, numbered from one, compared by JSON pointer, restored as new ones."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.workflows import service
from weconnect.workflows.definition import stored_versions
from weconnect.workflows.entities import (
    Difference,
    VersionDiff,
    Workflow,
    WorkflowDefinition,
    WorkflowVersion,
    WorkflowVersionSummary,
)
from weconnect.workflows.rows import WorkflowVersionRow
from weconnect.workflows.sharing import access


def find(
    caller: Caller, workflow_id: UUID, *, limit: int, cursor: str | None
) -> Page[WorkflowVersionSummary]:
    """Return a page of a workflow's versions, newest first, without their definitions."""
    service.require(caller, workflow_id, access.VIEW)
    pk, prefix = WorkflowVersionRow.of_workflow(caller.organization_id, workflow_id)
    rows, next_cursor = query_page(WorkflowVersionRow, pk, prefix, limit=limit, cursor=cursor)
    return Page(items=[row.to_entity() for row in rows], next_cursor=next_cursor)


def get(caller: Caller, workflow_id: UUID, number: int) -> WorkflowVersion:
    """Return one version with its definition. Raises WorkflowVersionNotFound."""
    service.require(caller, workflow_id, access.VIEW)
    return stored_versions.load_version(caller.organization_id, workflow_id, number)


def diff(caller: Caller, workflow_id: UUID, before: int, after: int) -> VersionDiff:
    """Return the differences between two versions of a workflow."""
    first, second = (get(caller, workflow_id, number).definition for number in (before, after))
    return VersionDiff(from_version=before, to_version=after, differences=list_differences(first, second))


def restore(caller: Caller, workflow_id: UUID, number: int, if_match: int | None) -> Workflow:
    """Create a new version with the definition of an old one. Raises WorkflowArchived, StaleVersion."""
    row, description, _ = service.load_for(caller, workflow_id, access.EDIT)
    old = stored_versions.load_version(caller.organization_id, workflow_id, number).definition
    service.require_not_archived(row)
    service.require_within_limits(caller, old)
    newest = row.latest_version + 1
    with table.transaction(caller.actor()) as writes:
        writes.change(row, {"latest_version": newest, "node_count": len(old.nodes)}, if_match=if_match)
        changelog = f"Version {number} restored"
        stored_versions.write_version(writes, caller, row, description, old, newest, changelog=changelog)
    return service.to_workflow(row, description, old)


def list_differences(before: WorkflowDefinition, after: WorkflowDefinition) -> list[Difference]:
    """Return the settings, nodes and connections that were added, removed or changed, each with its pointer."""
    differences: list[Difference] = []
    _compare(_index_by_identity(before), _index_by_identity(after), "", differences)
    return differences


def _index_by_identity(definition: WorkflowDefinition) -> dict[str, Any]:
    """Return the definition with its lists as objects, so that moving a node within its list changes nothing."""
    wire = definition.to_json_dict()
    nodes = {node["id"]: node for node in wire["nodes"]}
    connections = {_write_ends(connection): connection for connection in wire["connections"]}
    return {"settings": wire["settings"], "nodes": nodes, "connections": connections}


def _write_ends(connection: dict[str, Any]) -> str:
    """Return both ends of a connection as text: `a.main->b.main`."""
    source = f"{connection['sourceNodeId']}.{connection['sourceOutput']}"
    return f"{source}->{connection['targetNodeId']}.{connection['targetInput']}"


def _compare(before: Any, after: Any, pointer: str, differences: list[Difference]) -> None:
    """Append the differences between two JSON values at a pointer to `differences`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in after:
                differences.append(Difference(kind="removed", pointer=inner, before=before[name]))
            elif name not in before:
                differences.append(Difference(kind="added", pointer=inner, after=after[name]))
            else:
                _compare(before[name], after[name], inner, differences)
    elif before != after or type(before) is not type(after):
        differences.append(Difference(kind="changed", pointer=pointer, before=before, after=after))
