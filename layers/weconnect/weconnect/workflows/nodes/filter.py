"""filter: keeps the items for which a condition holds."""

from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class FilterParameters(Parameters):
    condition: bool
    """An expression that is true or false for each item."""


def run(call: Call) -> Outputs:
    """Kept items go to `main`, the others to `rejected`."""
    found: Outputs = {"main": [], "rejected": []}
    for parameters, item in call.each(FilterParameters):
        found["main" if parameters.condition else "rejected"].append(item)
    return found


NODE = NodeType(
    label="Filter",
    description="Keeps the items for which a condition holds.",
    category="data",
    outputs=("main", "rejected"),
    parameters=FilterParameters,
    run=run,
)
