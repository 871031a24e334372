"""What our code needs of a durable function: named steps, each done once and remembered.

The SDK gives at-least-once steps: one that is killed between its effect and its checkpoint runs again, so every
effect also carries a stable idempotency key. Code outside of steps runs again on every replay and must not look at a
clock, the table or the network.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from weconnect import faults, payloads

CHECKPOINT_DAYS = 30


class StepFailed(Exception):
    """A step raised; it is not tried again."""


class Steps(Protocol):
    """Where steps are remembered."""

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """The JSON value of `work()`, done once under this name; raises StepFailed when it raised."""


class DurableSteps:
    """Steps as checkpoints of a Lambda durable function; results over 32 KB go to the payload store."""

    def __init__(self, context: Any, organization_id: UUID, run_id: UUID) -> None:
        self._context = context
        self._organization_id = organization_id
        self._run_id = run_id

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        from aws_durable_execution_sdk_python.config import (
            StepConfig,  # 0.3 s that only durable functions pay
        )
        from aws_durable_execution_sdk_python.exceptions import StepError
        from aws_durable_execution_sdk_python.retries import RetryDecision

        def attempt(_: Any) -> Any:
            faults.point(f"before:{name}")
            result = work()
            faults.point(f"after:{name}")
            place = f"runs/{self._run_id}/{name}"
            return payloads.store(self._organization_id, place, json.dumps(result), CHECKPOINT_DAYS)

        config = StepConfig(retry_strategy=lambda error, attempts: RetryDecision.no_retry())
        try:
            kept = self._context.step(attempt, name=name, config=config)
        except StepError as error:
            raise StepFailed(f"{name}: {error}") from error
        faults.point(f"checkpointed:{name}")
        return json.loads(payloads.load(self._organization_id, kept))
