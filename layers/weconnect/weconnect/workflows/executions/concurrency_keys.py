"""The concurrency limit of an execution: which other executions count for the same one."""

import hashlib
import json
from typing import Any

from weconnect import clock
from weconnect.errors import FieldError
from weconnect.executions.rows import ConcurrencyLimit
from weconnect.expressions import rendering
from weconnect.expressions.rendering import EvaluationContext, ExpressionError
from weconnect.workflows.entities import WorkflowSettings
from weconnect.workflows.executions.errors import ConcurrencyKeyFailed
from weconnect.workflows.executions.trigger_items import to_items

MAX_KEY_LENGTH = 200


def evaluate_concurrency(settings: WorkflowSettings, value: Any) -> ConcurrencyLimit | None:
    """Return the limit that the settings set for an execution with this input; None when they set none.

    Raises ConcurrencyKeyFailed.
    """
    concurrency = settings.concurrency
    if concurrency is None:
        return None
    items = to_items(value)
    try:
        variables = {"trigger": value, "input": items}
        contexts = [EvaluationContext((items or [{}])[0])]
        (key,) = rendering.render(concurrency.key, contexts, variables, clock.now())
    except ExpressionError as error:
        errors: list[FieldError] = [{"pointer": "/settings/concurrency/key", "detail": str(error)}]
        raise ConcurrencyKeyFailed(errors=errors) from error
    text = key if isinstance(key, str) else "" if key is None else json.dumps(key, sort_keys=True)
    if len(text) > MAX_KEY_LENGTH:
        text = hashlib.sha256(text.encode()).hexdigest()
    return {"key": text, "limit": concurrency.limit, "policy": concurrency.policy}
