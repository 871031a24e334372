"""Versions of a definition as they are stored: packed rows, with copies of the newest and of the active version.

The copies have keys of their own, so that a workflow is read or an execution started with one call to the table.
"""

import hashlib
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.db import compression, table
from weconnect.json_text import write_json
from weconnect.workflows.entities import WorkflowDefinition, WorkflowVersion, WorkflowVersionSummary
from weconnect.workflows.errors import WorkflowVersionNotFound
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow


def payload_prefix(workflow_id: UUID) -> str:
    """Return how the names of the payloads of a workflow's versions begin."""
    return f"workflows/{workflow_id}/"


def load_version(organization_id: UUID, workflow_id: UUID, number: int) -> WorkflowVersion:
    """Return one version with its definition. Raises WorkflowVersionNotFound."""
    at = WorkflowVersionRow.at(organization_id, workflow_id, number)
    return to_version(organization_id, table.require(WorkflowVersionRow, at, WorkflowVersionNotFound))


def to_version(organization_id: UUID, row: WorkflowVersionRow) -> WorkflowVersion:
    """Return the version that is stored in a row, with its definition."""
    _, definition = unpack_definition(organization_id, row)
    return WorkflowVersion.model_validate(row.values() | {"definition": definition}, by_name=True)


def write_version(
    writes: table.Transaction,
    caller: Caller,
    row: WorkflowRow,
    description: str,
    definition: WorkflowDefinition,
    number: int,
    changelog: str | None = None,
    label: str | None = None,
) -> None:
    """Add to a transaction: the version `number` of a workflow, and the copy of it as the newest."""
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
    writes.create(_pack(at, caller.organization_id, summary, description, definition))
    newest = WorkflowVersionRow.at_newest(caller.organization_id, summary.workflow_id)
    writes.put(_pack(newest, caller.organization_id, summary, description, definition))


def write_newest_copy(
    writes: table.Transaction, row: WorkflowRow, description: str, definition: WorkflowDefinition
) -> None:
    """Add to a transaction: the newest version's copy with another description, which belongs to no version."""
    organization_id, workflow_id = UUID(row.organization_id), UUID(row.id)
    at = WorkflowVersionRow.at(organization_id, workflow_id, row.latest_version)
    summary = table.require(WorkflowVersionRow, at, WorkflowVersionNotFound).to_entity()
    newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    writes.put(_pack(newest, organization_id, summary, description, definition))


def write_active_copy(writes: table.Transaction, organization_id: UUID, version: WorkflowVersion) -> None:
    """Add to a transaction: the copy of a version that executions are started from."""
    at = WorkflowVersionRow.at_active(organization_id, version.workflow_id)
    writes.put(_pack(at, organization_id, version, "", version.definition))


def unpack_definition(organization_id: UUID, row: WorkflowVersionRow) -> tuple[str, WorkflowDefinition]:
    """Return the workflow's whole description and the definition that are packed in a version's row."""
    content = compression.unpack(organization_id, row.packed, row.pointer)
    return content["description"], WorkflowDefinition.model_validate(content["definition"])


def _pack(
    at: tuple[str, str],
    organization_id: UUID,
    summary: WorkflowVersionSummary,
    description: str,
    definition: WorkflowDefinition,
) -> WorkflowVersionRow:
    """Return a version's row at a key, with description and definition compressed in it, or in S3 if they are large.

    The same content has the same storage key, and no other: neither a copy with another description nor a request that
    loses a race overwrites what a row points to.
    """
    content = {"description": description, "definition": definition.to_json_dict()}
    digest = hashlib.sha256(write_json(content).encode()).hexdigest()
    storage_key = f"{payload_prefix(summary.workflow_id)}{digest}"
    packed = compression.pack(organization_id, storage_key, content)
    return WorkflowVersionRow.of(
        WorkflowVersionSummary.model_validate(
            summary.model_dump(include=set(WorkflowVersionSummary.model_fields))
        ),
        pk=at[0],
        sk=at[1],
        **packed,
    )
