"""End what belonged to a workflow that left the trash for good."""

from uuid import UUID

from weconnect.db import payloads, table
from weconnect.executions.concurrency import admission
from weconnect.log import logger
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow, child
from weconnect.workflows.sharing import service as shares
from weconnect.workflows.variables.rows import VariableIdRow, VariableRow
from weconnect.workflows.variables.service import counter


def purge(trash: dict[str, str]) -> int:
    """Delete a workflow's versions, gates, variables and shares; answers how many rows. Its runs are kept until they
    expire.

    Does nothing for a workflow that was restored, or that is in the trash again. Interrupted, it goes on where it was.
    """
    organization_id = UUID(trash["pk"].split("#")[1])
    workflow_id = UUID(trash["sk"].rpartition("#")[2])
    places = [
        WorkflowRow.at(organization_id, workflow_id),
        WorkflowRow.in_trash(organization_id, workflow_id),
    ]
    if table.get_many(places):
        return 0
    deleted = 0
    with WorkflowVersionRow.batch_write() as batch:
        for row in WorkflowVersionRow.query(child(organization_id, workflow_id)):
            if row.pointer:
                payloads.discard(organization_id, row.pointer)
            batch.delete(row)
            deleted += 1
        deleted += admission.dissolve(organization_id, workflow_id, batch)
        pk, prefix = VariableRow.of_scope(organization_id, workflow_id)
        for variable in VariableRow.query(pk, VariableRow.sk.startswith(prefix)):
            # Its id goes first: interrupted in between, it is found again by its name.
            batch.delete(VariableIdRow(*VariableIdRow.at(organization_id, UUID(variable.id))))
            batch.delete(variable)
            deleted += 1
        deleted += shares.discard(organization_id, workflow_id, batch)
        batch.delete(counter(organization_id, workflow_id))
    logger.info("purged a workflow", workflow_id=str(workflow_id), rows=deleted)
    return deleted
