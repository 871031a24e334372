"""respond: sets the response to the caller of the execution."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import RESPONSE, ItemsByOutput, NodeRun, NodeType


class RespondParameters(Parameters):
    body: Any = None
    """Output of the execution. Default: the items."""
    status: Annotated[int, Field(ge=200, le=599)] = 200
    """Status of a webhook's response."""
    headers: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=2_000)]] = {}
    """Headers of a webhook's response."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Pass the items on, and set the response; the last one in an execution counts."""
    parameters = node_run.resolve_once(RespondParameters)
    has_body = "body" in node_run.node.parameters
    response = {
        "body": parameters.body if has_body else node_run.items,
        "status": parameters.status,
        "headers": parameters.headers,
    }
    return {"main": node_run.items, RESPONSE: [response]}


NODE = NodeType(
    label="Respond",
    description="Sets the response to the caller of the execution: body, status and headers.",
    category="flow",
    parameters=RespondParameters,
    run=run,
)
