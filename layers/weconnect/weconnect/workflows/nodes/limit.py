"""limit: passes on a number of items."""

from typing import Literal

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class LimitParameters(Parameters):
    max_items: int = Field(ge=1, le=100_000)
    """Maximum number of items."""
    take: Literal["first", "last"] = "first"
    """Pass on the first or the last items."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the first or the last items."""
    parameters = node_run.resolve_once(LimitParameters)
    limit = parameters.max_items
    return {"main": node_run.items[:limit] if parameters.take == "first" else node_run.items[-limit:]}


NODE = NodeType(
    label="Limit",
    description="Passes on the first or the last items.",
    category="data",
    parameters=LimitParameters,
    run=run,
)
