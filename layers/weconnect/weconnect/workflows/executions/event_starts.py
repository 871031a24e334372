"""Start the executions of the workflows that subscribe to an event: one each, however often it is delivered."""

import json
import time
from uuid import UUID

from weconnect import ids, metrics
from weconnect.api.caller import Caller
from weconnect.db import payloads, table
from weconnect.db.errors import PayloadExpired
from weconnect.errors import Problem
from weconnect.events import subscriptions
from weconnect.events.messages import Event, EventMessage
from weconnect.events.subscriptions import MAX_DEPTH
from weconnect.executions.requests import StartExecution
from weconnect.executions.rows import DeletedExecutionRow
from weconnect.executions.start import invoke_if_pending, start
from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.log import logger
from weconnect.node_sdk.node_type import NodeError
from weconnect.organizations.members import membership
from weconnect.workflows.definition import event_trigger, stored_versions
from weconnect.workflows.entities import WorkflowDefinition, WorkflowStatus
from weconnect.workflows.errors import WorkflowInactive, WorkflowNotFound
from weconnect.workflows.executions.rows import WorkflowExecutionRow
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow

MAX_REFUSAL_SECONDS = 10.0
"""The seconds that workflows which refuse one event may take together: the expressions of each may take 3 s."""
MAX_OUTPUT_BYTES = 256 * 1024  # a longer output stays with the execution that the event is about


def start_all(message: EventMessage) -> int:
    """Start an execution of every subscribed workflow and return how many there were. Idempotent.

    A workflow that cannot be started does not keep others from starting. A limit that is reached, or a condition that
    cannot be evaluated, is logged and not retried; once such refusals have taken too long together, the remaining
    workflows are not tried. Raises the first failure of the service itself, so that the event is delivered again.
    """
    event = message.event
    if message.depth >= MAX_DEPTH:
        logger.warning("event is too deep to start executions", event_id=str(event.id), type=event.type)
        return 0
    started, refusal_seconds = 0, 0.0
    failure: Exception | None = None
    workflow_ids = subscriptions.find_subscribers(event.organization_id, event.type)
    if workflow_ids:
        _add_output(message)
    for workflow_id in workflow_ids:
        began = time.monotonic()
        try:
            if refusal_seconds > MAX_REFUSAL_SECONDS:
                raise ExpressionError("The workflows before this one took too long to refuse the event")
            started += _start_one(message, workflow_id)
        except (Problem, NodeError, ExpressionError) as refusal:
            refusal_seconds += time.monotonic() - began
            if isinstance(refusal, Problem) and refusal.status >= 500:
                failure = failure or refusal
            else:
                _log_refusal(event, workflow_id, refusal)
        except Exception as error:
            logger.exception("event could not start an execution", workflow_id=str(workflow_id))
            failure = failure or error
    if failure:
        raise failure
    return started


def _log_refusal(event: Event, workflow_id: UUID, refusal: Problem | NodeError | ExpressionError) -> None:
    """Log that an event started no execution of a workflow, with the reason, and count it in the metrics."""
    code = getattr(refusal, "code", "condition_failed")
    logger.warning(
        "event started no execution",
        event_id=str(event.id),
        type=event.type,
        organization_id=str(event.organization_id),
        workflow_id=str(workflow_id),
        problem=code,
        detail=str(refusal),
    )
    metrics.count_refused_event(code)


def _start_one(message: EventMessage, workflow_id: UUID) -> bool:
    """Start the execution of one workflow; return False when none of its triggers is for the event."""
    event = message.event
    if workflow_id == message.workflow_id:
        return False  # it would start itself endlessly
    execution_id = ids.derived_at(event.time, f"{event.id} {workflow_id}")
    return start_for_event(event, workflow_id, execution_id, message.depth + 1)


def start_for_event(event: Event, workflow_id: UUID, execution_id: UUID, depth: int) -> bool:
    """Start an execution on behalf of the workflow's owner, counted against their limits. Idempotent by its ID.

    When the owner has left the organization, another owner of the organization takes their place. Nothing is started,
    and False returned, when no trigger's condition holds. Raises WorkflowNotFound, WorkflowInactive, Forbidden for an
    inactive organization, LimitReached, InputTooLarge, ExpressionError for a condition that cannot be evaluated.
    """
    organization_id = event.organization_id
    at = WorkflowRow.at(organization_id, workflow_id)
    at_active = WorkflowVersionRow.at_active(organization_id, workflow_id)
    at_execution = WorkflowExecutionRow.at(organization_id, execution_id)
    at_deleted = DeletedExecutionRow.at(organization_id, execution_id)
    rows = table.get_many([at, at_active, at_execution, at_deleted])
    stored = rows.get(at_execution)
    if isinstance(stored, WorkflowExecutionRow):  # by an earlier delivery of the event
        invoke_if_pending(stored)
        return True
    if at_deleted in rows:
        return True
    head, version = rows.get(at), rows.get(at_active)
    if not isinstance(head, WorkflowRow):
        raise WorkflowNotFound()
    if head.status != WorkflowStatus.ACTIVE or not isinstance(version, WorkflowVersionRow):
        raise WorkflowInactive()
    _, definition = stored_versions.unpack_definition(organization_id, version)
    trigger_node_id = _choose_trigger(definition, event)
    if trigger_node_id is None:
        return False
    user_id = membership.resolve_acting_user(organization_id, UUID(head.user_id))
    request = StartExecution(
        kind="workflow",
        organization_id=organization_id,
        target_id=workflow_id,
        execution_id=execution_id,
        user_id=user_id,
        input=event.to_json_dict(),
        mode="event",
        version=version.number,
        counted_for=Caller(user_id, organization_id, "", frozenset()),
        depth=depth,
        trigger_node_id=trigger_node_id,
    )
    start(request)
    return True


def _choose_trigger(definition: WorkflowDefinition, event: Event) -> str | None:
    """Return the ID of the first trigger node for the event whose condition holds."""
    nodes = event_trigger.find_nodes(definition, event.type)
    return next(
        (node.id for node in nodes if _is_condition_met(node.parameters.get("condition"), event)), None
    )


def _is_condition_met(condition: str | None, event: Event) -> bool:
    """Return whether the condition is None, or evaluates to true for the event. Raises ExpressionError."""
    return condition is None or rendering.evaluate(condition, event.to_json_dict(), event.time) is True


def _add_output(message: EventMessage) -> None:
    """Put the output of the execution that the event is about into its data, unless it is too long or has expired."""
    stored = message.output
    if stored is None or (not isinstance(stored, str) and stored["bytes"] > MAX_OUTPUT_BYTES):
        return
    try:
        text = payloads.load(message.event.organization_id, stored)
    except PayloadExpired:
        return
    is_json = message.event.type == "workflow.run.completed"
    message.event.data["output"] = json.loads(text) if is_json else text
