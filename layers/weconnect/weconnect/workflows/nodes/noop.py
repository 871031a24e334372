"""noop: passes items on unchanged."""

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import NodeType, pass_through


class NoopParameters(Parameters):
    """No parameters."""


NODE = NodeType(
    label="No operation",
    description="Passes items on unchanged.",
    category="flow",
    parameters=NoopParameters,
    run=pass_through,
)
