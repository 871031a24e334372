"""code: runs Python that people write, in a function that may do nothing and reach nothing (`run_code`)."""

import functools
import json
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field, field_validator

from weconnect import clock
from weconnect.settings import settings
from weconnect.workflows.node_sdk.node_type import LOG, Call, Item, NodeError, NodeType, Outputs, Parameters

MAX_CODE_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 5 * 2**20
MAX_SECONDS = 60
START_SECONDS = 30
"""What starting the function may take beside the code's own time."""

EXAMPLE = """total = sum(item["price"] for item in items)
print(f"{len(items)} items, {total} in all")
return [item | {"share": item["price"] / total} for item in items]"""


class CodeParameters(Parameters):
    VERBATIM: ClassVar[frozenset[str]] = frozenset({"code"})

    code: Annotated[str, Field(min_length=1, max_length=MAX_CODE_BYTES, examples=[EXAMPLE])]
    """The body of a Python function, with the standard library. It sees `items`, a list of dicts (with the mode `each`
    also `item` and `index`), `trigger`, `variables`, `execution` (`id`, `workflowId`, `workflowName`,
    `workflowVersion`, `mode`) and `now`, as `$now()` tells it. What it returns or yields are the items that go on:
    dicts, and lists of them; any other value is a field `value`, and None is no item. What it prints is in the run's
    log. It has 512 MB, no network, and files of its own that are gone afterwards. Braces in it are no expressions."""
    mode: Literal["each", "all"] = "each"
    """Once for each item, or once for all of them."""
    variables: dict[Annotated[str, Field(max_length=255)], Any] = {}
    """What the code sees as `variables`, such as `{"rate": "{{ $vars.rate }}"}`. Secrets may not stand here."""
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)] = 10
    """For all items together."""

    @field_validator("code")
    @classmethod
    def _is_python(cls, code: str) -> str:
        if len(code.encode(errors="replace")) > MAX_CODE_BYTES:
            raise ValueError(f"It is longer than {MAX_CODE_BYTES >> 10} KB")
        if wrong := syntax_error(code):
            raise ValueError(wrong)
        return code


def run(call: Call) -> Outputs:
    """What the code returned, and what it printed."""
    at_once = call.node.parameters.get("mode") == "all"
    given = [call.once(CodeParameters)] if at_once else [each for each, _ in call.each(CodeParameters)]
    if not given:
        return {}
    first, scope = given[0], call.scope
    seconds = min(first.timeout_seconds, call.timeout_seconds)
    request = {
        "code": first.code,
        "mode": first.mode,
        "items": call.items,
        "variables": [each.variables for each in given],
        "trigger": scope.trigger,
        "execution": {name: value for name, value in scope.execution.items() if name != "callbackToken"},
        "now": clock.iso(scope.moment),
        "timeoutSeconds": seconds,
    }
    answer = _carried_out(call.organization_id, request)
    log = [{"level": "info", "message": line} for line in answer["log"]]
    if error := answer.get("error"):
        raise NodeError(error["code"], error["message"], log=log)
    return {"main": answer["items"]} | ({LOG: log} if log else {})


@functools.lru_cache(maxsize=16)
def syntax_error(code: str) -> str | None:
    """Why Python cannot read a function's body, with the line; nothing of it is run."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings(action="ignore"):
            holder = ast.parse("def code(): pass")
            function = holder.body[0]
            assert isinstance(function, ast.FunctionDef)
            function.body = ast.parse(code).body or function.body
            compile(holder, "<code>", "exec")
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    except (ValueError, OverflowError) as error:
        return f"It is no Python: {error}"
    except (RecursionError, MemoryError):
        return "It is nested too deeply"
    return None


def unavailable() -> str:
    """Why there is no function that runs code, if there is none."""
    if settings.run_code_function:
        return ""
    return "Code runs in a network of its own, which this deployment was not given (CodeVpcId, CodeSubnetIds)"


@functools.cache
def _client() -> Any:
    """A client that waits as long as code may take, and does nothing twice."""
    import boto3
    from botocore.config import Config

    config = Config(read_timeout=MAX_SECONDS + START_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("lambda", region_name=settings.region, config=config)


def _carried_out(organization_id: UUID, request: Item) -> Any:
    """The function's answer, from a machine that has only ever worked for this organization."""
    from botocore.exceptions import BotoCoreError, ClientError

    if reason := unavailable():
        raise NodeError("code_not_available", reason)
    payload = json.dumps(request).encode()
    if len(payload) > MAX_REQUEST_BYTES:
        text = f"Code gets at most {MAX_REQUEST_BYTES >> 20} MB: items, trigger and variables"
        raise NodeError("too_large", text)
    try:
        answered = _client().invoke(
            FunctionName=settings.run_code_function, TenantId=str(organization_id), Payload=payload
        )
        answer = json.loads(answered["Payload"].read())
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise NodeError("code_not_reached", code, retryable=status == 429 or status >= 500) from error
    except BotoCoreError as error:
        raise NodeError("code_not_reached", type(error).__name__, retryable=True) from error
    if "FunctionError" in answered:
        if answer.get("errorType") == "Sandbox.Timedout":
            raise NodeError("code_timeout", "The code took longer than it may")
        said = f"The process around the code has ended: {answer.get('errorMessage', '')}"
        raise NodeError("code_failed", said)
    return answer


NODE = NodeType(
    label="Code",
    description="Runs Python that you write over the items, without network, secrets or permissions.",
    category="code",
    kind="effect",
    express=False,
    testable=True,
    unavailable=unavailable,
    parameters=CodeParameters,
    run=run,
)
