"""Start the executions of the workflows that subscribe to an event: one each, however often it is delivered."""

import json
import time
from uuid import UUID

from weconnect import ids, metrics
from weconnect.api.caller import Caller
from weconnect.auth.limits import enforcement
from weconnect.db import payloads, table
from weconnect.db.errors import PayloadExpired
from weconnect.errors import Problem
from weconnect.events import subscriptions
from weconnect.events.messages import Event, EventMessage
from weconnect.events.subscriptions import MAX_DEPTH
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import AlreadyStarted
from weconnect.executions.followups import store_execution
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.new_executions import build_row, choose_retention_days, load_active_workflow
from weconnect.executions.rows import DeletedExecutionRow, ExecutionRow
from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.log import logger
from weconnect.node_sdk.node_type import NodeError
from weconnect.organizations.members import membership
from weconnect.workflows.definition import event_trigger
from weconnect.workflows.entities import WorkflowDefinition

MAX_REFUSAL_SECONDS = 10.0
"""How long the workflows that refuse one event may take together: the expressions of each may take 3 s."""
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
    if _was_started(organization_id, execution_id):
        return True
    head, version = load_active_workflow(organization_id, workflow_id)
    trigger_node_id = _choose_trigger(version.definition, event)
    if trigger_node_id is None:
        return False
    settings, value = version.definition.settings, event.to_json_dict()
    concurrency = admission.evaluate_concurrency(settings, value)
    user_id = membership.resolve_acting_user(organization_id, UUID(head.user_id))
    owner = Caller(user_id, organization_id, "", frozenset())
    counted = enforcement.count_execution(owner, table.get_many(enforcement.keys_to_read(owner)))
    try:
        row = build_row(
            head,
            version.number,
            execution_id,
            owner.user_id,
            value,
            choose_retention_days(settings, counted.retention_days),
            mode="event",
            settings=settings,
            concurrency=concurrency,
            trigger_node_id=trigger_node_id,
            depth=depth,
        )
        row = store_execution(row, ACTOR, counted.max_concurrent)
    except AlreadyStarted:  # by another delivery of the event
        counted.undo()
        return True
    except BaseException:
        counted.undo()
        raise
    admission.invoke(row)
    return True


def _was_started(organization_id: UUID, execution_id: UUID) -> bool:
    """Return whether the event was delivered before; start an execution again that has not begun since."""
    at = ExecutionRow.at(organization_id, execution_id)
    rows = table.get_many([at, DeletedExecutionRow.at(organization_id, execution_id)])
    row = rows.get(at)
    if isinstance(row, ExecutionRow) and row.status == ExecutionStatus.PENDING:
        admission.invoke(row)
    return bool(rows)


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
