"""error: begins a run when a run of another workflow has failed."""

from weconnect.workflows.node_sdk.node_type import NodeType, Parameters, passed


class ErrorParameters(Parameters):
    """Nothing to set: the other workflow names this one in `settings.errorWorkflowId`."""


NODE = NodeType(
    label="Error trigger",
    description="Begins a run when a run of another workflow has failed; its item tells which, where and why.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ErrorParameters,
    run=passed,
)
