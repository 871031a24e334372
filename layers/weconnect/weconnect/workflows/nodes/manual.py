"""manual: starts the workflow on request of a person or a program."""

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import NodeType, pass_through
from weconnect.node_sdk.trigger_inputs import InputSchema


class ManualParameters(Parameters):
    input_schema: InputSchema | None = None
    """JSON Schema of the input, an object. Agents and MCP clients see it, and their calls must match it."""


NODE = NodeType(
    label="Manual trigger",
    description="Starts the workflow by an API call, an agent or another workflow. The items are its input.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ManualParameters,
    run=pass_through,
)
