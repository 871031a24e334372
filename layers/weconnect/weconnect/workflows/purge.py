"""Deletion of everything that belongs to a workflow that left the trash for good."""

from collections.abc import Iterator
from uuid import UUID

from weconnect.db import payloads, table
from weconnect.db.erasure import Eraser, list_keys
from weconnect.executions.concurrency import admission
from weconnect.identity.rows import TokenRow
from weconnect.log import logger
from weconnect.workflows.definition import stored_versions, trigger_index
from weconnect.workflows.executions import purge as executions
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow, workflow_partition
from weconnect.workflows.sharing import service as shares
from weconnect.workflows.sharing.rows import WorkflowShareRow
from weconnect.workflows.variables.rows import VariableIdRow, VariableRow
from weconnect.workflows.variables.service import count_row


def purge(trash: tuple[str, str]) -> bool:
    """Delete the versions, semaphores, variables and shares of the workflow with this key in the trash; return True.

    Does nothing for a workflow that was restored, or that is in the trash again. Executions are kept until they expire.
    Idempotent: when it was interrupted, another call deletes the rest.
    """
    organization_id = UUID(trash[0].removeprefix("ORG#"))
    workflow_id = UUID(trash[1].rpartition("#")[2])
    keys = [
        WorkflowRow.at(organization_id, workflow_id),
        WorkflowRow.in_trash(organization_id, workflow_id),
    ]
    if table.get_many(keys):
        return True
    payloads.discard_all(organization_id, stored_versions.payload_prefix(workflow_id))
    deleted = 0
    with WorkflowVersionRow.batch_write() as batch:
        for row in WorkflowVersionRow.query(workflow_partition(organization_id, workflow_id)):
            batch.delete(row)
            deleted += 1
        deleted += admission.delete_semaphores(organization_id, workflow_id, batch)
        pk, prefix = VariableRow.of_scope(organization_id, workflow_id)
        for variable in VariableRow.query(pk, VariableRow.sk.startswith(prefix)):
            # The ID's row first: after an interruption in between, the variable is still listed by its name.
            batch.delete(VariableIdRow(*VariableIdRow.at(organization_id, UUID(variable.id))))
            batch.delete(variable)
            deleted += 1
        deleted += shares.delete_all(organization_id, workflow_id, batch)
        batch.delete(count_row(organization_id, workflow_id))
    logger.info("purged a workflow", workflow_id=str(workflow_id), rows=deleted)
    return True


def erase_organization(organization_id: UUID, eraser: Eraser) -> None:
    """Delete all workflows and executions of a deleted organization that are outside of its own partition."""
    executions.erase_organization(organization_id, eraser)
    pk, _ = WorkflowRow.of_organization(organization_id)
    for deleted in (False, True):
        _, prefix = WorkflowRow.of_organization(organization_id, deleted=deleted)
        for row in WorkflowRow.query(pk, WorkflowRow.sk.startswith(prefix), consistent_read=True):
            workflow_id = UUID(row.id)
            eraser.erase(_list_link_tokens(organization_id, workflow_id))
            eraser.erase(list_keys(workflow_partition(organization_id, workflow_id)))
            eraser.erase(trigger_index.list_rows(row))


def _list_link_tokens(organization_id: UUID, workflow_id: UUID) -> Iterator[tuple[str, str]]:
    """Yield the keys of the tokens of a workflow's share links, which have partitions of their own."""
    pk, prefix = WorkflowShareRow.of_links(organization_id, workflow_id)
    for row in WorkflowShareRow.query(pk, WorkflowShareRow.sk.startswith(prefix), consistent_read=True):
        if row.token_hash:
            yield TokenRow.at_hash(row.token_hash)
