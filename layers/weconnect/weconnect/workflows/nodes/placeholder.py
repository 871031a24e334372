"""placeholder: keeps the place of a node that an import could not take over."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, NodeError, NodeType, Outputs, Parameters


class PlaceholderParameters(Parameters):
    original_type: Annotated[str, Field(max_length=200)]
    """What it was."""
    reason: Annotated[str, Field(max_length=1_000)] = ""
    """Why it has no counterpart."""
    original: Annotated[str, Field(max_length=20_000)] = ""
    """The node as it was, as JSON."""
    is_cut: bool = False
    """Whether the original was too large to be kept whole."""
    outputs: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)] = []
    """Outputs that connections leave beside `main`."""


def run(call: Call) -> Outputs:
    """Fails: disabled, it passes its items on as every node does."""
    parameters = call.once(PlaceholderParameters)
    text = f"Replace this placeholder of {parameters.original_type}: {parameters.reason}"
    raise NodeError("placeholder", text)


def outputs_of(parameters: dict[str, Any]) -> list[str]:
    """The names that are given."""
    named = parameters.get("outputs")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


NODE = NodeType(
    label="Placeholder",
    description="Keeps the place of a node that an import could not take over; disabled until it is replaced.",
    category="flow",
    inputs=None,
    outputs_of=outputs_of,
    parameters=PlaceholderParameters,
    run=run,
)
