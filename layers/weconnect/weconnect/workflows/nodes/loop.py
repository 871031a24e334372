"""loop: does what hangs on its output `loop` once for each batch of items."""

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters

MOST_ITERATIONS = 10_000


class LoopParameters(Parameters):
    batch_size: int = Field(default=1, ge=1, le=1_000)
    """How many items at once."""
    max_iterations: int = Field(default=100, ge=1, le=MOST_ITERATIONS)
    """More batches than this end in an error, before anything is done."""


def run(call: Call) -> Outputs:
    """The first batch, when it is tried by itself."""
    return {"loop": call.items[: call.once(LoopParameters).batch_size]}


NODE = NodeType(
    label="Loop over items",
    description="Does what hangs on its output `loop` once for each batch of items; what comes back goes to `done`.",
    category="flow",
    kind="loop",
    outputs=("loop", "done"),
    parameters=LoopParameters,
    run=run,
)
