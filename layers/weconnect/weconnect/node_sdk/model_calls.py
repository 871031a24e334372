"""Model requests of nodes."""

import json
from typing import Annotated, Any

from pydantic import Field

from weconnect import json_schema
from weconnect.errors import Invalid
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, NodeError, NodeRun


class ModelParameters(Parameters):
    """The model of a node, and how it answers."""

    provider: Annotated[str, Field(min_length=1, max_length=50)] = "embedded"
    """ID of the model's provider, as in `GET /v1/models`."""
    model: Annotated[str, Field(min_length=1, max_length=100)] = "embedded"
    """ID of the model."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """Randomness of the response, from 0 to 1. Default: the provider's."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Maximum length of the response in tokens. Default: the provider's."""


def complete_text(
    node_run: NodeRun,
    parameters: ModelParameters,
    system: str,
    prompt: str,
    output_schema: dict[str, Any] | None = None,
) -> tuple[str, Item]:
    """Return the model's response to a prompt, and `{"inputTokens", "outputTokens", "cost"}`.

    The cost is in USD, None when the price is unknown. Raises NodeError `provider_…`.
    """
    from weconnect.models import ProviderError, operator_access, send_request  # cold start
    from weconnect.models.messages import Message, ModelRequest, ModelSettings  # cold start
    from weconnect.organizations.plans.current_plan import load_plan  # cold start

    request = ModelRequest(
        provider=parameters.provider,
        model=parameters.model,
        system=system,
        messages=[Message(role="user", content=prompt)],
        tools=[],
        output_schema=output_schema,
        settings=ModelSettings(temperature=parameters.temperature, max_tokens=parameters.max_tokens),
        timeout_seconds=node_run.timeout_seconds,
    )
    try:
        key = operator_access.load_key(parameters.provider, lambda: load_plan(node_run.organization_id))
        reply = send_request(request, key)
    except ProviderError as error:
        raise NodeError(f"provider_{error.code}", error.message, retryable=error.retryable) from error
    micros = reply.cost_micros
    return reply.text, {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "cost": None if micros is None else micros / 1e6,
    }


def complete_json(
    node_run: NodeRun,
    parameters: ModelParameters,
    system: str,
    prompt: str,
    output_schema: dict[str, Any],
) -> tuple[dict[str, Any], Item]:
    """Return a response that matches a JSON Schema, and its usage as `complete_text` does.

    Raises NodeError `answer_does_not_fit`, which is retryable, and `invalid_parameters` for an unusable schema.
    """
    try:
        json_schema.require_valid_schema(output_schema, "/outputSchema")
    except Invalid as error:
        raise NodeError("invalid_parameters", error.detail) from error
    output_schema = {"type": "object"} | output_schema
    text, usage = complete_text(node_run, parameters, system, prompt, output_schema)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeError("answer_does_not_fit", "The model's response is not JSON", retryable=True) from error
    if mismatch := json_schema.find_mismatch(output_schema, value):
        raise NodeError(
            "answer_does_not_fit",
            f"The model's response does not match the schema: {mismatch}",
            retryable=True,
        )
    fields: dict[str, Any] = value
    return fields, usage
