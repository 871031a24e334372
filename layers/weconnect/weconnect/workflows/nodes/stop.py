"""stop: ends the execution."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import STOP, ItemsByOutput, NodeError, NodeRun, NodeType


class StopParameters(Parameters):
    outcome: Literal["completed", "failed"] = "completed"
    """Status of the execution."""
    message: Annotated[str, Field(max_length=2_000)] = "The workflow stopped the execution"
    """Error message of a failed execution; only with the outcome `failed`."""

    @model_validator(mode="after")
    def _has_message_only_if_failed(self) -> Self:
        """Raise ValueError for a message with the outcome completed."""
        if "message" in self.model_fields_set and self.outcome == "completed":
            raise ValueError("a message requires the outcome failed")
        return self


def run(node_run: NodeRun) -> ItemsByOutput:
    """End the execution with the items as its output. Raises NodeError `stopped` for the outcome failed."""
    parameters = node_run.resolve_once(StopParameters)
    if parameters.outcome == "failed":
        raise NodeError("stopped", parameters.message)
    return {STOP: node_run.items}


NODE = NodeType(
    label="Stop",
    description="Ends the execution, as completed, or as failed with a message.",
    category="flow",
    outputs=(),
    parameters=StopParameters,
    run=run,
)
