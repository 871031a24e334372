"""What is behind a link: the newest definition as a file, for whoever has the token."""

from uuid import UUID

from weconnect.auth.rows import TokenRow
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.organizations.rows import OrganizationRow
from weconnect.workflows import service
from weconnect.workflows.definition import import_export, versions
from weconnect.workflows.entities import WorkflowExport
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access
from weconnect.workflows.sharing.redaction import scrubbed
from weconnect.workflows.sharing.rows import WorkflowShareRow
from weconnect.workflows.sharing.service import PURPOSE


def read(token: str) -> WorkflowExport:
    """The workflow without secrets; NotFound, the same whatever the reason: unknown, over, revoked, in the trash."""
    known = table.get(TokenRow, TokenRow.at(token))
    if known is None or known.purpose != PURPOSE:
        raise _nothing()
    organization_id, workflow_id, share_id = (
        UUID(known.details[name]) for name in ("organization_id", "workflow_id", "id")
    )
    at_share = WorkflowShareRow.at_link(organization_id, workflow_id, share_id)
    at_head = WorkflowRow.at(organization_id, workflow_id)
    at_newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    at_organization = OrganizationRow.at(organization_id)
    found = table.get_many([at_share, at_head, at_newest, at_organization])
    organization, head, newest = found.get(at_organization), found.get(at_head), found.get(at_newest)
    if (
        access.in_force(found.get(at_share)) is None
        or not isinstance(organization, OrganizationRow)
        or not organization.is_active
        or not isinstance(head, WorkflowRow)
        or not isinstance(newest, WorkflowVersionRow)
    ):
        raise _nothing()
    workflow = service.workflow(head, *versions.opened(organization_id, newest))
    return scrubbed(import_export.export_of(workflow))


def _nothing() -> NotFound:
    return NotFound("There is nothing behind this link", code="link_not_found")
