"""webhook: begins a run for each call of an address."""

from typing import Literal

from weconnect.workflows.node_sdk.node_type import NodeType, Parameters, passed
from weconnect.workflows.node_sdk.trigger_inputs import InputSchema


class WebhookParameters(Parameters):
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = ["POST"]
    """Methods that are taken."""
    response_mode: Literal["immediately", "last_node", "respond"] = "immediately"
    """When the caller is answered: at once, with the last node's items, or by a `respond` node."""
    input_schema: InputSchema | None = None
    """What agents and MCP clients are told to give, and what their calls have to fit: a JSON Schema of an object."""


NODE = NodeType(
    label="Webhook",
    description="Begins a run for each call of an address; its item is the call.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=WebhookParameters,
    run=passed,
)
