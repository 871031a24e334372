"""prompt: sends a prompt to a model for each item, for text or JSON."""

import json
from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import model_calls
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeRun, NodeType


class PromptParameters(model_calls.ModelParameters):
    system: Annotated[str, Field(max_length=100_000)] = ""
    """System prompt."""
    prompt: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    """Prompt."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema of an object that the response must match."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"text", "inputTokens", "outputTokens", "cost"}` for each item; the cost is in USD, null if unknown.

    With a schema, `structuredOutput` is the parsed response; one that does not match is an error.
    """
    effects = node_run.resolve_effects(PromptParameters)
    return {"main": [_send(node_run, parameters) for parameters, _, _ in effects]}


def _send(node_run: NodeRun, parameters: PromptParameters) -> Item:
    """Send one prompt and return the response with its usage."""
    system, prompt = parameters.system, parameters.prompt
    if parameters.output_schema is None:
        text, usage = model_calls.complete_text(node_run, parameters, system, prompt)
        return {"text": text} | usage
    value, usage = model_calls.complete_json(node_run, parameters, system, prompt, parameters.output_schema)
    return {"text": json.dumps(value, ensure_ascii=False), "structuredOutput": value} | usage


NODE = NodeType(
    label="Prompt",
    description="Sends a prompt to a model for each item. Returns `text`, the tokens, the cost, and parsed JSON.",
    category="ai",
    kind="effect",
    express=False,
    parameters=PromptParameters,
    run=run,
)
