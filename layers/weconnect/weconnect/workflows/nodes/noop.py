"""noop: passes items on."""

from weconnect.workflows.node_sdk.node_type import NodeType, Parameters, passed


class NoopParameters(Parameters):
    """Nothing to set."""


NODE = NodeType(
    label="No operation",
    description="Passes items on as they come.",
    category="flow",
    parameters=NoopParameters,
    run=passed,
)
