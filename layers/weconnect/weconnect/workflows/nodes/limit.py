"""limit: keeps so many items."""

from typing import Literal

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class LimitParameters(Parameters):
    max_items: int = Field(ge=1, le=100_000)
    """How many."""
    take: Literal["first", "last"] = "first"
    """From which end."""


def run(call: Call) -> Outputs:
    """The first or the last items."""
    parameters = call.once(LimitParameters)
    most = parameters.max_items
    return {"main": call.items[:most] if parameters.take == "first" else call.items[-most:]}


NODE = NodeType(
    label="Limit",
    description="Keeps the first or the last items.",
    category="data",
    parameters=LimitParameters,
    run=run,
)
