"""prompt: asks a model once for each item."""

from typing import Annotated

from pydantic import Field

from weconnect.workflows.contract import Call, Item, NodeError, NodeType, Outputs, Parameters


class PromptParameters(Parameters):
    provider: Annotated[str, Field(min_length=1, max_length=50)] = "embedded"
    model: Annotated[str, Field(min_length=1, max_length=100)] = "embedded"
    system: Annotated[str, Field(max_length=100_000)] = ""
    """What the model is told about its task."""
    prompt: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


def run(call: Call) -> Outputs:
    """`{"text", "inputTokens", "outputTokens", "cost"}` for each item; the cost in USD, null when it is not known."""
    effects = call.effects(PromptParameters)
    return {"main": [_answer(parameters, call.timeout_seconds) for parameters, _, _ in effects]}


def _answer(parameters: PromptParameters, timeout_seconds: float) -> Item:
    from weconnect.agents.providers import ProviderError, complete, keys
    from weconnect.agents.providers.messages import Message, ModelRequest, ModelSettings

    request = ModelRequest(
        provider=parameters.provider,
        model=parameters.model,
        system=parameters.system,
        messages=[Message(role="user", content=parameters.prompt)],
        tools=[],
        settings=ModelSettings(temperature=parameters.temperature, max_tokens=parameters.max_tokens),
        timeout_seconds=timeout_seconds,
    )
    try:
        reply = complete(request, keys.of_deployment(parameters.provider))
    except ProviderError as error:
        raise NodeError(f"provider_{error.code}", error.message, retryable=error.retryable) from error
    micros = reply.cost_micros
    return {
        "text": reply.text,
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "cost": None if micros is None else micros / 1e6,
    }


NODE = NodeType(
    label="Prompt",
    description="Asks a model once for each item.",
    category="ai",
    kind="effect",
    express=False,
    parameters=PromptParameters,
    run=run,
)
