"""prompt: asks a model once for each item."""

from typing import Annotated

from pydantic import Field

from weconnect.workflows import asking
from weconnect.workflows.contract import Call, Item, NodeType, Outputs


class PromptParameters(asking.ModelParameters):
    system: Annotated[str, Field(max_length=100_000)] = ""
    """What the model is told about its task."""
    prompt: Annotated[str, Field(min_length=1, max_length=1_000_000)]


def run(call: Call) -> Outputs:
    """`{"text", "inputTokens", "outputTokens", "cost"}` for each item; the cost in USD, null when it is not known."""
    effects = call.effects(PromptParameters)
    return {"main": [_answer(parameters, call.timeout_seconds) for parameters, _, _ in effects]}


def _answer(parameters: PromptParameters, timeout_seconds: float) -> Item:
    text, used = asking.ask(parameters, parameters.system, parameters.prompt, timeout_seconds)
    return {"text": text} | used


NODE = NodeType(
    label="Prompt",
    description="Asks a model once for each item.",
    category="ai",
    kind="effect",
    express=False,
    parameters=PromptParameters,
    run=run,
)
