"""Which version of a workflow runs: activate, deactivate, archive."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.workflows import service
from weconnect.workflows.definition import trigger_index, validation, versions
from weconnect.workflows.entities import Activation, Workflow, WorkflowStatus
from weconnect.workflows.sharing import access


def activate(caller: Caller, workflow_id: UUID, body: Activation, if_match: int | None) -> Workflow:
    """Make a version the one that runs; raises Invalid `workflow_invalid` with what is wrong with it."""
    row = service.need(caller, workflow_id, access.EDIT)
    service.not_archived(row)
    number = body.number or int(row.latest_version)
    version = versions.load(caller.organization_id, workflow_id, number)
    service.check_size(caller, version.definition)
    validation.require_valid(version.definition)
    with table.transaction(caller.actor()) as writes:
        values = {"status": WorkflowStatus.ACTIVE.value, "active_version": number}
        values |= trigger_index.show(writes, row, version.definition)
        writes.change(row, values, if_match=if_match)
        versions.put_active(writes, caller.organization_id, version)
    return service.workflow(*service.load(caller.organization_id, workflow_id))


def deactivate(caller: Caller, workflow_id: UUID, if_match: int | None) -> Workflow:
    """Let no more runs begin; those under way go on. It also takes a workflow out of the archive."""
    return _set(caller, workflow_id, WorkflowStatus.INACTIVE, if_match)


def archive(caller: Caller, workflow_id: UUID, if_match: int | None) -> Workflow:
    """Put a workflow away: it can be read and copied, and neither changed nor run."""
    return _set(caller, workflow_id, WorkflowStatus.ARCHIVED, if_match)


def _set(caller: Caller, workflow_id: UUID, status: WorkflowStatus, if_match: int | None) -> Workflow:
    row = service.need(caller, workflow_id, access.EDIT)
    if row.status == status:
        raise Conflict(f"The workflow is {status} already", code="already_" + status.value)
    with table.transaction(caller.actor()) as writes:
        values: dict[str, Any] = {"status": status.value, "active_version": None}
        values |= trigger_index.hide(writes, row)
        writes.change(row, values, if_match=if_match)
    return service.workflow(*service.load(caller.organization_id, workflow_id))
