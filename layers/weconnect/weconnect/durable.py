"""What our code needs of a durable function: named steps, each done once and remembered, waits, branches, callbacks.

The SDK gives at-least-once steps: one that is killed between its effect and its checkpoint runs again, so every
effect also carries a stable idempotency key. Code outside of steps runs again on every replay and must not look at a
clock, the table or the network.
"""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self
from uuid import UUID

from weconnect import fault_injection
from weconnect.db import payloads
from weconnect.settings import settings

CHECKPOINT_DAYS = 30
BRANCHES_AT_ONCE = 8


class StepFailed(Exception):
    """A step raised; it is not tried again."""


@functools.cache
def lambda_client() -> Any:
    """The client that starts durable functions and sends to their callbacks, made at its first use."""
    import boto3

    return boto3.client("lambda", region_name=settings.region)


class Steps(Protocol):
    """Where steps are remembered. Names are unique within one `Steps`; a branch has a `Steps` of its own."""

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """The JSON value of `work()`, done once under this name; raises StepFailed when it raised."""

    def wait(self, name: str, seconds: int) -> None:
        """Go on after at least `seconds`, at least one; nothing is running meanwhile."""

    def parallel(
        self, name: str, branches: "Sequence[Callable[[Self], Any]]", at_once: int = BRANCHES_AT_ONCE
    ) -> list[Any]:
        """The JSON values of the branches, in their order, run side by side; raises StepFailed when one raised.

        A branch that waits keeps its place among those `at_once`.
        """

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """The JSON value that somebody sends to the callback whose id `announce` was told; None after `seconds`."""


class DurableSteps:
    """Steps as checkpoints of a Lambda durable function; results over 32 KB go to the payload store.

    `place` sets the steps of branches apart in the store. The SDK is imported late: it takes 0.3 s that only durable
    functions pay.
    """

    def __init__(self, context: Any, organization_id: UUID, run_id: UUID, place: str = "") -> None:
        self._context = context
        self._organization_id = organization_id
        self._run_id = run_id
        self._place = place

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        from aws_durable_execution_sdk_python.config import StepConfig
        from aws_durable_execution_sdk_python.exceptions import StepError
        from aws_durable_execution_sdk_python.retries import RetryDecision

        def attempt(_: Any) -> Any:
            fault_injection.point(f"before:{name}")
            result = work()
            fault_injection.point(f"after:{name}")
            return self._store(name, result)

        config = StepConfig(retry_strategy=lambda error, attempts: RetryDecision.no_retry())
        try:
            kept = self._context.step(attempt, name=name, config=config)
        except StepError as error:
            raise StepFailed(f"{name}: {error}") from error
        fault_injection.point(f"checkpointed:{name}")
        return self._load(kept)

    def wait(self, name: str, seconds: int) -> None:
        from aws_durable_execution_sdk_python.config import Duration

        self._context.wait(Duration(max(1, seconds)), name=name)

    def parallel(
        self,
        name: str,
        branches: Sequence[Callable[["DurableSteps"], Any]],
        at_once: int = BRANCHES_AT_ONCE,
    ) -> list[Any]:
        from aws_durable_execution_sdk_python.config import NestingType, ParallelConfig

        def branch(number: int) -> Callable[[Any], Any]:
            place = f"{self._place}{name}-{number + 1}/"

            def work(context: Any) -> Any:
                steps = DurableSteps(context, self._organization_id, self._run_id, place)
                return steps._store("result", branches[number](steps))

            return work

        # Branches without a checkpoint of their own: their steps have one each, which is what must not be repeated.
        config = ParallelConfig(max_concurrency=at_once, nesting_type=NestingType.FLAT)
        done = self._context.parallel([branch(number) for number in range(len(branches))], name, config)
        fault_injection.point(f"finished:{name}")
        if failed := done.failed():
            raise StepFailed(f"{name}: {failed[0].error.message if failed[0].error else 'a branch failed'}")
        return [self._load(kept) for kept in done.get_results()]

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        from aws_durable_execution_sdk_python.config import CallbackConfig, Duration
        from aws_durable_execution_sdk_python.exceptions import CallbackTimeoutError

        waiting = self._context.create_callback(name, CallbackConfig(timeout=Duration(max(1, seconds))))
        self.step(f"{name}-announced", lambda: announce(waiting.callback_id))
        try:
            return json.loads(waiting.result() or "null")
        except CallbackTimeoutError:
            return None

    def _store(self, name: str, result: Any) -> Any:
        place = f"runs/{self._run_id}/{self._place}{name}"
        return payloads.store(self._organization_id, place, json.dumps(result), CHECKPOINT_DAYS)

    def _load(self, kept: Any) -> Any:
        return json.loads(payloads.load(self._organization_id, kept))


class Named:
    """Steps under a prefix: what several places do one after the other in the same `Steps`."""

    def __init__(self, steps: Steps, prefix: str) -> None:
        self._steps = steps
        self._prefix = prefix

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        return self._steps.step(self._prefix + name, work)

    def wait(self, name: str, seconds: int) -> None:
        self._steps.wait(self._prefix + name, seconds)

    def parallel(
        self, name: str, branches: Sequence[Callable[[Any], Any]], at_once: int = BRANCHES_AT_ONCE
    ) -> list[Any]:
        return self._steps.parallel(self._prefix + name, branches, at_once)

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        return self._steps.callback(self._prefix + name, announce, seconds)
