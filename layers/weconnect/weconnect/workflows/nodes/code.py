"""code: executes Python of users, in a function without permissions and network (`functions/code_runner`)."""

import ast
import functools
import json
import warnings
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, field_validator

from weconnect import clock
from weconnect.node_sdk.node_parameters import ExpressionRule, Parameters
from weconnect.node_sdk.node_type import LOG, Item, ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.settings import settings

MAX_CODE_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 5 * 2**20
MAX_SECONDS = 60
START_SECONDS = 30
"""Seconds that the start of the function may take beside the code's own time."""

EXAMPLE = """total = sum(item["price"] for item in items)
print(f"{len(items)} items, {total} in all")
return [item | {"share": item["price"] / total} for item in items]"""


class CodeParameters(Parameters):
    code: Annotated[
        str, Field(min_length=1, max_length=MAX_CODE_BYTES, examples=[EXAMPLE]), ExpressionRule.VERBATIM
    ]
    """Body of a Python function, with the standard library. Its variables: `items`, a list of dicts (in the mode
    `each` also `item` and `index`), `trigger`, `variables`, `execution` (`id`, `workflowId`, `workflowName`,
    `workflowVersion`, `mode`) and `now`, as `$now()`. It returns or yields the items to pass on: dicts, and lists of
    them; any other value becomes `{"value": …}`, and None no item. Printed lines are added to the log. It has 512 MB
    of memory, no network, and files of its own that are deleted afterwards. Braces in it do not begin
    expressions."""
    mode: Literal["each", "all"] = "each"
    """Execute the code once for each item, or once for all of them."""
    variables: dict[Annotated[str, Field(max_length=255)], Any] = {}
    """Values for `variables` in the code, such as `{"rate": "{{ $vars.rate }}"}`. Secrets are not allowed here."""
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)] = 10
    """Maximum seconds for all items together."""

    @field_validator("code")
    @classmethod
    def _is_python(cls, code: str) -> str:
        """Return code that Python can parse. Raises ValueError with the line of an error."""
        if len(code.encode(errors="replace")) > MAX_CODE_BYTES:
            raise ValueError(f"the code is longer than {MAX_CODE_BYTES >> 10} KB")
        if error := find_syntax_error(code):
            raise ValueError(error)
        return code


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the items that the code returned, and the lines that it printed."""
    is_for_all = node_run.node.parameters.get("mode") == "all"
    resolved = (
        [node_run.resolve_once(CodeParameters)]
        if is_for_all
        else [each for each, _ in node_run.resolve_each(CodeParameters)]
    )
    if not resolved:
        return {}
    first, scope = resolved[0], node_run.scope
    seconds = min(first.timeout_seconds, node_run.timeout_seconds)
    request = {
        "code": first.code,
        "mode": first.mode,
        "items": node_run.items,
        "variables": [each.variables for each in resolved],
        "trigger": scope.trigger,
        "execution": {name: value for name, value in scope.execution.items() if name != "callbackToken"},
        "now": clock.iso(scope.moment),
        "timeoutSeconds": seconds,
    }
    response = _invoke(node_run.organization_id, request)
    log = [{"level": "info", "message": line} for line in response["log"]]
    if error := response.get("error"):
        raise NodeError(error["code"], error["message"], log=log)
    return {"main": response["items"]} | ({LOG: log} if log else {})


@functools.lru_cache(maxsize=16)
def find_syntax_error(code: str) -> str | None:
    """Return why a function's body is not Python, with the line, or None. Nothing in it is executed."""
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
        return f"not Python: {error}"
    except (RecursionError, MemoryError):
        return "the code is nested too deeply"
    return None


def unavailable() -> str:
    """Return why this deployment cannot execute code, or an empty text."""
    if settings.run_code_function:
        return ""
    return "Code needs a network of its own. Deploy with the parameters CodeVpcId and CodeSubnetIds."


@functools.cache
def _get_client() -> Any:
    """Return a Lambda client that waits as long as code may take, and never retries."""
    import boto3  # cold start
    from botocore.config import Config  # cold start

    config = Config(read_timeout=MAX_SECONDS + START_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("lambda", region_name=settings.region, config=config)


def _invoke(organization_id: UUID, request: Item) -> Any:
    """Return the function's response, from an execution environment that serves only this organization.

    Raises NodeError.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # cold start

    if reason := unavailable():
        raise NodeError("code_not_available", reason)
    payload = json.dumps(request).encode()
    if len(payload) > MAX_REQUEST_BYTES:
        text = f"Items, trigger and variables have more than {MAX_REQUEST_BYTES >> 20} MB together. Pass on fewer."
        raise NodeError("too_large", text)
    try:
        invocation = _get_client().invoke(
            FunctionName=settings.run_code_function, TenantId=str(organization_id), Payload=payload
        )
        response = json.loads(invocation["Payload"].read())
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise NodeError("code_not_reached", code, retryable=status == 429 or status >= 500) from error
    except BotoCoreError as error:
        raise NodeError("code_not_reached", type(error).__name__, retryable=True) from error
    if "FunctionError" in invocation:
        if response.get("errorType") == "Sandbox.Timedout":
            raise NodeError("code_timeout", "The code exceeded its time limit")
        text = f"The process around the code ended: {response.get('errorMessage', '')}"
        raise NodeError("code_failed", text)
    return response


NODE = NodeType(
    label="Code",
    description="Executes your Python code over the items, without network, secrets or permissions.",
    category="code",
    kind="effect",
    express=False,
    testable=True,
    unavailable=unavailable,
    parameters=CodeParameters,
    run=run,
)
