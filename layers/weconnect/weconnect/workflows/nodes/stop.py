"""stop: ends the run."""

from typing import Annotated, Literal

from pydantic import Field

from weconnect.workflows.contract import STOP, Call, NodeError, NodeType, Outputs, Parameters


class StopParameters(Parameters):
    outcome: Literal["completed", "failed"] = "completed"
    """How the run ends."""
    message: Annotated[str, Field(max_length=2_000)] = "The workflow stopped the run"
    """What a failed run says."""


def run(call: Call) -> Outputs:
    """Nothing after this is done; the run's output is what came here."""
    parameters = call.once(StopParameters)
    if parameters.outcome == "failed":
        raise NodeError("stopped", parameters.message)
    return {STOP: call.items}


NODE = NodeType(
    label="Stop",
    description="Ends the run, as completed or as failed with a message.",
    category="flow",
    outputs=(),
    parameters=StopParameters,
    run=run,
)
