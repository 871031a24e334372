"""webhook: starts the workflow for each request to a URL."""

from typing import Literal

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import NodeType, pass_through
from weconnect.node_sdk.trigger_inputs import InputSchema


class WebhookParameters(Parameters):
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = ["POST"]
    """Accepted HTTP methods."""
    response_mode: Literal["immediately", "last_node", "respond"] = "immediately"
    """Time of the response: immediately, with the last node's items, or by a `respond` node."""
    input_schema: InputSchema | None = None
    """JSON Schema of the input, an object. Agents and MCP clients see it, and their calls must match it."""


NODE = NodeType(
    label="Webhook",
    description="Starts the workflow for each request to a URL. The item is the request.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=WebhookParameters,
    run=pass_through,
)
