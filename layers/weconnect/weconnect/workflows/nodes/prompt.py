"""prompt: asks a model once for each item, for text or for JSON."""

import json
from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import model_calls
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeType, Outputs


class PromptParameters(model_calls.ModelParameters):
    system: Annotated[str, Field(max_length=100_000)] = ""
    """What the model is told about its task."""
    prompt: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    output_schema: dict[str, Any] | None = None
    """JSON Schema of an object: the answer is JSON that fits it."""


def run(call: Call) -> Outputs:
    """`{"text", "inputTokens", "outputTokens", "cost"}` for each item; the cost in USD, null when it is not known.

    With a schema the answer's value is in `structuredOutput`; one that does not fit is an error and never an answer.
    """
    effects = call.effects(PromptParameters)
    return {"main": [_answer(parameters, call.timeout_seconds) for parameters, _, _ in effects]}


def _answer(parameters: PromptParameters, timeout_seconds: float) -> Item:
    system, prompt = parameters.system, parameters.prompt
    if parameters.output_schema is None:
        text, used = model_calls.ask(parameters, system, prompt, timeout_seconds)
        return {"text": text} | used
    value, used = model_calls.ask_for(parameters, system, prompt, timeout_seconds, parameters.output_schema)
    return {"text": json.dumps(value, ensure_ascii=False), "structuredOutput": value} | used


NODE = NodeType(
    label="Prompt",
    description="Asks a model once for each item.",
    category="ai",
    kind="effect",
    express=False,
    parameters=PromptParameters,
    run=run,
)
