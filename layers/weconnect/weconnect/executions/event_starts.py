"""An event begins a run of every workflow that waits for it: one, however often the event is delivered."""

import json
import time
from uuid import UUID

from weconnect import ids, metrics
from weconnect.db import payloads
from weconnect.errors import Problem
from weconnect.events.publisher import Event, Raised
from weconnect.executions import starting
from weconnect.executions.entities import MAX_DEPTH
from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.log import logger
from weconnect.workflows.definition import trigger_index
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.node_sdk.node_type import NodeError

PATIENCE_SECONDS = 10.0  # with those who refuse one event: their expressions may take 3 s each
OUTPUT_BYTES = 256 * 1024  # of the run that raised it; a longer one stays with that run


def begin_all(raised: Raised) -> int:
    """Begin the runs; answers how many workflows were reached. What keeps one from running keeps no other from it.

    A limit that is reached, or a condition that cannot be evaluated, is logged and not tried again; where such have
    taken too long together, the rest is not asked. Raises the first failure of the service itself, so that the event
    is delivered again.
    """
    event = raised.event
    if raised.depth >= MAX_DEPTH:
        logger.warning("an event was raised too deep to begin a run", event_id=str(event.id), type=event.type)
        return 0
    begun, wasted = 0, 0.0
    failure: Exception | None = None
    workflow_ids = trigger_index.subscribed(event.organization_id, event.type)
    if workflow_ids:
        _put_output(raised)
    for workflow_id in workflow_ids:
        began = time.monotonic()
        try:
            if wasted > PATIENCE_SECONDS:
                raise ExpressionError("The workflows before this one took too long to refuse the event")
            begun += _begin(raised, workflow_id)
        except (Problem, NodeError, ExpressionError) as refused:
            wasted += time.monotonic() - began
            if isinstance(refused, Problem) and refused.status >= 500:
                failure = failure or refused
                continue
            code = getattr(refused, "code", "condition_failed")
            logger.warning(
                "an event began no run",
                event_id=str(event.id),
                type=event.type,
                organization_id=str(event.organization_id),
                workflow_id=str(workflow_id),
                problem=code,
                detail=str(refused),
            )
            metrics.event_refused(code)
        except Exception as error:
            logger.exception("an event could not begin a run", workflow_id=str(workflow_id))
            failure = failure or error
    if failure:
        raise failure
    return begun


def _begin(raised: Raised, workflow_id: UUID) -> bool:
    """Begin the run of one workflow; False when the event is not for it."""
    event = raised.event
    if workflow_id == raised.workflow_id:
        return False  # it would begin itself again and again
    execution_id = ids.derived_at(event.time, f"{event.id} {workflow_id}")

    def node_for(definition: WorkflowDefinition) -> str | None:
        fitting = trigger_index.nodes_for(definition, event.type)
        return next((node.id for node in fitting if _holds(node.parameters.get("condition"), event)), None)

    return starting.start_for_event(
        event.organization_id, workflow_id, execution_id, event.wire(), raised.depth + 1, node_for
    )


def _holds(condition: str | None, event: Event) -> bool:
    return condition is None or rendering.evaluate(condition, event.wire(), event.time) is True


def _put_output(raised: Raised) -> None:
    """Put what the run answered into the event's data, unless it is too long or not kept any more."""
    stored = raised.output
    if stored is None or (not isinstance(stored, str) and stored["bytes"] > OUTPUT_BYTES):
        return
    try:
        text = payloads.load(raised.event.organization_id, stored)
    except payloads.PayloadGone:
        return
    is_json = raised.event.type == "workflow.run.completed"
    raised.event.data["output"] = json.loads(text) if is_json else text
