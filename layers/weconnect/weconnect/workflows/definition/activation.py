"""Activation of workflows: choose the version that is executed, deactivate, archive."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.executions import closing
from weconnect.workflows import service
from weconnect.workflows.definition import stored_versions, trigger_index, validation
from weconnect.workflows.entities import Activation, Workflow, WorkflowStatus
from weconnect.workflows.errors import AlreadyArchived, AlreadyInactive
from weconnect.workflows.sharing import access

_ALREADY: dict[WorkflowStatus, type[Conflict]] = {
    WorkflowStatus.INACTIVE: AlreadyInactive,
    WorkflowStatus.ARCHIVED: AlreadyArchived,
}


def activate(caller: Caller, workflow_id: UUID, body: Activation, if_match: int | None) -> Workflow:
    """Make a version the active one, the newest when the body names none.

    Raises WorkflowInvalid with all errors of the definition, WorkflowVersionNotFound, WorkflowArchived, StaleVersion,
    DefinitionTooLarge, WorkflowTooComplex.
    """
    row = service.require(caller, workflow_id, access.EDIT)
    service.require_not_archived(row)
    number = body.number or int(row.latest_version)
    version = stored_versions.load_version(caller.organization_id, workflow_id, number)
    service.require_within_limits(caller, version.definition)
    validation.require_valid(version.definition)
    with table.transaction(caller.actor()) as writes:
        values = {"status": WorkflowStatus.ACTIVE.value, "active_version": number}
        values |= trigger_index.add(writes, row, version.definition)
        writes.change(row, values, if_match=if_match)
        stored_versions.write_active_copy(writes, caller.organization_id, version)
    return service.to_workflow(*service.load(caller.organization_id, workflow_id))


def deactivate(caller: Caller, workflow_id: UUID, if_match: int | None) -> Workflow:
    """Deactivate a workflow, or take it out of the archive. Its queued executions are cancelled, the others continue.

    Raises AlreadyInactive, StaleVersion.
    """
    close(caller, workflow_id, WorkflowStatus.INACTIVE, if_match)
    return service.to_workflow(*service.load(caller.organization_id, workflow_id))


def archive(caller: Caller, workflow_id: UUID, if_match: int | None) -> Workflow:
    """Archive a workflow: it can be read and copied, but not changed or executed.

    Raises AlreadyArchived, StaleVersion.
    """
    close(caller, workflow_id, WorkflowStatus.ARCHIVED, if_match)
    return service.to_workflow(*service.load(caller.organization_id, workflow_id))


def close(
    caller: Caller,
    workflow_id: UUID,
    status: WorkflowStatus = WorkflowStatus.INACTIVE,
    if_match: int | None = None,
) -> None:
    """Set the status of a workflow that is not to be executed, end its subscriptions, cancel what is queued.

    It needs no definition, so a role that reads no payloads may do it. Raises as `deactivate` and `archive` do.
    """
    row = service.require(caller, workflow_id, access.EDIT)
    if row.status == status:
        raise _ALREADY[status]()
    with table.transaction(caller.actor()) as writes:
        values: dict[str, Any] = {"status": status.value, "active_version": None}
        values |= trigger_index.remove(writes, row)
        writes.change(row, values, if_match=if_match)
    closing.cancel_queued(caller.organization_id, workflow_id)
