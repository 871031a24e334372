"""The program of the child process: isolates itself, executes the user's code, writes one line with the result.

`run_code` starts it by the path of this file, with a file descriptor for the result as its argument and the event of
the Lambda function on standard input. It starts without site packages and without this folder in `sys.path`.
"""

import ast
import contextlib
import json
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
from code_runner import isolation, result_format

if __name__ == "__main__":  # the user's code shall find nothing of ours to import
    del sys.path[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == "code_runner"]:
        del sys.modules[name]

SOURCE_NAME = "<code>"
MAX_EXCEPTION_TEXT = 1_500
CPU_SECONDS_MARGIN = 2


def main() -> None:
    """Read the request, isolate, and have a second process execute it: the first one of the new namespace."""
    result_descriptor = int(sys.argv[1])
    os.set_inheritable(result_descriptor, False)
    request = json.loads(sys.stdin.buffer.read())
    refusal = isolation.isolate()
    if refusal and not isolation.ON_LAMBDA:  # whose subnets and machines of one tenant have the same effect
        print(f"code is executed without isolation: {refusal}", file=sys.stderr, flush=True)
    isolation.set_process_option(
        isolation.DEATH_SIGNAL, signal.SIGKILL
    )  # end when the parent ends, and so on
    if child := os.fork():
        os.closerange(0, result_descriptor + 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status < 0:
            os.kill(os.getpid(), -status)
        os._exit(status)
    if os.getpid() == 1:
        os.setsid()
    isolation.set_process_option(isolation.DEATH_SIGNAL, signal.SIGKILL)
    isolation.set_resource_limits(int(request["timeoutSeconds"]) + CPU_SECONDS_MARGIN)
    _redirect_standard_streams()
    try:
        result = _execute(request)
        with contextlib.suppress(BaseException):  # the stream may be the user's by now
            sys.stdout.flush()
        _write_line(result_descriptor, result)
    except MemoryError:
        _write_line(result_descriptor, result_format.OUT_OF_MEMORY)
    os._exit(0)  # without waiting for threads


def _execute(request: dict[str, Any]) -> str:
    """Return the result of the user's code as JSON on one line."""
    code, prefix = "code_failed", ""
    try:
        items = [item for value in _call_code(request) for item in _to_items(value)]
        code, prefix = "not_json", f"{result_format.NOT_JSON}: "
        text = json.dumps({"items": items}, allow_nan=False)
    except MemoryError:
        return result_format.OUT_OF_MEMORY
    except BaseException as error:
        return json.dumps(result_format.to_error(code, prefix + _describe(error)))
    if len(text) > result_format.MAX_RESULT_BYTES:
        return json.dumps(result_format.to_error("too_large", result_format.TOO_LARGE))
    return text


def _call_code(request: dict[str, Any]) -> Iterator[Any]:
    """Yield the value that the code returns, for each item or once for all of them."""
    items = request["items"]
    shared = {"items": items} | {name: request[name] for name in ("trigger", "execution", "now")}
    if request["mode"] == "all":
        arguments = [{"variables": request["variables"][0]}]
    else:
        each = zip(items, request["variables"], strict=True)
        arguments = [
            {"item": item, "index": index, "variables": own} for index, (item, own) in enumerate(each)
        ]
    function = _compile_function(request["code"], [*shared, *arguments[0]])
    for own in arguments:
        yield function(**shared, **own)


def _compile_function(code: str, parameters: list[str]) -> Callable[..., Any]:
    """Return a function with these parameters whose body is the code, with its own line numbers.

    Raises SyntaxError.
    """
    body = ast.parse(code, SOURCE_NAME).body
    module = ast.parse(f"def code({', '.join(parameters)}): pass")
    definition = module.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body = body or definition.body
    scope: dict[str, Any] = {"__name__": "code"}
    exec(compile(module, SOURCE_NAME, "exec"), scope)
    function: Callable[..., Any] = scope["code"]
    return function


def _to_items(value: Any) -> list[Any]:
    """Return a value as items: an object is one, a list or generator one per element, others `{"value": …}`."""
    if value is None:
        return []
    is_many = isinstance(value, list | tuple | types.GeneratorType)
    return [each if isinstance(each, dict) else {"value": each} for each in (value if is_many else [value])]


def _describe(error: BaseException) -> str:
    """Return the type and the text of an exception, and the last line of the user's code in its traceback."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == SOURCE_NAME else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == SOURCE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        text = f"{type(error).__name__}: {message[:MAX_EXCEPTION_TEXT]}"
    except BaseException:  # `__str__` is the user's code as well
        text = "An exception that cannot be shown"
    return text + (f" (line {line})" if line else "")


def _write_line(descriptor: int, text: str) -> None:
    """Write a text and a newline to a file descriptor, completely."""
    remaining = memoryview(text.encode() + b"\n")
    with contextlib.suppress(OSError):  # the code may have closed it
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]


def _redirect_standard_streams() -> None:
    """Make standard input empty, and send both output streams to the log."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(1, 2)
    os.close(null)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    for stream, descriptor in (("stdout", 1), ("stderr", 2)):
        options: Any = {"encoding": "utf-8", "errors": "backslashreplace", "closefd": False}
        setattr(sys, stream, os.fdopen(descriptor, "w", 1, **options))


if __name__ == "__main__":
    main()
