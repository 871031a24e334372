"""approval: suspends a branch until a person decides whether it may continue."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import (
    ApprovalRequest,
    FlowContext,
    ItemsByOutput,
    NodeRun,
    NodeType,
    pass_through,
)


class ApprovalParameters(Parameters):
    message: Annotated[str, Field(min_length=1, max_length=2_000)]
    """Message to the people who decide."""
    values: dict[Annotated[str, Field(min_length=1, max_length=255)], Any] = {}
    """Values to show with the message. The approver may change them; they are added to each item."""
    users: Annotated[list[UUID], Field(max_length=50)] = []
    """IDs of the users who may decide. With no users and no roles, everybody who may execute workflows."""
    roles: Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=10)] = []
    """Roles in the organization whose members may decide."""
    expires_in_seconds: Annotated[int, Field(ge=60, le=30 * 86_400)] = 86_400
    """Seconds until the request expires; then the items go to `expired`."""


def execute(node_run: NodeRun, context: FlowContext) -> ItemsByOutput:
    """Return the items as `approved` with the approved values added, or as `denied` or `expired`.

    Each has the decision in the field `approval`.
    """
    parameters = node_run.resolve_once(ApprovalParameters)
    request = ApprovalRequest(
        parameters.message,
        parameters.values,
        parameters.users,
        parameters.roles,
        parameters.expires_in_seconds,
    )
    context.step("ask", lambda: context.request_approval(request))
    context.steps.callback("decision", context.announce_approval, parameters.expires_in_seconds)
    result = context.step("decided", context.load_decision)
    is_approved = result["status"] == "approved"
    values = result["arguments"] if is_approved else {}
    decision = {name: value for name, value in result.items() if name != "arguments" or not is_approved}
    output = result["status"] if result["status"] in ("approved", "denied") else "expired"
    return {output: [item | values | {"approval": decision} for item in node_run.items]}


NODE = NodeType(
    label="Approval",
    description="Suspends the branch until a person decides, or the request expires. Adds the decision as `approval`.",
    category="flow",
    kind="flow",
    operations=8,
    outputs=("approved", "denied", "expired"),
    may_suspend=True,
    express=False,
    parameters=ApprovalParameters,
    run=pass_through,
    execute=execute,
)
