"""subworkflow: runs another workflow with the items and waits for what it answers."""

from typing import Any
from uuid import UUID

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import (
    Call,
    Carrier,
    NodeError,
    NodeType,
    Outputs,
    Parameters,
    passed,
)


class SubworkflowParameters(Parameters):
    workflow_id: UUID
    """An active workflow of the organization."""
    timeout_seconds: int = Field(default=3_600, ge=1, le=30 * 86_400)
    """How long its run may take."""


def carry(call: Call, carrier: Carrier) -> Outputs:
    """The output of the other run: its items, or one item `{"value": …}`."""
    parameters = call.once(SubworkflowParameters)
    child = carrier.step("start", lambda: carrier.store_child(parameters.workflow_id, call.items))

    def announce(callback_id: str) -> None:
        carrier.announce_child(child, callback_id)

    carrier.steps.callback("run", announce, parameters.timeout_seconds)
    told: dict[str, Any] = carrier.step("result", carrier.child_result)
    if told["status"] in ("pending", "running", "waiting", "paused"):
        raise NodeError("subworkflow_timeout", f"Its run took longer than {parameters.timeout_seconds} s")
    if told["status"] != "completed":
        code = (told.get("error") or {}).get("code", told["status"])
        raise NodeError("subworkflow_failed", f"Its run {told['executionId']} is {told['status']}: {code}")
    output = told.get("output")
    return {"main": [_item(value) for value in (output if isinstance(output, list) else [output])]}


def _item(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


NODE = NodeType(
    label="Run a workflow",
    description="Runs another workflow with the items, as a run of its own, and waits for what it answers.",
    category="flow",
    kind="flow",
    operations=8,
    may_suspend=True,
    express=False,
    parameters=SubworkflowParameters,
    run=passed,
    carry=carry,
)
