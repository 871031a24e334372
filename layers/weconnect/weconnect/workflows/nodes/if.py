"""if: splits items by a condition."""

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class IfParameters(Parameters):
    condition: bool
    """Expression that is true or false for each item."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the items that meet the condition as `true`, the others as `false`."""
    outputs: ItemsByOutput = {"true": [], "false": []}
    for parameters, item in node_run.resolve_each(IfParameters):
        outputs["true" if parameters.condition else "false"].append(item)
    return outputs


NODE = NodeType(
    label="If",
    description="Passes items that meet a condition to `true`, the others to `false`.",
    category="flow",
    outputs=("true", "false"),
    parameters=IfParameters,
    run=run,
)
