"""subworkflow: executes another workflow with the items and waits for its output."""

from typing import Any
from uuid import UUID

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import (
    FlowContext,
    ItemsByOutput,
    NodeError,
    NodeRun,
    NodeType,
    pass_through,
)


class SubworkflowParameters(Parameters):
    workflow_id: UUID
    """ID of an active workflow of the organization."""
    timeout_seconds: int = Field(default=3_600, ge=1, le=30 * 86_400)
    """Maximum seconds to wait for its execution."""


def execute(node_run: NodeRun, context: FlowContext) -> ItemsByOutput:
    """Return the output of the other execution: its items, or one item `{"value": …}`."""
    parameters = node_run.resolve_once(SubworkflowParameters)
    child = context.step("start", lambda: context.store_child(parameters.workflow_id, node_run.items))

    def announce(callback_id: str) -> None:
        context.start_child(child, callback_id)

    context.steps.callback("run", announce, parameters.timeout_seconds)
    result = context.step("result", context.load_child_result)
    if result["status"] in ("pending", "running", "waiting", "paused"):
        text = f"The execution did not complete within {parameters.timeout_seconds} s. Set a longer timeout."
        raise NodeError("subworkflow_timeout", text)
    if result["status"] != "completed":
        error = result.get("error")
        code = error["code"] if error else result["status"]
        raise NodeError(
            "subworkflow_failed", f"The execution {result['executionId']} is {result['status']}: {code}"
        )
    output = result.get("output")
    return {"main": [_convert_item(value) for value in (output if isinstance(output, list) else [output])]}


def _convert_item(value: Any) -> dict[str, Any]:
    """Return an object as it is, any other value as `{"value": …}`."""
    return value if isinstance(value, dict) else {"value": value}


NODE = NodeType(
    label="Execute a workflow",
    description="Executes another workflow with the items, and returns its output as items.",
    category="flow",
    kind="flow",
    operations=8,
    may_suspend=True,
    starts_executions=True,
    express=False,
    parameters=SubworkflowParameters,
    run=pass_through,
    execute=execute,
)
