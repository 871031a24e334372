"""Asking a model from a node."""

import json
from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Item, NodeError, Parameters


class ModelParameters(Parameters):
    provider: Annotated[str, Field(min_length=1, max_length=50)] = "embedded"
    model: Annotated[str, Field(min_length=1, max_length=100)] = "embedded"
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


def ask(
    given: ModelParameters,
    system: str,
    prompt: str,
    timeout_seconds: float,
    output_schema: dict[str, Any] | None = None,
) -> tuple[str, Item]:
    """The answer's text, and `{"inputTokens", "outputTokens", "cost"}`: USD, null when it is not known."""
    from weconnect.agents.models import ProviderError, complete, deployment_keys
    from weconnect.agents.models.messages import Message, ModelRequest, ModelSettings

    request = ModelRequest(
        provider=given.provider,
        model=given.model,
        system=system,
        messages=[Message(role="user", content=prompt)],
        tools=[],
        output_schema=output_schema,
        settings=ModelSettings(temperature=given.temperature, max_tokens=given.max_tokens),
        timeout_seconds=timeout_seconds,
    )
    try:
        reply = complete(request, deployment_keys.of_deployment(given.provider))
    except ProviderError as error:
        raise NodeError(f"provider_{error.code}", error.message, retryable=error.retryable) from error
    micros = reply.cost_micros
    return reply.text, {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "cost": None if micros is None else micros / 1e6,
    }


def ask_for(
    given: ModelParameters, system: str, prompt: str, timeout_seconds: float, output_schema: dict[str, Any]
) -> tuple[dict[str, Any], Item]:
    """An answer that fits the schema; raises NodeError `answer_does_not_fit`, which may go better the next time.

    Raises NodeError `invalid_parameters` for a schema that is none.
    """
    from weconnect import json_schema
    from weconnect.errors import Invalid

    try:
        json_schema.check(output_schema, "/outputSchema")
    except Invalid as error:
        raise NodeError("invalid_parameters", error.detail) from error
    output_schema = {"type": "object"} | output_schema
    text, used = ask(given, system, prompt, timeout_seconds, output_schema)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeError("answer_does_not_fit", "The model's answer is no JSON", retryable=True) from error
    if wrong := json_schema.mismatch(output_schema, value):
        raise NodeError("answer_does_not_fit", f"The model's answer does not fit: {wrong}", retryable=True)
    found: dict[str, Any] = value
    return found, used
