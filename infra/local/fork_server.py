"""The fork server: a process that has imported every function and forks a worker whenever the host requests one.

It stays single-threaded, so that forking is safe. A worker runs one call at a time: handlers are not re-entrant.
Usage: python -m infra.local.fork_server <control socket> <life pipe>. The host sends one end of a socket pair per
worker. Only the host has the other end of the life pipe: when the host ends, in whatever way, every worker ends.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from infra.local.socket_frames import pack, read_frame

Handler = Callable[[Any, Any], Any]
# Imported while the host is still creating the table, so that the functions' own imports are quick.
COMMON_MODULES = (
    "boto3", "botocore.loaders", "pydantic", "pynamodb.models", "aws_lambda_powertools.event_handler.api_gateway",
    "aws_durable_execution_sdk_python",
)  # fmt: skip

# Dependencies of the model providers, imported when no worker was requested for a while: otherwise each new worker
# would take seconds for them at its first request to a model.
LATER_MODULES = (
    "weconnect.models.pydantic_ai_adapter", "pydantic_ai.models.openai", "pydantic_ai.models.anthropic",
    "pydantic_ai.models.google", "pydantic_ai.models.bedrock",
)  # fmt: skip
QUIET_SECONDS = 2.0
NICENESS = 5
"""By how much workers come after the host and the emulator, which all of them wait for."""
FORBIDDEN = b'{"statusCode":403,"body":"{\\"message\\":\\"Forbidden\\"}"}'


class LambdaContext(SimpleNamespace):
    """The context that a handler gets as its second argument; `deadline` is in seconds since the epoch."""

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self.deadline * 1000 - time.time() * 1000))


def main() -> None:
    """Import the functions, report failures to the host, and fork a worker for every socket that the host sends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the host decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    control, life = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    for module in COMMON_MODULES:
        import_if_installed(module)
    frame = read_frame(control)
    if frame is None:
        return
    configuration = frame[0]
    os.environ.update(configuration["environment"])
    sys.path[:0] = configuration["path"]
    handlers, failures = import_handlers(configuration["functions"])
    open_table()
    freeze()
    control.sendall(pack({"failures": failures}))
    later = list(LATER_MODULES)
    while True:
        while later and not select.select([control], [], [], QUIET_SECONDS)[0]:
            import_if_installed(later.pop(0))
            freeze()
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            serve(socket.socket(fileno=descriptors[0]), life, configuration["functions"], handlers, failures)
        os.close(descriptors[0])


def import_if_installed(module: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(module)


def freeze() -> None:
    """Exclude all objects from garbage collection, which would touch, and so copy, every page that workers share."""
    gc.collect()
    gc.freeze()


def import_handlers(functions: dict[str, Any]) -> tuple[dict[str, Handler], dict[str, str]]:
    """Return the handlers by function ID, and the import errors of the others by function ID."""
    handlers, failures = {}, {}
    for name, function in functions.items():
        module, _, attribute = function["handler"].rpartition(".")
        try:
            handlers[name] = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            traceback.print_exc()
            failures[name] = f"Unable to import '{module}': {error!r}"
    return handlers, failures


def open_table() -> None:
    """Create the table's client, so that no worker has to; it connects at its first use."""
    with contextlib.suppress(ImportError):  # the project has no layer of ours
        row = importlib.import_module("weconnect.db.row").Row
        row._get_connection().connection.client  # noqa: B018  # created by reading it


def serve(
    connection: socket.socket, life: int, functions: dict[str, Any], handlers: dict[str, Handler],
    failures: dict[str, str],
) -> None:  # fmt: skip
    """Run calls of the host until it closes the connection, then exit."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(NICENESS)
    threading.Thread(target=_end_with_host, args=(life,), daemon=True).start()
    connection.sendall(pack({"pid": os.getpid()}))
    while frame := read_frame(connection):
        call, payload = frame
        try:
            response = pack({}, run_call(call, payload, functions, handlers, failures))
        except Exception as error:
            traceback.print_exc()
            response = pack({"error": True}, json.dumps(_describe_error(error)).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            connection.sendall(response)
        except OSError:
            break
    os._exit(0)


def run_call(
    call: dict[str, Any], payload: bytes, functions: dict[str, Any], handlers: dict[str, Handler],
    failures: dict[str, str],
) -> bytes:  # fmt: skip
    """Run the handler that `call` names, after its authorizer if it has one; return the result as JSON."""
    event = json.loads(payload) if payload else {}
    if authorizer := call.get("authorizer"):

        def run_authorizer(request: dict[str, Any]) -> Any:
            return _invoke(authorizer, request, call, functions, handlers, failures)

        if not authorize(event, functions[authorizer]["arn"], run_authorizer):
            return FORBIDDEN
    result = _invoke(call["function"], event, call, functions, handlers, failures)
    return json.dumps(result, separators=(",", ":")).encode()


def authorize(
    event: dict[str, Any], authorizer_arn: str, run_authorizer: Callable[[dict[str, Any]], Any]
) -> bool:
    """Add the context that an authorizer returns to an event of payload 2.0; return False when it refuses."""
    authorization = run_authorizer(_build_authorizer_request(event, authorizer_arn))
    if not isinstance(authorization, dict) or authorization.get("isAuthorized") is not True:
        return False
    event["requestContext"]["authorizer"] = {"lambda": authorization.get("context") or {}}
    return True


def _invoke(
    name: str, event: Any, call: dict[str, Any], functions: dict[str, Any], handlers: dict[str, Handler],
    failures: dict[str, str],
) -> Any:  # fmt: skip
    """Run one handler with its function's environment variables and return its result, or raise what it raises.

    Raises ImportError for a function that could not be imported.
    """
    if name in failures:
        raise ImportError(failures[name])
    function = functions[name]
    context = LambdaContext(
        function_name=function["name"],
        function_version="$LATEST",
        invoked_function_arn=function["arn"] + call.get("qualifier", ""),
        memory_limit_in_mb=str(function["memory"]),
        aws_request_id=call["request"],
        log_group_name=f"/aws/lambda/{function['name']}",
        log_stream_name=str(os.getpid()),
        identity=None,
        client_context=None,
        tenant_id=None,
        deadline=call["deadline"],
    )
    own = {"AWS_LAMBDA_FUNCTION_NAME": function["name"], **function["environment"]}
    before = {key: os.environ.get(key) for key in own}
    os.environ.update(own)
    _reset_log_keys()
    try:
        return handlers[name](event, context)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _reset_log_keys() -> None:
    """Reset the logger's keys.

    A Lambda process has one function; here the log lines would have the request ID of the previous call.
    """
    with contextlib.suppress(ImportError):  # the project has no layer of ours
        importlib.import_module("weconnect.log").logger.structure_logs(append=False)


def _build_authorizer_request(event: dict[str, Any], authorizer_arn: str) -> dict[str, Any]:
    """Return the payload-2.0 REQUEST event of a Lambda authorizer: the request without its body."""
    request = {key: value for key, value in event.items() if key not in ("body", "isBase64Encoded")}
    http = event["requestContext"]["http"]
    api = ":".join(authorizer_arn.replace(":lambda:", ":execute-api:").split(":")[:5])
    return {
        **request,
        "type": "REQUEST",
        "routeArn": f"{api}:local/$default/{http['method']}{event['rawPath']}",
        "identitySource": None,
    }


def _describe_error(error: BaseException) -> dict[str, Any]:
    """Return an error as Lambda's runtime reports it."""
    return {
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def _end_with_host(life: int) -> None:
    """Exit the worker as soon as the life pipe closes."""
    select.select([life], [], [])
    os._exit(1)


if __name__ == "__main__":
    main()
