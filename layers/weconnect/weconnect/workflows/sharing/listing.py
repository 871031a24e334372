"""The workflows that are shared with a caller whose role may not read them."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.organizations.rows import MemberRow
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing import access
from weconnect.workflows.sharing.access import RequiredAccess
from weconnect.workflows.sharing.rows import WorkflowShareRow

BATCH = 50


def list_shared_workflows(caller: Caller, required: RequiredAccess = access.VIEW) -> list[WorkflowRow]:
    """Return the rows of the workflows whose shares grant the caller this access, newest first, without trashed ones.

    The index only says where shares are; the table says whether they are valid.
    """
    organization_id = caller.organization_id
    member = access.get_active_member(table.get(MemberRow, MemberRow.at(organization_id, caller.user_id)))
    if member is None:
        return []
    partitions = [WorkflowShareRow.of_user(organization_id, caller.user_id)]
    if role := access.get_sharing_role(caller, member):
        partitions.append(WorkflowShareRow.of_role(organization_id, role))
    share_keys = [
        (UUID(row.gsi1sk), (row.pk, row.sk)) for pk in partitions for row in WorkflowShareRow.gsi1.query(pk)
    ]
    workflows: dict[UUID, WorkflowRow] = {}
    for start in range(0, len(share_keys), BATCH):
        part = share_keys[start : start + BATCH]
        at = {workflow_id: WorkflowRow.at(organization_id, workflow_id) for workflow_id, _ in part}
        rows_by_key = table.get_many([*at.values(), *(share_key for _, share_key in part)])
        for workflow_id, share_key in part:
            row = rows_by_key.get(at[workflow_id])
            share = access.get_share_in_force(rows_by_key.get(share_key), member)
            if isinstance(row, WorkflowRow) and access.is_allowed_by_share(caller, share, required):
                workflows[workflow_id] = row
    return [workflows[workflow_id] for workflow_id in sorted(workflows, reverse=True)]
