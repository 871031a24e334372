"""The API of Lambda: Invoke and durable executions, as boto3 and the durable SDK call them."""

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from aws_durable_execution_sdk_python.lambda_service import ErrorObject
from aws_durable_execution_sdk_python_testing.exceptions import (
    AwsApiException,
    IllegalStateException,
    InvalidParameterValueException,
    ResourceNotFoundException,
    ServiceException,
)
from aws_durable_execution_sdk_python_testing.model import CheckpointDurableExecutionRequest

from infra.local.asgi import Request, Response
from infra.local.durable_executions import DurableExecutions
from infra.local.gateway import report_failure
from infra.local.lanes import find_tenant
from infra.local.sam_template import Function
from infra.local.worker_pool import HandlerResult, Pool

INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations$")
EXECUTION = re.compile(r"/2025-12-01/durable-executions/([^/]+)(?:/(checkpoint|state|history|stop))?$")
CALLBACK = re.compile(r"/2025-12-01/durable-execution-callbacks/([^/]+)/(succeed|fail|heartbeat)$")
LIST = re.compile(r"/2025-12-01/functions/([^/]+)/durable-executions$")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
RETRY_SECONDS = (1, 5)  # Lambda retries a failed asynchronous invocation twice


class LambdaApi:
    """Handles the requests that the application's own Lambda client and the durable SDK send."""

    def __init__(self, pool: Pool, executions: DurableExecutions) -> None:
        self.pool = pool
        self.executions = executions
        self.by_name = {function.name: function for function in pool.functions.values()}
        self._threads = ThreadPoolExecutor(32, "lambda-api")
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def __call__(self, request: Request) -> Response:
        try:
            if match := INVOKE.match(request.path):
                return await self._invoke(unquote(match[1]), request)
            work = self._prepare_durable_call(request)
            result = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            return Response(200, [("content-type", "application/json")], _encode(result))
        except AwsApiException as error:
            kind = "ServiceException" if isinstance(error, IllegalStateException) else type(error).__name__
            return Response.json(error.http_status_code, error.to_dict(), [("x-amzn-errortype", kind)])

    def find(self, name: str) -> tuple[Function, str]:
        """Return a function and the qualifier by name, `name:alias` or ARN. Raises ResourceNotFoundException."""
        if name.startswith("arn:"):
            name = name.split(":", 6)[6]
        bare, _, qualifier = name.partition(":")
        if bare not in self.by_name:
            raise ResourceNotFoundException(f"Function not found: {name}")
        return self.by_name[bare], qualifier

    async def invoke_later(self, function: Function, payload: bytes) -> None:
        """Store an asynchronous invocation and run it in the background; return when it is stored."""
        number = self.executions.store.add_invocation(function.id, payload)
        self._start_task(self._run_later(number, function, payload))

    def resume_invocations(self) -> None:
        """Run the asynchronous invocations that a kill interrupted."""
        for number, name, payload in self.executions.store.list_invocations():
            if name in self.pool.functions:
                self._start_task(self._run_later(number, self.pool.functions[name], payload))

    def wake_callers(self, arn: str) -> None:
        """Wake the callers that wait for this execution. Must be called on the event loop."""
        for waiter in self._waiting.pop(arn, []):
            if not waiter.done():
                waiter.set_result(None)

    async def _invoke(self, name: str, request: Request) -> Response:
        """Handle an Invoke request: of a plain or a durable function, synchronous, asynchronous, or a dry run.

        Raises ResourceNotFoundException, InvalidParameterValueException.
        """
        function, qualifier = self.find(name)
        query = parse_qs(request.query)
        qualifier = query.get("Qualifier", [qualifier])[0]
        kind = request.get_header("x-amz-invocation-type") or "RequestResponse"
        payload = request.body or b"{}"
        try:
            json.loads(payload)
        except ValueError as error:
            raise InvalidParameterValueException(f"Could not parse request body into json: {error}") from None
        if kind == "DryRun":
            return Response(204)
        if function.durable is not None:
            return await self._invoke_durable(function, qualifier, kind, payload, request)
        if kind == "Event":
            await self.invoke_later(function, payload)
            return Response(202)
        result = await self.pool.call(
            function.id,
            payload,
            lane="nested",
            tenant=find_tenant(payload),
            qualifier=f":{qualifier}" if qualifier else "",
        )
        if result.failed:
            report_failure(function.id, result, self.pool)
        return _build_invoke_response(result)

    async def _invoke_durable(
        self, function: Function, qualifier: str, kind: str, payload: bytes, request: Request
    ) -> Response:
        """Start a durable execution; return its result when it has ended or, with the kind `Event`, 202 at once.

        Raises InvalidParameterValueException, DurableExecutionAlreadyStartedException.
        """
        name = request.get_header("x-amz-durable-execution-name")
        if name is not None and not NAME.fullmatch(name):
            raise InvalidParameterValueException(f"Invalid durable execution name: {name}")
        if not qualifier:
            raise InvalidParameterValueException("A durable function is invoked with a version or an alias")
        loop = asyncio.get_running_loop()
        arn = await loop.run_in_executor(
            self._threads, self.executions.start, function, qualifier, name, payload.decode()
        )
        header = ("x-amz-durable-execution-arn", arn)
        if kind == "Event":
            return Response(202, [header])
        await self._wait(arn)
        execution = await loop.run_in_executor(self._threads, self.executions.get_execution, arn)
        result = execution.result
        if result is not None and result.error is not None:
            error = {"errorType": result.error.type, "errorMessage": result.error.message}
            return Response.json(200, error, [header, ("x-amz-function-error", "Unhandled")])
        text = result.result if result is not None and result.result is not None else "null"
        return Response(200, [header, ("x-amz-executed-version", "$LATEST")], text.encode())

    async def _wait(self, arn: str) -> None:
        """Return when a durable execution has ended."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(arn, []).append(waiter)
        if self.executions.get_execution(arn).is_complete:
            self.wake_callers(arn)
        await waiter

    async def _run_later(self, number: int, function: Function, payload: bytes) -> None:
        """Run a stored asynchronous invocation, with two retries after 1 and 5 s, then remove it."""
        for delay in (*RETRY_SECONDS, None):
            result = await self.pool.call(
                function.id, payload, lane="background", tenant=find_tenant(payload)
            )
            if not result.failed:
                break
            report_failure(function.id, result, self.pool)
            if delay is not None:
                await asyncio.sleep(delay)
        self.executions.store.remove_invocation(number)

    def _start_task(self, work: Any) -> None:
        """Run a coroutine in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _prepare_durable_call(self, request: Request) -> Callable[[], Any]:
        """Return the blocking function that handles a request to the durable API, for a thread."""
        executions, query = self.executions, {key: value[0] for key, value in parse_qs(request.query).items()}
        if match := EXECUTION.match(request.path):
            arn, action = unquote(match[1]), match[2]
            return lambda: self._handle_execution_request(arn, action, request, query)
        if match := CALLBACK.match(request.path):
            callback, verb = unquote(match[1]), match[2]
            if verb == "succeed":
                return lambda: executions.send_callback_success(callback, request.body) and {}
            if verb == "fail":
                return lambda: (
                    executions.send_callback_failure(callback, _parse_error_object(request.body)) and {}
                )
            return lambda: executions.send_callback_heartbeat(callback) and {}
        if match := LIST.match(request.path):
            function, _ = self.find(unquote(match[1]))
            statuses = ",".join(parse_qs(request.query).get("Statuses", []))
            return lambda: executions.list_executions(
                function_name=function.name,
                execution_name=query.get("DurableExecutionName"),
                status_filter=statuses or None,
                started_after=_to_epoch_seconds(query.get("StartedAfter")),
                started_before=_to_epoch_seconds(query.get("StartedBefore")),
                marker=query.get("Marker"),
                max_items=int(query.get("MaxItems", "50")),
                reverse_order=query.get("ReverseOrder") == "true",
            ).to_dict()
        raise ResourceNotFoundException(f"Unknown path: {request.path}")

    def _handle_execution_request(
        self, arn: str, action: str | None, request: Request, query: dict[str, str]
    ) -> Any:
        """Return the response of a request about one durable execution, to be encoded as JSON; blocks.

        `action` is `checkpoint`, `state`, `history`, `stop` or, for its details, None. Raises ServiceException.
        """
        executions = self.executions
        if action == "checkpoint":
            checkpoint = CheckpointDurableExecutionRequest.from_dict(json.loads(request.body), arn)
            token, client_token = checkpoint.checkpoint_token, checkpoint.client_token
            return executions.checkpoint_execution(arn, token, checkpoint.updates, client_token).to_dict()
        if action == "state":
            size = int(query["MaxItems"]) if "MaxItems" in query else None
            marker = query.get("Marker") or None
            return executions.get_execution_state(arn, query.get("CheckpointToken"), marker, size).to_dict()
        if action == "history":
            return executions.get_execution_history(
                arn,
                include_execution_data=query.get("IncludeExecutionData") == "true",
                reverse_order=query.get("ReverseOrder") == "true",
                marker=query.get("Marker"),
                max_items=int(query.get("MaxItems", "100")),
            ).to_dict()
        if action == "stop":
            return executions.stop_execution(arn, _parse_error_object(request.body)).to_dict()
        if request.method != "GET":
            raise ServiceException(f"Not served here: {request.method} {request.path}")
        return executions.get_execution_details(arn).to_dict()


def _build_invoke_response(result: HandlerResult) -> Response:
    """Return the response of a synchronous invocation: 200, with an error header when the function failed."""
    headers = [("content-type", "application/json"), ("x-amz-executed-version", "$LATEST")]
    if result.failed:
        headers.append(("x-amz-function-error", "Unhandled"))
    return Response(200, headers, result.payload)


def _parse_error_object(body: bytes) -> ErrorObject | None:
    """Return the error in a request's body, or None when the body is empty."""
    return ErrorObject.from_dict(json.loads(body)) if body else None


def _to_epoch_seconds(text: str | None) -> str | None:
    """Return a timestamp of the query (ISO 8601 or epoch seconds) as epoch seconds."""
    if text is None:
        return None
    try:
        return str(float(text))
    except ValueError:
        return str(datetime.fromisoformat(text).timestamp())


def _encode(value: Any) -> bytes:
    """Return a value as JSON, with moments in epoch seconds."""
    return json.dumps(value, default=lambda moment: moment.timestamp()).encode()
