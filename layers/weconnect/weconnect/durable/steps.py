"""The durable functions' interface: named steps that are checkpointed, waits, parallel branches and callbacks.

The SDK gives at-least-once steps: one that is killed between its effect and its checkpoint runs again, so every
effect also carries a stable idempotency key. Code outside of steps runs again on every replay and must not look at a
clock, the table or the network.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

from pydantic import TypeAdapter

from weconnect import fault_injection
from weconnect.db import payloads

MAX_PARALLEL_BRANCHES = 8

T = TypeVar("T")
JsonValue = TypeVar("JsonValue", bound=bool | int | float | str | list[Any] | dict[str, Any] | None)
ResultType = type[T] | TypeAdapter[T]


class StepFailed(Exception):
    """A step raised an exception; it is not retried."""


class Steps(Protocol):
    """Runs and checkpoints the steps of a durable function.

    Step names are unique within one `Steps`; each parallel branch has a `Steps` of its own. Results are stored as
    JSON. With `result`, a pydantic model, a dataclass (of JSON values) or a TypeAdapter, they are validated when they
    are read, so that a replay returns the type that the first execution returned.
    """

    @property
    def operations(self) -> int:
        """The durable operations taken so far, those of joined branches included; the same on every replay."""

    @overload
    def step(self, name: str, work: Callable[[], T], result: ResultType[T]) -> T: ...

    @overload
    def step(self, name: str, work: Callable[[], JsonValue]) -> JsonValue: ...

    def step(self, name: str, work: Callable[[], Any], result: ResultType[Any] | None = None) -> Any:
        """Return the result of `work()`, executed once under this name. Raises StepFailed when it raised."""

    def wait(self, name: str, seconds: int) -> None:
        """Suspend the function for at least `seconds` (1 or more); nothing runs meanwhile."""

    @overload
    def parallel(
        self,
        name: str,
        branches: "Sequence[Callable[[Steps], T]]",
        result: ResultType[T],
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[T]: ...

    @overload
    def parallel(
        self,
        name: str,
        branches: "Sequence[Callable[[Steps], JsonValue]]",
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[JsonValue]: ...

    def parallel(
        self,
        name: str,
        branches: "Sequence[Callable[[Steps], Any]]",
        result: ResultType[Any] | None = None,
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[Any]:
        """Return the results of the branches, in their order, executed in parallel. Raises StepFailed when one raised.

        A branch that waits still counts towards `max_concurrency`.
        """

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """Return the JSON value that the callback is completed with, or None after `seconds`.

        `announce` receives the callback's id, in a step of its own.
        """


class DurableSteps:
    """Steps as checkpoints of a Lambda durable function; results over 32 KB go to the payload store, and are
    deleted with the execution.

    `prefix` keeps the payloads of branches apart. The SDK is imported late: it takes 0.3 s that only durable functions
    pay.
    """

    def __init__(self, context: Any, organization_id: UUID, execution_id: UUID, prefix: str = "") -> None:
        self.operations = 0
        self._context = context
        self._organization_id = organization_id
        self._execution_id = execution_id
        self._prefix = prefix

    def step(self, name: str, work: Callable[[], T], result: ResultType[T] | None = None) -> T:
        """Return the result of `work()` from its checkpoint, else call it without retries and checkpoint it."""
        from aws_durable_execution_sdk_python.config import StepConfig  # cold start
        from aws_durable_execution_sdk_python.exceptions import StepError  # cold start
        from aws_durable_execution_sdk_python.retries import RetryDecision  # cold start

        def attempt(_: Any) -> Any:
            """Return the JSON of the result, or the pointer to it, for the SDK to checkpoint."""
            fault_injection.kill_point(f"before:{name}")
            value = work()
            fault_injection.kill_point(f"after:{name}")
            return self._store(name, to_json(value, result))

        self.operations += 1
        config = StepConfig(retry_strategy=lambda error, attempts: RetryDecision.no_retry())
        try:
            checkpoint = self._context.step(attempt, name=name, config=config)
        except StepError as error:
            raise StepFailed(f"{name}: {error}") from error
        fault_injection.kill_point(f"checkpointed:{name}")
        return from_json(self._load(checkpoint), result)

    def wait(self, name: str, seconds: int) -> None:
        """Suspend the function by a wait of the SDK, which takes at least one second."""
        from aws_durable_execution_sdk_python.config import Duration  # cold start

        self.operations += 1
        self._context.wait(Duration(max(1, seconds)), name=name)

    def parallel(
        self,
        name: str,
        branches: Sequence[Callable[[Steps], T]],
        result: ResultType[T] | None = None,
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[T]:
        """Return the results of the branches; only their steps have checkpoints, not the branches."""
        from aws_durable_execution_sdk_python.config import NestingType, ParallelConfig  # cold start

        def branch(number: int) -> Callable[[Any], Any]:
            """Return the function of one branch as the SDK calls it."""
            prefix = f"{self._prefix}{name}-{number + 1}/"

            def work(context: Any) -> Any:
                """Return `[operations of the branch, JSON of its result]`, or the pointer to it."""
                steps = DurableSteps(context, self._organization_id, self._execution_id, prefix)
                value = to_json(branches[number](steps), result)
                # A replay takes the result from the checkpoint without running the branch, so the count goes with it.
                return steps._store("result", [steps.operations, value])

            return work

        # Branches without a checkpoint of their own: their steps have one each, which is what must not be repeated.
        config = ParallelConfig(max_concurrency=max_concurrency, nesting_type=NestingType.FLAT)
        batch = self._context.parallel([branch(number) for number in range(len(branches))], name, config)
        fault_injection.kill_point(f"finished:{name}")
        if failed := batch.failed():
            raise StepFailed(f"{name}: {failed[0].error.message if failed[0].error else 'a branch failed'}")
        results = [self._load(checkpoint) for checkpoint in batch.get_results()]
        self.operations += 1 + len(branches) + sum(operations for operations, _ in results)
        return [from_json(value, result) for _, value in results]

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """Return the value that the SDK's callback is completed with, or None after `seconds`."""
        from aws_durable_execution_sdk_python.config import CallbackConfig, Duration  # cold start
        from aws_durable_execution_sdk_python.exceptions import CallbackTimeoutError  # cold start

        self.operations += 1
        callback = self._context.create_callback(name, CallbackConfig(timeout=Duration(max(1, seconds))))
        self.step(f"{name}-announced", lambda: announce(callback.callback_id))
        try:
            return json.loads(callback.result() or "null")
        except CallbackTimeoutError:
            return None

    def _store(self, name: str, value: Any) -> payloads.StoredText:
        """Return a step's result as its JSON text, or the pointer to it when it is long."""
        storage_name = f"runs/{self._execution_id}/{self._prefix}{name}"
        return payloads.store(self._organization_id, storage_name, json.dumps(value), payloads.EXECUTION_DAYS)

    def _load(self, checkpoint: payloads.StoredText) -> Any:
        """Return the value that `_store` stored."""
        return json.loads(payloads.load(self._organization_id, checkpoint))


class PrefixedSteps:
    """Steps whose names begin with a prefix, so that several parts of a function can share one `Steps`."""

    def __init__(self, steps: Steps, prefix: str) -> None:
        self._steps = steps
        self._prefix = prefix

    @property
    def operations(self) -> int:
        """Return the operations of the steps that are shared."""
        return self._steps.operations

    def step(self, name: str, work: Callable[[], T], result: ResultType[T] | None = None) -> T:
        """Return the result of a step under the prefixed name."""
        steps: Any = self._steps  # of its overloads, a generic caller cannot choose one
        value: T = steps.step(self._prefix + name, work, result)
        return value

    def wait(self, name: str, seconds: int) -> None:
        """Suspend the function for at least `seconds` under the prefixed name."""
        self._steps.wait(self._prefix + name, seconds)

    def parallel(
        self,
        name: str,
        branches: Sequence[Callable[[Steps], T]],
        result: ResultType[T] | None = None,
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[T]:
        """Return the results of branches that run under the prefixed name."""
        steps: Any = self._steps
        values: list[T] = steps.parallel(
            self._prefix + name, branches, result, max_concurrency=max_concurrency
        )
        return values

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """Return the value of a callback under the prefixed name, or None after `seconds`."""
        return self._steps.callback(self._prefix + name, announce, seconds)


@functools.cache
def _to_adapter(result: Any) -> TypeAdapter[Any]:
    """Return the TypeAdapter of a step's result type."""
    return result if isinstance(result, TypeAdapter) else TypeAdapter(result)


def to_json(value: T, result: ResultType[T] | None) -> Any:
    """Return the JSON that a step's result is stored as."""
    kind: Any = result
    if is_dataclass(kind):  # pydantic would copy its values, and refuse half a surrogate pair in a key
        return {
            item.name: field
            for item in fields(kind)
            if not _is_default(item, field := getattr(value, item.name))
        }
    return value if kind is None else _to_adapter(kind).dump_python(value, mode="json")


def _is_default(item: Field[Any], value: Any) -> bool:
    """Return whether a field has its default value, so that a checkpoint need not store it."""
    if item.default_factory is not MISSING:
        return bool(value == item.default_factory())
    return item.default is not MISSING and bool(value == item.default)


def from_json(value: Any, result: ResultType[T] | None) -> T:
    """Return a step's result from its JSON, validated as `result`."""
    kind: Any = result
    restored: T = value if kind is None else _to_adapter(kind).validate_python(value, by_name=True)
    return restored
