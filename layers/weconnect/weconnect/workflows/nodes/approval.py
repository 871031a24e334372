"""approval: holds a branch until somebody says whether it may go on."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import (
    Call,
    Carrier,
    NodeType,
    Outputs,
    Parameters,
    Question,
    passed,
)


class ApprovalParameters(Parameters):
    message: Annotated[str, Field(min_length=1, max_length=2_000)]
    """What is asked."""
    values: dict[Annotated[str, Field(min_length=1, max_length=255)], Any] = {}
    """What is shown with it; who approves may change these, and each item gets them."""
    users: Annotated[list[UUID], Field(max_length=50)] = []
    """Who may decide; with nobody named here or in `roles`: everybody who may run workflows."""
    roles: Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=10)] = []
    """Roles in the organization that may decide."""
    expires_in_seconds: Annotated[int, Field(ge=60, le=30 * 86_400)] = 86_400
    """When nobody decides, the items go to `expired`."""


def carry(call: Call, carrier: Carrier) -> Outputs:
    """Items with the approved values go to `approved`, as they came to `denied` or `expired`; all tell who decided."""
    given = call.once(ApprovalParameters)
    question = Question(given.message, given.values, given.users, given.roles, given.expires_in_seconds)
    carrier.step("ask", lambda: carrier.ask(question))
    carrier.steps.callback("decision", carrier.announce_question, given.expires_in_seconds)
    told: dict[str, Any] = carrier.step("decided", carrier.decision)
    values = told.pop("arguments") if told["status"] == "approved" else {}
    output = told["status"] if told["status"] in ("approved", "denied") else "expired"
    return {output: [item | values | {"approval": told} for item in call.items]}


NODE = NodeType(
    label="Approval",
    description="Holds a branch until somebody says whether it may go on.",
    category="flow",
    kind="flow",
    operations=8,
    outputs=("approved", "denied", "expired"),
    may_suspend=True,
    express=False,
    parameters=ApprovalParameters,
    run=passed,
    carry=carry,
)
