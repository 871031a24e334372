"""respond: says what the run answers to who started it."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import RESPONSE, Call, NodeType, Outputs, Parameters


class RespondParameters(Parameters):
    body: Any = None
    """The run's output; missing: the items that came."""
    status: Annotated[int, Field(ge=200, le=599)] = 200
    """The status of a webhook's answer."""
    headers: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=2_000)]] = {}
    """The headers of a webhook's answer."""


def run(call: Call) -> Outputs:
    """Passes its items on; the last answer given counts."""
    parameters = call.once(RespondParameters)
    given = "body" in call.node.parameters
    answer = {
        "body": parameters.body if given else call.items,
        "status": parameters.status,
        "headers": parameters.headers,
    }
    return {"main": call.items, RESPONSE: [answer]}


NODE = NodeType(
    label="Respond",
    description="Says what the run answers to who started it.",
    category="flow",
    parameters=RespondParameters,
    run=run,
)
