"""stop: ends the run."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from weconnect.workflows.node_sdk.node_type import STOP, Call, NodeError, NodeType, Outputs, Parameters


class StopParameters(Parameters):
    outcome: Literal["completed", "failed"] = "completed"
    """How the run ends."""
    message: Annotated[str, Field(max_length=2_000)] = "The workflow stopped the run"
    """What a failed run says; so `outcome` is `failed`."""

    @model_validator(mode="after")
    def _said_by_a_failed_run(self) -> Self:
        if "message" in self.model_fields_set and self.outcome == "completed":
            raise ValueError("a message is for the outcome failed")
        return self


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
