"""manual: begins a run that a person or a program asks for."""

from weconnect.workflows.node_sdk.node_type import NodeType, Parameters, passed
from weconnect.workflows.node_sdk.trigger_inputs import InputSchema


class ManualParameters(Parameters):
    input_schema: InputSchema | None = None
    """What agents and MCP clients are told to give, and what their calls have to fit: a JSON Schema of an object."""


NODE = NodeType(
    label="Manual trigger",
    description="Begins a run that is started by a call; its items are the run's input.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ManualParameters,
    run=passed,
)
