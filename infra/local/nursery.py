"""The process that has imported every function and forks a worker whenever the host asks for one.

It stays single-threaded, so that forking is safe. A worker runs one call at a time: handlers are not re-entrant.
Usage: python -m infra.local.nursery <control socket> <life pipe>. The host hands over one end of a socket pair per
worker. Only the host holds the life pipe's other end: when the host is gone, whatever way, every worker ends.
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

from infra.local.frames import pack, read_frame

Handler = Callable[[Any, Any], Any]
# Imported while the host is still creating the table, so that the functions' own imports are quick.
COMMON_MODULES = (
    "boto3", "botocore.loaders", "pydantic", "pynamodb.models", "aws_lambda_powertools.event_handler.api_gateway",
    "aws_durable_execution_sdk_python",
)  # fmt: skip

# What model providers need, imported when nothing has been asked for in a while: else each new worker takes seconds
# over it at its first request to a model.
LATER_MODULES = (
    "weconnect.agents.models.pydantic_ai_adapter", "pydantic_ai.models.openai", "pydantic_ai.models.anthropic",
    "pydantic_ai.models.google", "pydantic_ai.models.bedrock",
)  # fmt: skip
QUIET_SECONDS = 2.0


class LambdaContext(SimpleNamespace):
    """What a handler gets as its second argument."""

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self.deadline * 1000 - time.time() * 1000))


def main() -> None:
    """Import, say so, and fork a worker for every socket that the host sends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the host decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    control, life = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    for module in COMMON_MODULES:
        import_if_there(module)
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
            import_if_there(later.pop(0))
            freeze()
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            serve(socket.socket(fileno=descriptors[0]), life, configuration["functions"], handlers, failures)
        os.close(descriptors[0])


def import_if_there(module: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(module)


def freeze() -> None:
    """Keep the collector from touching, and so copying, every page that workers share."""
    gc.collect()
    gc.freeze()


def import_handlers(functions: dict[str, Any]) -> tuple[dict[str, Handler], dict[str, str]]:
    """Return handlers by function id, and an import error for each that has none."""
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
    """Make the table's client, which no worker then has to make; it connects when it is used."""
    with contextlib.suppress(ImportError):  # a project without our layer
        row = importlib.import_module("weconnect.db.row").Row
        row._get_connection().connection.client  # noqa: B018  # made when it is read


def serve(
    connection: socket.socket, life: int, functions: dict[str, Any], handlers: dict[str, Handler],
    failures: dict[str, str],
) -> None:  # fmt: skip
    """Answer calls until the host closes the connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_host, args=(life,), daemon=True).start()
    connection.sendall(pack({"pid": os.getpid()}))
    while frame := read_frame(connection):
        call, payload = frame
        try:
            answer = pack({}, run(call, payload, functions, handlers, failures))
        except Exception as error:
            traceback.print_exc()
            answer = pack({"error": True}, json.dumps(_describe(error)).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            connection.sendall(answer)
        except OSError:
            break
    os._exit(0)


def run(
    call: dict[str, Any], payload: bytes, functions: dict[str, Any], handlers: dict[str, Handler],
    failures: dict[str, str],
) -> bytes:  # fmt: skip
    """Run the handler that `call` names, after its authorizer if it has one; return its answer as JSON."""
    event = json.loads(payload) if payload else {}
    if authorizer := call.get("authorizer"):
        request = _authorizer_request(event, functions[authorizer]["arn"])
        verdict = _invoke(authorizer, request, call, functions, handlers, failures)
        if not isinstance(verdict, dict) or verdict.get("isAuthorized") is not True:
            return b'{"statusCode":403,"body":"{\\"message\\":\\"Forbidden\\"}"}'
        event["requestContext"]["authorizer"] = {"lambda": verdict.get("context") or {}}
    answer = _invoke(call["function"], event, call, functions, handlers, failures)
    return json.dumps(answer, separators=(",", ":")).encode()


def _invoke(
    name: str, event: Any, call: dict[str, Any], functions: dict[str, Any], handlers: dict[str, Handler],
    failures: dict[str, str],
) -> Any:  # fmt: skip
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
    _forget_request()
    try:
        return handlers[name](event, context)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _forget_request() -> None:
    """A Lambda process has one function; here its log lines would carry the request of another before it."""
    from weconnect.log import logger

    logger.structure_logs(append=False)


def _authorizer_request(event: dict[str, Any], authorizer_arn: str) -> dict[str, Any]:
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


def _describe(error: BaseException) -> dict[str, Any]:
    return {
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def _end_with_host(life: int) -> None:
    select.select([life], [], [])
    os._exit(1)


if __name__ == "__main__":
    main()
