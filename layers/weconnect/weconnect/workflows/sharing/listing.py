"""The workflows that are shared with somebody whose role shows none."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.organizations.rows import MemberRow
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing import access
from weconnect.workflows.sharing.access import Need
from weconnect.workflows.sharing.rows import WorkflowShareRow

AT_ONCE = 50


def heads(caller: Caller, need: Need = access.VIEW) -> list[WorkflowRow]:
    """Heads of the workflows whose shares let the caller do this, newest first; none that is in the trash.

    The index says where shares are, the table whether they are in force.
    """
    organization_id = caller.organization_id
    member = access.joined(table.get(MemberRow, MemberRow.at(organization_id, caller.user_id)))
    if member is None:
        return []
    partitions = [WorkflowShareRow.of_user(organization_id, caller.user_id)]
    if role := access.role_of(caller, member):
        partitions.append(WorkflowShareRow.of_role(organization_id, role))
    places = [
        (UUID(row.gsi1sk), (row.pk, row.sk)) for pk in partitions for row in WorkflowShareRow.gsi1.query(pk)
    ]
    found: dict[UUID, WorkflowRow] = {}
    for start in range(0, len(places), AT_ONCE):
        part = places[start : start + AT_ONCE]
        at = {workflow_id: WorkflowRow.at(organization_id, workflow_id) for workflow_id, _ in part}
        rows = table.get_many([*at.values(), *(place for _, place in part)])
        for workflow_id, place in part:
            head, share = rows.get(at[workflow_id]), access.in_force(rows.get(place), member)
            if isinstance(head, WorkflowRow) and access.by_share(caller, share, need):
                found[workflow_id] = head
    return [found[workflow_id] for workflow_id in sorted(found, reverse=True)]
