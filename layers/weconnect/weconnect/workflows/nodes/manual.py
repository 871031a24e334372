"""manual: begins a run that a person or a program asks for."""

from weconnect.workflows.contract import NodeType, Parameters, passed


class ManualParameters(Parameters):
    """Nothing to set."""


NODE = NodeType(
    label="Manual trigger",
    description="Begins a run that is started by a call; its items are the run's input.",
    category="trigger",
    kind="trigger",
    inputs=(),
    parameters=ManualParameters,
    run=passed,
)
