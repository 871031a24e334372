"""loop: executes the nodes after its output `loop` for each batch of items."""

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType

MAX_ITERATIONS = 10_000


class LoopParameters(Parameters):
    batch_size: int = Field(default=1, ge=1, le=1_000)
    """Number of items in a batch."""
    max_iterations: int = Field(default=100, ge=1, le=MAX_ITERATIONS)
    """Maximum number of batches. With more, the node fails before it executes any."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the first batch, for a test of the node by itself."""
    return {"loop": node_run.items[: node_run.resolve_once(LoopParameters).batch_size]}


NODE = NodeType(
    label="Loop over items",
    description="Executes the nodes after `loop` once per batch of items. Items that are connected back go to `done`.",
    category="flow",
    kind="loop",
    outputs=("loop", "done"),
    parameters=LoopParameters,
    run=run,
)
