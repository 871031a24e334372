"""Starting runs of workflows: for callers, for nodes of other runs, and for runs that have failed."""

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from weconnect import clock, durable, faults, ids, payloads, table
from weconnect.auth import limits
from weconnect.caller import Caller
from weconnect.errors import Conflict, Invalid, NotFound, TooLarge
from weconnect.executions import lifecycle, service
from weconnect.executions.entities import (
    Execution,
    ExecutionMode,
    ExecutionStatus,
    NewWorkflowExecution,
    Retry,
)
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import ChildRow, ExecutionRow
from weconnect.idempotency import new_id
from weconnect.log import logger
from weconnect.settings import settings
from weconnect.table import Row
from weconnect.workflows import validation, versions
from weconnect.workflows.contract import Items, NodeError
from weconnect.workflows.entities import (
    WorkflowDefinition,
    WorkflowSettings,
    WorkflowStatus,
)
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow

MAX_INPUT_BYTES = 1024 * 1024
MAX_DEPTH = 5


def start(caller: Caller, workflow_id: UUID, new: NewWorkflowExecution, wait_seconds: int) -> Execution:
    """Store a run and start it; one that is waited for and fits into that time is carried out at once.

    Raises NotFound, Conflict `workflow_inactive`, Invalid `workflow_invalid`, LimitReached with its Retry-After.
    """
    organization_id = caller.organization_id
    is_test = new.mode == "test"
    at = WorkflowRow.at(organization_id, workflow_id)
    copy_at = (WorkflowVersionRow.at_newest if is_test else WorkflowVersionRow.at_active)(
        organization_id, workflow_id
    )
    found = table.get_many([at, copy_at, *limits.keys(caller)])
    head, definition = _runnable(found.get(at), found.get(copy_at), is_test)
    if new.trigger_node_id and new.trigger_node_id not in {node.id for node in definition.nodes}:
        errors = [{"pointer": "/triggerNodeId", "detail": "no node of the workflow"}]
        raise Invalid("There is no such trigger", code="trigger_not_found", errors=errors)
    number = int(head.latest_version if is_test else head.active_version)
    chosen = definition.settings.execution
    express = validation.is_express(definition) and (chosen == "express" or bool(wait_seconds))
    taken = limits.take(caller, found)
    days = _days(definition.settings, taken.retention_days)
    row = new_row(
        head,
        number,
        new_id(),
        caller.user_id,
        new.input,
        days,
        mode=new.mode,
        settings=definition.settings,
        is_express=express,
        api_key_id=caller.api_key_id,
        trigger_node_id=new.trigger_node_id,
    )
    earlier = _stored(caller, row, taken)
    if express and earlier is row:
        from weconnect.executions import inline

        inline.run(row, definition)
    elif not express:
        invoke(earlier)
    return service.wait(caller, service.entity(earlier), wait_seconds)


def _stored(caller: Caller, row: ExecutionRow, taken: limits.Taken) -> ExecutionRow:
    """The run as it was stored: by this request, or by an earlier try of it."""
    try:
        return table.create(row, caller.actor(), Conflict(code="already_started"))
    except Exception as error:
        taken.give_back()
        earlier = table.get(ExecutionRow, (row.pk, row.sk))
        if not (isinstance(error, Conflict) and earlier):
            raise
        return earlier


def _runnable(head: Row | None, copy: Row | None, is_test: bool) -> tuple[WorkflowRow, WorkflowDefinition]:
    """The workflow and the definition to run."""
    if not isinstance(head, WorkflowRow):
        raise NotFound("No such workflow", code="workflow_not_found")
    allowed = head.status != WorkflowStatus.ARCHIVED if is_test else head.status == WorkflowStatus.ACTIVE
    if not allowed or not isinstance(copy, WorkflowVersionRow):
        text = "The workflow is not active: activate it, or run its newest version with mode test"
        raise Conflict(text, code="workflow_inactive")
    _, definition = versions.opened(UUID(head.organization_id), copy)
    if is_test:
        validation.require_valid(definition)
    return head, definition


def _days(chosen: WorkflowSettings, allowed: int) -> int:
    return min(chosen.retention_days, allowed) if chosen.retention_days and allowed > 0 else allowed


def new_row(
    head: WorkflowRow,
    number: int,
    execution_id: UUID,
    user_id: UUID,
    value: Any,
    days: int,
    *,
    mode: ExecutionMode,
    settings: WorkflowSettings,
    is_express: bool = False,
    **more: Any,
) -> ExecutionRow:
    """The row of a run that has not begun; an express one is running from the first."""
    organization_id, moment = UUID(head.organization_id), clock.now()
    status = ExecutionStatus.RUNNING if is_express else ExecutionStatus.PENDING
    known = {name: more.pop(name) for name in list(more) if name in Execution.model_fields}
    execution = Execution(
        id=execution_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=user_id,
        workflow_id=head.id,
        workflow_name=head.name,
        workflow_version=number,
        status=status,
        mode=mode,
        is_express=is_express,
        started_at=moment if is_express else None,
        **known,
    )
    text = None
    if value is not None:
        text = lifecycle.store_text(organization_id, execution_id, "input", value, days)
        if not isinstance(text, str) and text["bytes"] > MAX_INPUT_BYTES:
            payloads.discard(organization_id, text)
            raise TooLarge(f"The input has more than {MAX_INPUT_BYTES >> 20} MB", code="input_too_large")
    pk, sk = ExecutionRow.at(organization_id, execution_id)
    keys = {
        "gsi1pk": ExecutionRow.of_organization(organization_id),
        "gsi1sk": str(execution_id),
        "gsi3pk": ExecutionRow.of_workflow(organization_id, UUID(head.id)),
        "gsi3sk": str(execution_id),
        **ExecutionRow.status_keys(organization_id, execution_id, status, is_express),
    }
    error_id = settings.error_workflow_id
    own = {"error_workflow_id": str(error_id) if error_id else None, "input": text}
    ttl = clock.epoch() + days * 86_400
    return ExecutionRow.of(execution, pk=pk, sk=sk, ttl=ttl, **(keys | own | more))


def invoke(row: ExecutionRow) -> None:
    """Ask for the run's durable function by name: twice is harmless, and what fails is left to the sweeper."""
    payload = {"organizationId": row.organization_id, "executionId": row.id}
    faults.point("before:invoke")
    try:
        durable.lambda_client().invoke(
            FunctionName=settings.run_workflow_function,
            InvocationType="Event",
            DurableExecutionName=name_of(row),
            Payload=json.dumps(payload),
        )
    except Exception as error:
        logger.warning("could not start a run; the sweeper will", execution_id=row.id, error=repr(error))
    faults.point("after:invoke")


def name_of(row: ExecutionRow) -> str:
    """The durable execution's name: organization and run, so that the platform's word of its end finds the row."""
    return UUID(row.organization_id).hex + UUID(row.id).hex


def retry(caller: Caller, execution_id: UUID, body: Retry) -> Execution:
    """Run a finished run's version and input again; from the failed node, what had ended well is kept.

    Raises Conflict `still_open`, NotFound when the workflow is gone, LimitReached.
    """
    earlier = service.need_own(caller, execution_id)
    if service.is_open(earlier):
        raise Conflict(f"The run is {earlier.status}", code="still_open")
    at = WorkflowRow.at(caller.organization_id, UUID(earlier.workflow_id))
    found = table.get_many([at, *limits.keys(caller)])
    head = found.get(at)
    if not isinstance(head, WorkflowRow):
        raise NotFound("No such workflow", code="workflow_not_found")
    number = int(earlier.workflow_version)
    version = versions.load(caller.organization_id, UUID(head.id), number)
    taken = limits.take(caller, found)
    row = new_row(
        head,
        number,
        new_id(),
        caller.user_id,
        lifecycle.loaded(earlier, "input"),
        _days(version.definition.settings, taken.retention_days),
        mode=earlier.mode,
        settings=version.definition.settings,
        api_key_id=caller.api_key_id,
        retry_of=earlier.id,
        retry_count=int(earlier.retry_count or 0) + 1,
        trigger_node_id=earlier.trigger_node_id,
        keeps=earlier.id if body.from_ == "failed_node" else None,
    )
    row = _stored(caller, row, taken)
    invoke(row)
    return service.entity(row)


# Runs that runs start


def start_child(parent: ExecutionRow, place: str, workflow_id: UUID, items: Items, callback_id: str) -> None:
    """Start a run that is a node of another run; again, it is the same run. Raises NodeError."""
    organization_id = UUID(parent.organization_id)
    if int(parent.depth or 0) + 1 > MAX_DEPTH:
        raise NodeError("too_deep", f"Workflows run each other at most {MAX_DEPTH} deep")
    try:
        head, version = _active(organization_id, workflow_id)
    except (NotFound, Conflict) as problem:
        raise NodeError(problem.code, problem.detail) from problem
    row = new_row(
        head,
        version.number,
        derived_id(parent, place),
        UUID(parent.user_id),
        items,
        _days(version.definition.settings, lifecycle.days_left(parent)),
        mode="subworkflow",
        settings=version.definition.settings,
        api_key_id=parent.api_key_id,
        parent_execution_id=parent.id,
        parent_callback=callback_id,
        depth=int(parent.depth or 0) + 1,
        handles_error=bool(parent.handles_error),  # or its own error workflow could come back here
    )
    pk, sk = ChildRow.at(organization_id, UUID(parent.id), place)
    table.put(ChildRow(pk=pk, sk=sk, execution_id=row.id, ttl=parent.ttl), ACTOR)
    with suppress(Conflict):  # the step was repeated
        table.create(row, ACTOR)
    # After that: who cancels the parent sees the child, or is seen here.
    if lifecycle.is_stopped(table.get(ExecutionRow, (parent.pk, parent.sk))):
        lifecycle.cancel(row)
    else:
        invoke(row)


def child_result(parent: ExecutionRow, place: str) -> dict[str, Any]:
    """How the run that `start_child` started stands."""
    organization_id, child_id = UUID(parent.organization_id), derived_id(parent, place)
    row = table.get(ExecutionRow, ExecutionRow.at(organization_id, child_id))
    if row is None:
        raise NodeError("subworkflow_gone", "Its run is not kept any more")
    execution = service.entity(row)
    error = execution.error.wire() if execution.error else None
    return {
        "executionId": row.id,
        "status": execution.status.value,
        "output": execution.output,
        "error": error,
    }


def start_for_error(failed: ExecutionRow) -> None:
    """Start the error workflow of a run that has failed; one that cannot be started is logged."""
    organization_id, workflow_id = UUID(failed.organization_id), UUID(failed.error_workflow_id)
    try:
        head, version = _active(organization_id, workflow_id)
    except (NotFound, Conflict) as problem:
        logger.warning("no error workflow", execution_id=failed.id, problem=problem.code)
        return
    told = {
        "executionId": failed.id,
        "workflowId": failed.workflow_id,
        "workflowName": failed.workflow_name,
        "workflowVersion": failed.workflow_version,
        "status": failed.status,
        "error": service.entity(failed, whole=False).wire().get("error"),
    }
    row = new_row(
        head,
        version.number,
        derived_id(failed, "error workflow"),
        UUID(failed.user_id),
        told,
        lifecycle.days_left(failed),
        mode="event",
        settings=version.definition.settings,
        parent_execution_id=failed.id,
        trigger_node_id=next((node.id for node in version.definition.nodes if node.type == "error"), None),
        handles_error=True,
    )
    with suppress(Conflict):
        table.create(row, ACTOR)
    invoke(row)


def derived_id(row: ExecutionRow, place: str) -> UUID:
    """The id of a run that another run starts at a place: the same at each try."""
    return ids.derived_from(UUID(row.id), place)


def _active(organization_id: UUID, workflow_id: UUID) -> tuple[WorkflowRow, Any]:
    at, active = (
        WorkflowRow.at(organization_id, workflow_id),
        WorkflowVersionRow.at_active(organization_id, workflow_id),
    )
    found = table.get_many([at, active])
    head, _ = _runnable(found.get(at), found.get(active), False)
    return head, versions.version_of(organization_id, found[active])  # type: ignore[arg-type]
