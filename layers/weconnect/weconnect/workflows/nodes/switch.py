"""switch: sends each item to the first output whose condition holds."""

from typing import Any

from pydantic import Field

from weconnect.workflows.entities import Port
from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class Case(Parameters):
    output: Port
    """The output's name."""
    condition: bool
    """An expression that is true or false for each item."""


class SwitchParameters(Parameters):
    cases: list[Case] = Field(min_length=1, max_length=100)
    """Asked in their order."""


def run(call: Call) -> Outputs:
    """Items go to the first case that holds, or to `default`."""
    found: Outputs = {}
    for parameters, item in call.each(SwitchParameters):
        output = next((case.output for case in parameters.cases if case.condition), "default")
        found.setdefault(output, []).append(item)
    return found


def outputs_of(parameters: dict[str, Any]) -> list[str]:
    """The names that the cases give."""
    cases = parameters.get("cases")
    named = (
        [case.get("output") for case in cases if isinstance(case, dict)] if isinstance(cases, list) else []
    )
    return [name for name in named if isinstance(name, str)]


NODE = NodeType(
    label="Switch",
    description="Sends each item to the first output whose condition holds, else to `default`.",
    category="flow",
    outputs=("default",),
    outputs_of=outputs_of,
    parameters=SwitchParameters,
    run=run,
)
