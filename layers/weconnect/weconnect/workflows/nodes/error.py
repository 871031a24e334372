"""error: starts the workflow when an execution of another workflow has failed."""

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import NodeType, pass_through


class ErrorParameters(Parameters):
    """No parameters. The other workflow names this one in `settings.errorWorkflowId`."""


NODE = NodeType(
    label="Error trigger",
    description="Starts the workflow when an execution of another one has failed. The item describes the failure.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ErrorParameters,
    run=pass_through,
)
