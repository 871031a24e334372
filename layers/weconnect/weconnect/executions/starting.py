"""Starting runs of workflows: for callers, for runs that have failed, and for events."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.auth.limits import enforcement
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.errors import Conflict, Invalid, NotFound, TooLarge
from weconnect.executions import lifecycle, service
from weconnect.executions.concurrency import admission
from weconnect.executions.concurrency.admission import AlreadyStarted
from weconnect.executions.entities import (
    Execution,
    ExecutionMode,
    ExecutionStatus,
    NewWorkflowExecution,
    Retry,
)
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import DeletedRunRow, ExecutionRow
from weconnect.log import logger
from weconnect.workflows.definition import validation, versions
from weconnect.workflows.entities import (
    WorkflowDefinition,
    WorkflowSettings,
    WorkflowStatus,
    WorkflowVersion,
)
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access

MAX_INPUT_BYTES = 1024 * 1024


def start(
    caller: Caller,
    workflow_id: UUID,
    new: NewWorkflowExecution,
    wait_seconds: int,
    *,
    may_be_express: bool = True,
) -> Execution:
    """Store a run and start it; one that is waited for and fits into that time is carried out at once.

    It is pending as long as there is no place for it. Raises NotFound, Conflict `workflow_inactive` and
    `concurrency_limit`, Invalid `workflow_invalid`, LimitReached with its Retry-After.
    """
    organization_id = caller.organization_id
    is_test = new.mode == "test"
    at = WorkflowRow.at(organization_id, workflow_id)
    copy_at = (WorkflowVersionRow.at_newest if is_test else WorkflowVersionRow.at_active)(
        organization_id, workflow_id
    )
    found = table.get_many([at, copy_at, *enforcement.keys(caller)])
    access.require(caller, found.get(at), access.EXECUTE)
    head, definition = _runnable(found.get(at), found.get(copy_at), is_test)
    if new.trigger_node_id and new.trigger_node_id not in {node.id for node in definition.nodes}:
        errors = [{"pointer": "/triggerNodeId", "detail": "no node of the workflow"}]
        raise Invalid("There is no such trigger", code="trigger_not_found", errors=errors)
    number = int(head.latest_version if is_test else head.active_version)
    chosen = definition.settings.execution
    wanted = may_be_express and (chosen == "express" or bool(wait_seconds))
    express = wanted and validation.is_express(definition)
    concurrency = admission.asked(definition.settings, new.input)
    taken = enforcement.take(caller, found)
    days = days_of(definition.settings, taken.retention_days)
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
        concurrency=concurrency,
        api_key_id=caller.api_key_id,
        trigger_node_id=new.trigger_node_id,
    )
    earlier = _stored(caller, row, taken)
    if not earlier.is_express:
        admission.invoke(earlier)
    elif earlier is row:
        from weconnect.workflows.engine import express as inline

        inline.run(row, definition)
    return service.wait(caller, service.entity(earlier), wait_seconds)


def _stored(caller: Caller, row: ExecutionRow, taken: enforcement.Taken) -> ExecutionRow:
    """The run as it was stored: by this request, or by an earlier try of it."""
    try:
        return admission.store(row, caller.actor(), taken.at_once)
    except Exception as error:
        taken.give_back()
        earlier = table.get(ExecutionRow, (row.pk, row.sk))
        if not (isinstance(error, Conflict) and earlier):
            raise
        return earlier


def _runnable(head: Row | None, copy: Row | None, is_test: bool) -> tuple[WorkflowRow, WorkflowDefinition]:
    """The workflow and the definition to run."""
    head = _may_run(head, is_test)
    if not isinstance(copy, WorkflowVersionRow):
        raise _inactive()
    _, definition = versions.opened(UUID(head.organization_id), copy)
    if is_test:
        validation.require_valid(definition)
    return head, definition


def _may_run(head: Row | None, is_test: bool) -> WorkflowRow:
    """The workflow, while runs of it may begin."""
    if not isinstance(head, WorkflowRow):
        raise NotFound("No such workflow", code="workflow_not_found")
    if head.status == WorkflowStatus.ARCHIVED or not (is_test or head.status == WorkflowStatus.ACTIVE):
        raise _inactive()
    return head


def _inactive() -> Conflict:
    text = "The workflow is not active: activate it, or run its newest version with mode test"
    return Conflict(text, code="workflow_inactive")


def days_of(chosen: WorkflowSettings, allowed: int) -> int:
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
    input_bytes: int | None = MAX_INPUT_BYTES,
    **more: Any,
) -> ExecutionRow:
    """The row of a run that has not begun; an express one is running from the first. Raises TooLarge."""
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
        if input_bytes and not isinstance(text, str) and text["bytes"] > input_bytes:
            payloads.discard(organization_id, text)
            raise TooLarge(f"The input has more than {input_bytes >> 20} MB", code="input_too_large")
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


def retry(caller: Caller, execution_id: UUID, body: Retry, retry_id: UUID | None = None) -> Execution:
    """Run a finished run's version and input again; from the failed node, what had ended well is kept.

    With the id of a retry that was started already, that one is answered.
    Raises Conflict `still_open`, `part_of_run`, `workflow_inactive` and `concurrency_limit`, NotFound when the workflow
    is gone, LimitReached.
    """
    earlier = service.need(caller, execution_id, access.STEER_RUN)
    if service.is_open(earlier):
        raise Conflict(f"The run is {earlier.status}", code="still_open")
    if earlier.part:
        raise Conflict("It does batches of a loop for another run; retry that one", code="part_of_run")
    at = WorkflowRow.at(caller.organization_id, UUID(earlier.workflow_id))
    found = table.get_many([at, *enforcement.keys(caller)])
    head = _may_run(found.get(at), earlier.mode == "test")
    number = int(earlier.workflow_version)
    settings = versions.load(caller.organization_id, UUID(head.id), number).definition.settings
    given = lifecycle.loaded(earlier, "input")
    concurrency = admission.asked(settings, given)
    taken = enforcement.take(caller, found)
    row = new_row(
        head,
        number,
        retry_id or new_id(),
        caller.user_id,
        given,
        days_of(settings, taken.retention_days),
        mode=earlier.mode,
        settings=settings,
        concurrency=concurrency,
        api_key_id=caller.api_key_id,
        retry_of=earlier.id,
        retry_count=int(earlier.retry_count or 0) + 1,
        trigger_node_id=earlier.trigger_node_id,
        keeps=earlier.id if body.from_ == "failed_node" else None,
        depth=int(earlier.depth or 0),
        handles_error=bool(earlier.handles_error),
    )
    row = _stored(caller, row, taken)
    admission.invoke(row)
    return service.entity(row)


# Runs that nobody calls for


def start_for_error(failed: ExecutionRow) -> None:
    """Start the error workflow of a run that has failed; one that cannot be started is logged."""
    organization_id, workflow_id = UUID(failed.organization_id), UUID(failed.error_workflow_id)
    told = {
        "executionId": failed.id,
        "workflowId": failed.workflow_id,
        "workflowName": failed.workflow_name,
        "workflowVersion": failed.workflow_version,
        "status": failed.status,
        "error": service.entity(failed, whole=False).wire().get("error"),
    }
    execution_id = ids.derived_from(UUID(failed.id), "error workflow")
    if table.get(DeletedRunRow, DeletedRunRow.at(organization_id, execution_id)):
        return
    try:
        head, version = active(organization_id, workflow_id)
        settings = version.definition.settings
        row = new_row(
            head,
            version.number,
            execution_id,
            UUID(failed.user_id),
            told,
            lifecycle.days_left(failed),
            mode="event",
            settings=settings,
            concurrency=admission.asked(settings, told),
            parent_execution_id=failed.id,
            trigger_node_id=next(
                (node.id for node in version.definition.nodes if node.type == "error"), None
            ),
            handles_error=True,
            depth=int(failed.depth or 0),
        )
        row = admission.store_once(row, admission.at_once(organization_id))
    except (NotFound, Conflict, Invalid) as problem:
        logger.warning("no error workflow", execution_id=failed.id, problem=problem.code)
        return
    admission.invoke(row)


def start_for_event(
    organization_id: UUID,
    workflow_id: UUID,
    execution_id: UUID,
    event: Any,
    depth: int,
    node_for: Callable[[WorkflowDefinition], str | None],
) -> bool:
    """Start a run in the name of the workflow's owner, counted as theirs; again, it is the same run.

    An owner of the organization takes the place of one who left it. `node_for` names the trigger to begin at; False
    when it names none. Raises NotFound and Conflict for a workflow that does not run, Forbidden for an organization
    that does not, LimitReached, TooLarge.
    """
    from weconnect.organizations.members import membership  # routes that start runs need it not

    at, deleted_at = (kind.at(organization_id, execution_id) for kind in (ExecutionRow, DeletedRunRow))
    if found := table.get_many([at, deleted_at]):  # the event was delivered before
        earlier = found.get(at)
        if isinstance(earlier, ExecutionRow) and earlier.status == ExecutionStatus.PENDING:
            admission.invoke(earlier)
        return True
    head, version = active(organization_id, workflow_id)
    node_id = node_for(version.definition)
    if node_id is None:
        return False
    settings = version.definition.settings
    concurrency = admission.asked(settings, event)
    user_id = membership.stand_in(organization_id, UUID(head.user_id))
    owner = Caller(user_id, organization_id, "", frozenset())
    taken = enforcement.take(owner, table.get_many(enforcement.keys(owner)))
    try:
        row = new_row(
            head,
            version.number,
            execution_id,
            owner.user_id,
            event,
            days_of(settings, taken.retention_days),
            mode="event",
            settings=settings,
            concurrency=concurrency,
            trigger_node_id=node_id,
            depth=depth,
        )
        row = admission.store(row, ACTOR, taken.at_once)
    except AlreadyStarted:  # another delivery was faster
        taken.give_back()
        return True
    except BaseException:
        taken.give_back()
        raise
    admission.invoke(row)
    return True


def active(organization_id: UUID, workflow_id: UUID) -> tuple[WorkflowRow, WorkflowVersion]:
    """An active workflow with its active version; raises NotFound, Conflict `workflow_inactive`."""
    at = WorkflowRow.at(organization_id, workflow_id)
    copy_at = WorkflowVersionRow.at_active(organization_id, workflow_id)
    found = table.get_many([at, copy_at])
    head, _ = _runnable(found.get(at), found.get(copy_at), False)
    return head, versions.version_of(organization_id, found[copy_at])  # type: ignore[arg-type]
