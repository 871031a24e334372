"""if: parts items by a condition."""

from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class IfParameters(Parameters):
    condition: bool
    """An expression that is true or false for each item."""


def run(call: Call) -> Outputs:
    """Items for which the condition holds go to `true`, the others to `false`."""
    found: Outputs = {"true": [], "false": []}
    for parameters, item in call.each(IfParameters):
        found["true" if parameters.condition else "false"].append(item)
    return found


NODE = NodeType(
    label="If",
    description="Parts items by a condition.",
    category="flow",
    outputs=("true", "false"),
    parameters=IfParameters,
    run=run,
)
