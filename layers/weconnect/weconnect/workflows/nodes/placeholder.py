"""placeholder: replaces a node that an import could not convert."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType


class PlaceholderParameters(Parameters):
    original_type: Annotated[str, Field(max_length=200)]
    """Type of the original node."""
    reason: Annotated[str, Field(max_length=1_000)] = ""
    """Reason why it was not converted."""
    original: Annotated[str, Field(max_length=20_000)] = ""
    """The original node as JSON."""
    is_cut: bool = False
    """Whether the original was too long to be stored completely."""
    outputs: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)] = []
    """Connected outputs beside `main`."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Raise NodeError. A disabled placeholder passes its items on, as every disabled node does."""
    parameters = node_run.resolve_once(PlaceholderParameters)
    text = f"This node replaces one of the type {parameters.original_type}: {parameters.reason}. Choose another node."
    raise NodeError("placeholder", text)


def outputs_of(parameters: dict[str, Any]) -> list[str]:
    """Return the outputs that the parameters list."""
    names = parameters.get("outputs")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


NODE = NodeType(
    label="Placeholder",
    description="Replaces a node that an import could not convert. It is disabled; replace it with another node.",
    category="flow",
    inputs=None,
    outputs_of=outputs_of,
    parameters=PlaceholderParameters,
    run=run,
)
