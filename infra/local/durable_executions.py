"""Durable executions: the SDK's own executor with our store, unique names, and recovery after a kill.

It uses private members of aws-durable-execution-sdk-python-testing, which is therefore pinned to one version.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python.execution import DurableExecutionInvocationInput, InitialExecutionState
from aws_durable_execution_sdk_python.lambda_service import (
    ErrorObject,
    OperationAction,
    OperationStatus,
    OperationType,
)
from aws_durable_execution_sdk_python_testing.checkpoint.processor import (
    DEFAULT_MAX_INVOCATION_PAGE_BYTES,
    CheckpointProcessor,
)
from aws_durable_execution_sdk_python_testing.child_dispatcher import (
    ChainedInvokeRequest,
    ChildOutcome,
    DispatchResult,
    FunctionTarget,
    RunInvocation,
    StartChild,
    function_not_found,
    result_outcome,
)
from aws_durable_execution_sdk_python_testing.exceptions import (
    AwsApiException,
    DurableFunctionsTestError,
    InvalidParameterValueException,
)
from aws_durable_execution_sdk_python_testing.execution import Execution, OperationPaginatorState
from aws_durable_execution_sdk_python_testing.executor import Executor
from aws_durable_execution_sdk_python_testing.invoker import InvokeResponse
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput
from aws_durable_execution_sdk_python_testing.scheduler import Scheduler
from aws_durable_execution_sdk_python_testing.threads import DaemonThreadPool
from aws_durable_execution_sdk_python_testing.token import CallbackToken

from infra.local.execution_store import SqliteStore
from infra.local.sam_template import Function
from infra.local.settings import ACCOUNT, REGION
from infra.local.worker_pool import HandlerResult

MAX_PARALLEL_INVOCATIONS = 256  # threads that mostly wait for the tenant's turn in the pool
DEFAULT_TIMEOUT_SECONDS = 24 * 3600
DEFAULT_RETENTION_DAYS = 14
Call = Callable[[Function, str, bytes], HandlerResult]  # function, qualifier (":live" or ""), payload; blocks


class DurableExecutionAlreadyStartedException(AwsApiException):
    """An execution of this name was started with another payload."""

    http_status_code = 409

    def to_dict(self) -> dict[str, Any]:
        """Return the error's body as Lambda sends it."""
        return {"Type": "User", "Message": str(self)}


class WorkerInvoker:
    """Runs a durable function's handler in a worker."""

    def __init__(self, call: Call, find: Callable[[str], Function]) -> None:
        self._call = call
        self._find = find

    def create_invocation_input(self, execution: Execution) -> DurableExecutionInvocationInput:
        """Return the input of an invocation: a new checkpoint token, and the first page of the operations so far."""
        operations, marker = OperationPaginatorState.pin(execution).page(
            None, DEFAULT_MAX_INVOCATION_PAGE_BYTES
        )
        return DurableExecutionInvocationInput(
            durable_execution_arn=execution.durable_execution_arn,
            checkpoint_token=execution.get_new_checkpoint_token(),
            initial_execution_state=InitialExecutionState(operations=operations, next_marker=marker or ""),
            updated_operation_ids=list(execution.updated_operation_ids),
        )

    def invoke(
        self, function_name: str, input: DurableExecutionInvocationInput, *args: Any, **kwargs: Any
    ) -> InvokeResponse:
        """Run the function `name` or `name:alias` and return its response.

        Raises KeyError for an unknown name, and DurableFunctionsTestError when the handler fails.
        """
        name, _, qualifier = function_name.partition(":")
        payload = json.dumps(input.to_json_dict()).encode()
        result = self._call(self._find(name), f":{qualifier}" if qualifier else "", payload)
        if result.failed:
            raise DurableFunctionsTestError(f"Lambda invocation failed: {result.payload.decode()}")
        return InvokeResponse.from_payload(result.payload, result.request_id)

    def update_endpoint(self, endpoint_url: str, region_name: str) -> None:
        """Do nothing, because there is one endpoint."""

    def inherit_endpoint(self, child_execution_arn: str, parent_execution_arn: str) -> None:
        """Do nothing, because there is one endpoint."""


class ChildDispatcher:
    """Dispatches the functions that a durable function invokes with `context.invoke`."""

    def __init__(self, call: Call, functions: Mapping[str, Function]) -> None:
        self._call = call
        self._functions = functions  # by name

    def preflight(self, target: FunctionTarget) -> ChildOutcome | None:
        """Return None when the function exists, else the outcome that it was not found."""
        return None if target.name in self._functions else function_not_found(target.name).outcome

    def dispatch(self, request: ChainedInvokeRequest) -> DispatchResult:
        """Return how to invoke a function: as a durable child, as a plain call, or as not found."""
        function = self._functions.get(request.function_name)
        if function is None:
            return function_not_found(request.function_name)
        if function.durable is not None:
            return StartChild(
                _build_start_input(function, request.child_qualifier(), None, request.payload or "{}")
            )
        qualifier = f":{request.qualifier}" if request.qualifier else ""
        return RunInvocation(lambda: self._run(function, qualifier, (request.payload or "{}").encode()))

    def _run(self, function: Function, qualifier: str, payload: bytes) -> ChildOutcome:
        """Call a plain function and return its result or its error as the outcome; blocks."""
        result = self._call(function, qualifier, payload)
        if not result.failed:
            return result_outcome(result.payload.decode())
        error = result.parse_value()
        return ChildOutcome(error=ErrorObject(error["errorMessage"], error["errorType"], None, None))


def _build_start_input(
    function: Function, qualifier: str, name: str | None, payload: str
) -> StartDurableExecutionInput:
    """Return the input that starts a durable function; without a name, the execution gets a random one."""
    durable = function.durable or {}
    return StartDurableExecutionInput(
        account_id=ACCOUNT,
        function_name=function.name,
        function_qualifier=qualifier or "$LATEST",
        execution_name=name or str(uuid.uuid4()),
        execution_timeout_seconds=int(durable.get("ExecutionTimeout", DEFAULT_TIMEOUT_SECONDS)),
        execution_retention_period_days=int(durable.get("RetentionPeriodInDays", DEFAULT_RETENTION_DAYS)),
        invocation_id=str(uuid.uuid4()),
        input=payload,
    )


class DurableExecutions(Executor):
    """All durable executions. Methods block: call them from threads."""

    RETRY_BACKOFF_SECONDS = 1

    def __init__(
        self, store: SqliteStore, call: Call, functions: Mapping[str, Function], ended: Callable[[str], None]
    ) -> None:
        scheduler = Scheduler()
        super().__init__(
            store=store,
            scheduler=scheduler,
            invoker=WorkerInvoker(call, functions.__getitem__),
            checkpoint_processor=CheckpointProcessor(store, scheduler),
            invocation_timeout_seconds=max([function.timeout for function in functions.values()], default=900)
            + 60,
            child_dispatcher=ChildDispatcher(call, functions),
            region=REGION,
        )
        self._invocation_pool = DaemonThreadPool(MAX_PARALLEL_INVOCATIONS, "durable-invocation")
        self._target_pool = DaemonThreadPool(MAX_PARALLEL_INVOCATIONS, "durable-target")
        self.store = store
        self._ended = ended
        self._starting = threading.Lock()
        scheduler.start()  # type: ignore[no-untyped-call]

    def start(self, function: Function, qualifier: str, name: str | None, payload: str) -> str:
        """Start an execution and return its ARN. Idempotent for the same name and payload.

        Raises DurableExecutionAlreadyStartedException when the name was used with another payload.
        """
        with self._starting:
            existing = self.store.find(function.name, name) if name else None
            if existing is None:
                started = self.start_execution(_build_start_input(function, qualifier, name, payload))
                return str(started.execution_arn)
        if json.loads(existing.start_input.input or "null") != json.loads(payload):
            raise DurableExecutionAlreadyStartedException(
                f"Execution {name} was started with another payload"
            )
        return str(existing.durable_execution_arn)

    def _create_execution(
        self, input: StartDurableExecutionInput, parent_execution_arn: str | None = None
    ) -> Execution:
        """Create and store an execution whose ARN has the form of Lambda's."""
        function = (
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{input.function_name}:{input.function_qualifier}"
        )
        arn = f"{function}/durable-execution/{input.execution_name}/{input.invocation_id}"
        execution = Execution(arn, input, [])
        execution.region = REGION
        execution.parent_execution_arn = parent_execution_arn
        execution.start(now=self._clock.now())
        self.store.save(execution)
        return execution

    def _complete_events(self, execution_arn: str) -> None:
        """Forget the timers of an execution that has ended, and report its end."""
        super()._complete_events(execution_arn)
        for timers in (self._completion_events, self._pending_wakeup):
            timers.pop(execution_arn, None)
        self._ended(execution_arn)

    def recover(self) -> int:
        """Resume the executions that a kill interrupted and restart their timeouts; return how many there are."""
        unfinished = self.store.list_unfinished()
        for execution in unfinished:
            arn = execution.durable_execution_arn
            self._completion_events[arn] = self._scheduler.create_event()
            self._arm_timeout(execution)
            for operation in execution.operations:
                if operation.status is OperationStatus.STARTED:
                    if operation.operation_type is OperationType.CALLBACK:
                        self._arm_callback(execution, operation)
                    elif operation.operation_type is OperationType.CHAINED_INVOKE:
                        self._dispatch_again(execution, operation)
            self._invoke_execution(arn)
            self._schedule_earliest_pending(arn)
        for arn in self.store.list_unreported():
            self._notify_parent_of_terminal_child(arn)
            self._ended(arn)
        return len(unfinished)

    def _arm_timeout(self, execution: Execution) -> None:
        """Start the timer that ends the execution as timed out; does nothing for one without a timeout."""
        arn, seconds = execution.durable_execution_arn, execution.start_input.execution_timeout_seconds
        if seconds <= 0:
            return
        error = ErrorObject.from_message(f"Execution timed out after {seconds} seconds.")
        self._execution_timeouts[arn] = self._scheduler.call_later(
            lambda: self.on_timed_out(arn, error),
            delay=_count_remaining_seconds(
                execution.get_operation_execution_started().start_timestamp, seconds
            ),
        )

    def _arm_callback(self, execution: Execution, operation: Any) -> None:
        """Start the timer of an open callback with the time that is left of its timeout."""
        options = _find_start_update(execution, operation.operation_id).callback_options
        if options and options.timeout_seconds > 0:
            # At least a second, because 0 would mean no timeout.
            left = max(1, int(_count_remaining_seconds(operation.start_timestamp, options.timeout_seconds)))
            options = replace(options, timeout_seconds=left)
        arn = execution.durable_execution_arn
        self._schedule_callback_timeouts(arn, options, CallbackToken(arn, operation.operation_id).to_str())

    def _dispatch_again(self, execution: Execution, operation: Any) -> None:
        """Invoke a plain function again whose result was lost; a durable child is recovered by itself."""
        if operation.operation_id in execution.chained_invoke_children:
            return
        update = _find_start_update(execution, operation.operation_id)
        options = update.chained_invoke_options
        if options:
            self.on_chained_invoke_started(
                execution.durable_execution_arn, operation.operation_id, options.function_name,
                options.tenant_id, update.payload,
            )  # fmt: skip

    def close(self) -> None:
        """End the threads and timers; executions that have not ended are recovered at the next start."""
        self.shutdown()
        self._scheduler.stop()  # type: ignore[no-untyped-call]
        self._registry.shutdown()


def _find_start_update(execution: Execution, operation_id: str) -> Any:
    """Return the update that started an operation. Raises InvalidParameterValueException."""
    for update in execution.updates:
        if update.operation_id == operation_id and update.action is OperationAction.START:
            return update
    raise InvalidParameterValueException(f"operation {operation_id} was never started")


def _count_remaining_seconds(start: datetime | None, seconds: float) -> float:
    """Return the seconds until `seconds` after the start are over, at least 0; all of them when there was no start."""
    if start is None:
        return seconds
    return max(0.0, seconds - (datetime.now(UTC) - start).total_seconds())


def make_blocking(loop: asyncio.AbstractEventLoop, call: Callable[[Function, str, bytes], Any]) -> Call:
    """Return a function for threads that runs a coroutine function on the event loop and waits for its result."""
    return lambda function, qualifier, payload: asyncio.run_coroutine_threadsafe(
        call(function, qualifier, payload), loop
    ).result()
