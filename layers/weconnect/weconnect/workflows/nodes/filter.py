"""filter: passes on the items that meet a condition."""

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class FilterParameters(Parameters):
    condition: bool
    """Expression that is true or false for each item."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the items that meet the condition as `main`, the others as `rejected`."""
    outputs: ItemsByOutput = {"main": [], "rejected": []}
    for parameters, item in node_run.resolve_each(FilterParameters):
        outputs["main" if parameters.condition else "rejected"].append(item)
    return outputs


NODE = NodeType(
    label="Filter",
    description="Passes on the items that meet a condition, and the others to `rejected`.",
    category="data",
    outputs=("main", "rejected"),
    parameters=FilterParameters,
    run=run,
)
