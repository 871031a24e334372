"""switch: passes each item to the first output whose condition is true."""

from typing import Any

from pydantic import Field

from weconnect.node_sdk.entities import Port
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class Case(Parameters):
    """An output and its condition."""

    output: Port
    """Name of the output."""
    condition: bool
    """Expression that is true or false for each item."""


class SwitchParameters(Parameters):
    cases: list[Case] = Field(min_length=1, max_length=100)
    """The cases, evaluated in order."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item in the output of the first case that is true, else in `default`."""
    outputs: ItemsByOutput = {}
    for parameters, item in node_run.resolve_each(SwitchParameters):
        output = next((case.output for case in parameters.cases if case.condition), "default")
        outputs.setdefault(output, []).append(item)
    return outputs


def outputs_of(parameters: dict[str, Any]) -> list[str]:
    """Return the outputs of the cases."""
    cases = parameters.get("cases")
    names = (
        [case.get("output") for case in cases if isinstance(case, dict)] if isinstance(cases, list) else []
    )
    return [name for name in names if isinstance(name, str)]


NODE = NodeType(
    label="Switch",
    description="Passes each item to the first output whose condition is true, else to `default`.",
    category="flow",
    outputs=("default",),
    outputs_of=outputs_of,
    parameters=SwitchParameters,
    run=run,
)
