"""The result of the child process, one line of JSON, and the limits of it and of the log.

`{"items": [object, …]}` or `{"error": {"code", "message"}}`. The child executes the user's code, so the parent checks
its result like a stranger's: the code can forge nothing but its own result.
"""

import json
import signal
from typing import Any

MAX_RESULT_BYTES = 4 * 2**20
MAX_LOG_BYTES, MAX_LOG_LINES, MAX_LOG_LINE = 16 * 1024, 200, 1_000
MAX_LINE_BYTES = MAX_RESULT_BYTES + MAX_LOG_BYTES
MAX_MESSAGE = 2_000

TOO_LARGE = f"The code returned more than {MAX_RESULT_BYTES >> 20} MB"
NOT_JSON = "The code returned something that is not JSON"
# A constant text, because it is needed when no memory is left to build one.
OUT_OF_MEMORY = '{"error": {"code": "code_out_of_memory", "message": "The code needs more than 512 MB"}}'
ERROR_CODES = {"code_failed", "code_out_of_memory", "not_json", "too_large"}


def to_error(code: str, message: str) -> dict[str, Any]:
    """Return `{"error": {"code", "message"}}`."""
    return {"error": {"code": code, "message": message}}


def check_result(line: bytes, status: int) -> dict[str, Any]:
    """Return the child's result if it has the form of one, else an error.

    `status` is the return code of the process, negative for a signal; it explains a line that is not complete.
    """
    if len(line) > MAX_LINE_BYTES:
        return to_error("too_large", TOO_LARGE)
    if not line.endswith(b"\n"):
        if status == -signal.SIGXCPU:
            return to_error("code_timeout", "The code exceeded its CPU time")
        reason = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return to_error("code_failed", f"The process ended without a result: {reason}")
    try:
        result = json.loads(line, parse_constant=_refuse_constant)
        json.dumps(result, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
        match result:
            case {"items": list(items)} if all(isinstance(item, dict) for item in items):
                return {"items": items}
            case {"error": {"code": str(code), "message": str(message)}} if code in ERROR_CODES:
                return to_error(code, message[:MAX_MESSAGE])
    except (ValueError, RecursionError):
        pass
    return to_error("not_json", NOT_JSON)


def split_log(printed: bytes) -> list[str]:
    """Return the printed lines, within the limits of the log; a last line says when some are missing."""
    lines = printed[:MAX_LOG_BYTES].decode(errors="replace").splitlines()
    is_complete = len(printed) <= MAX_LOG_BYTES and len(lines) <= MAX_LOG_LINES
    return [line[:MAX_LOG_LINE] for line in lines[:MAX_LOG_LINES]] + ([] if is_complete else ["… and more"])


def _refuse_constant(name: str) -> Any:
    """Raise ValueError for NaN and Infinity, which Python's parser would accept."""
    raise ValueError(f"{name} is not JSON")
