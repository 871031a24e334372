"""The workflows' part of an organization's export."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.base_entity import JsonObject
from weconnect.workflows.definition import import_export
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing.redaction import redact_export


def export_workflows(caller: Caller) -> list[JsonObject]:
    """Return every workflow of the caller's organization as the JSON of a WorkflowExport, without secrets."""
    pk, prefix = WorkflowRow.of_organization(caller.organization_id)
    rows = WorkflowRow.query(pk, WorkflowRow.sk.startswith(prefix), consistent_read=True)
    return [redact_export(import_export.export(caller, UUID(row.id))).to_json_dict() for row in rows]
