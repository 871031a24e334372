"""Links: the newest definition of a workflow as a file, for anybody who has the link's token."""

from uuid import UUID

from weconnect.db import table
from weconnect.errors import Forbidden, NotFound, Unauthenticated
from weconnect.identity.rows import TokenRow
from weconnect.organizations.members import membership
from weconnect.organizations.rows import OrganizationRow
from weconnect.workflows import service
from weconnect.workflows.definition import import_export, stored_versions
from weconnect.workflows.entities import WorkflowExport
from weconnect.workflows.errors import LinkNotFound
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access
from weconnect.workflows.sharing.entities import WorkflowShare
from weconnect.workflows.sharing.redaction import redact_export
from weconnect.workflows.sharing.rows import WorkflowShareRow
from weconnect.workflows.sharing.service import TOKEN_PURPOSE


def read_shared_workflow(token: str) -> WorkflowExport:
    """Return the workflow behind a link, without secrets.

    Raises LinkNotFound, the same whatever the reason: unknown, expired or revoked link, a workflow in the trash, or a
    sharer who may not share the workflow any more.
    """
    token_row = table.get(TokenRow, TokenRow.at(token))
    if token_row is None or token_row.purpose != TOKEN_PURPOSE or not token_row.details:
        raise LinkNotFound()
    details = token_row.details
    organization_id, workflow_id, share_id = (
        UUID(details[name]) for name in ("organization_id", "workflow_id", "id")
    )
    at_share = WorkflowShareRow.at_link(organization_id, workflow_id, share_id)
    at_workflow = WorkflowRow.at(organization_id, workflow_id)
    at_newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    at_organization = OrganizationRow.at(organization_id)
    rows_by_key = table.get_many([at_share, at_workflow, at_newest, at_organization])
    organization = rows_by_key.get(at_organization)
    row, newest = rows_by_key.get(at_workflow), rows_by_key.get(at_newest)
    share = access.get_share_in_force(rows_by_key.get(at_share))
    if (
        share is None
        or not isinstance(organization, OrganizationRow)
        or not organization.is_active
        or not isinstance(row, WorkflowRow)
        or not isinstance(newest, WorkflowVersionRow)
    ):
        raise LinkNotFound()
    _require_may_still_share(share, row)
    workflow = service.to_workflow(row, *stored_versions.unpack_definition(organization_id, newest))
    return redact_export(import_export.to_export(workflow))


def _require_may_still_share(share: WorkflowShare, row: WorkflowRow) -> None:
    """Raise LinkNotFound unless whoever made the link may make it now."""
    try:
        sharer = membership.load_present_caller(share.organization_id, share.user_id)
        sharer.check_access(self_service=False, writes=True, accepts_share=True)
        access.require(sharer, row, access.SHARE)
        access.require_may_grant(sharer, row, share.level)
    except (Unauthenticated, Forbidden, NotFound) as error:
        raise LinkNotFound() from error
