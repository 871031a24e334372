"""Registry of the model providers: their models, abilities and adapters.

`GET /v1/model-providers` lists it. It consists of plain tables: no provider's library is imported with it.
"""

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from weconnect.base_entity import ApiModel
from weconnect.errors import Invalid, Problem
from weconnect.models.messages import ModelReply, ModelRequest

Adapter = Callable[[ModelRequest, str | None], ModelReply]
StructuredOutputForm = Literal["native", "tool", "mixed"]


class ModelInfo(ApiModel):
    """A well-known model; an agent may name others. Prices are USD per million tokens, absent when unknown."""

    id: str
    context_window: int | None = Field(None, description="Tokens")
    max_output_tokens: int | None = Field(None, description="Upper limit for `maxTokens`, where known")
    structured_output: StructuredOutputForm | None = Field(
        None,
        description="How an outputSchema is sent: `native`, as a `tool`, or `mixed` (natively, but as a tool when the "
        "agent has other tools). Absent when that depends on the server",
    )
    input_price: float | None = Field(None, description="USD per million input tokens")
    cached_input_price: float | None = Field(
        None, description="USD per million input tokens read from a cache"
    )
    output_price: float | None = Field(None, description="USD per million output tokens")
    base_url: str | None = Field(None, description="Base URL of a local model")


class Capabilities(ApiModel):
    """Capabilities of a provider. A setting that a model does not accept is named in the execution's warnings."""

    tools: bool = True
    structured_output: bool = Field(
        True, description="Supports any outputSchema; `embedded` fills a single string property only"
    )
    settings: list[str] = Field(
        description="Fields of an agent's configuration that are sent to the provider"
    )


class ModelProvider(ApiModel):
    """A provider of models, as this deployment offers it."""

    id: str
    display_name: str
    models: list[ModelInfo]
    capabilities: Capabilities
    requires_key: bool
    requires_base_url: bool = False
    has_key: bool = Field(
        False,
        description="The deployment pays for its requests on the organization's plan, and has what they need",
    )


BASIC_SETTINGS = ["temperature", "maxTokens", "topP", "stopSequences"]
ALL_SETTINGS = [*BASIC_SETTINGS, "frequencyPenalty", "presencePenalty"]


def _build_model(
    id: str,
    context: int,
    input: float,
    cached: float | None,
    output: float,
    max_output: int | None = None,
    output_form: StructuredOutputForm | None = "native",
) -> ModelInfo:
    """Return a model with its window in tokens and its prices in USD for a million tokens."""
    return ModelInfo(
        id=id,
        context_window=context,
        max_output_tokens=max_output,
        structured_output=output_form,
        input_price=input,
        cached_input_price=cached,
        output_price=output,
    )


# Prices are those of genai-prices 0.2.3 for short prompts, output limits those of pydantic-ai (for Claude alone). Tests
# compare both with the installed releases, and the forms of structured output with what is sent.
PROVIDERS: dict[str, ModelProvider] = {
    provider.id: provider
    for provider in (
        ModelProvider(
            id="embedded",
            display_name="Embedded rules (not a language model)",
            models=[_build_model("embedded", 100_000, 0, 0, 0, output_form=None)],
            capabilities=Capabilities(structured_output=False, settings=[]),
            requires_key=False,
        ),
        ModelProvider(
            id="openai",
            display_name="OpenAI",
            models=[
                _build_model("gpt-6.1-sol", 1_050_000, 2, 0.1, 10),
                _build_model("gpt-6.1-terra", 1_050_000, 1, 0.05, 5),
                _build_model("gpt-6-luna", 1_050_000, 0.1, 0.01, 0.5),
                _build_model("gpt-4.1", 1_000_000, 2, 0.5, 8),
                _build_model("gpt-4o-mini", 128_000, 0.15, 0.075, 0.6),
            ],
            capabilities=Capabilities(settings=ALL_SETTINGS),
            requires_key=True,
        ),
        ModelProvider(
            id="anthropic",
            display_name="Anthropic",
            models=[
                _build_model("claude-opus-5-5", 1_000_000, 4, 0.2, 20, 128_000),
                _build_model("claude-sonnet-5-5", 1_000_000, 2, 0.1, 10, 128_000),
                _build_model("claude-haiku-5-5", 1_000_000, 0.1, 0.01, 0.5, 128_000),
                _build_model("claude-haiku-4-5", 200_000, 1, 0.1, 5, 64_000),
            ],
            capabilities=Capabilities(settings=BASIC_SETTINGS),
            requires_key=True,
        ),
        ModelProvider(
            id="google",
            display_name="Google Gemini",
            models=[
                _build_model("gemini-3.8-flash", 1_000_000, 0.75, 0.075, 3.75),
                _build_model("gemini-3.5-flash-lite", 1_000_000, 0.3, 0.03, 2.5),
                _build_model("gemini-2.5-flash", 1_048_576, 0.3, 0.03, 2.5, output_form="mixed"),
            ],
            capabilities=Capabilities(settings=ALL_SETTINGS),
            requires_key=True,
        ),
        ModelProvider(
            id="bedrock",
            display_name="Amazon Bedrock",
            models=[
                _build_model("global.anthropic.claude-sonnet-5-5", 1_000_000, 2, 0.1, 10, 128_000),
                _build_model("global.anthropic.claude-haiku-5-5", 1_000_000, 0.1, 0.01, 0.5, 128_000),
                _build_model(
                    "global.amazon.nova-2-lite-v1:0", 1_000_000, 0.3, 0.075, 2.5, output_form="tool"
                ),
                _build_model("openai.gpt-oss-120b-1:0", 128_000, 0.15, None, 0.6, output_form="tool"),
            ],
            capabilities=Capabilities(settings=BASIC_SETTINGS),
            requires_key=False,
        ),
        ModelProvider(
            id="openai_compatible",
            display_name="OpenAI-compatible (Ollama, Mistral, Groq, Azure, OpenRouter, vLLM …)",
            models=[],
            capabilities=Capabilities(settings=ALL_SETTINGS),
            requires_key=False,
            requires_base_url=True,
        ),
    )
}


def describe_providers(has_key: Callable[[str], bool], ollama_url: str | None = None) -> list[ModelProvider]:
    """Return all providers; with `ollama_url`, `openai_compatible` lists the models of an Ollama that runs there."""
    copies = {id: provider.model_copy(update={"has_key": has_key(id)}) for id, provider in PROVIDERS.items()}
    if ollama_url:
        base_url = f"{_root(ollama_url)}/v1"
        models = [ModelInfo(id=name, base_url=base_url) for name in list_ollama_models(ollama_url)]
        copies["openai_compatible"].models = models
    return list(copies.values())


def load_adapter(provider: str) -> Adapter:
    """Import and return the function that sends a provider's requests; it takes the request and the API key."""
    if provider == "embedded":
        from weconnect.models.embedded.model import reply  # cold start

        return lambda request, _: reply(request)
    from weconnect.models import pydantic_ai_adapter  # cold start

    return pydantic_ai_adapter.send_request


def list_ollama_models(base_url: str) -> list[str]:
    """Return the names of a running Ollama's models; an empty list when nothing responds within 300 ms."""
    from weconnect.outbound import client as outbound  # cold start

    try:
        response = outbound.send("GET", f"{_root(base_url)}/api/tags", timeout_seconds=0.3)
        return sorted(str(model["name"]) for model in response.json()["models"])
    except (Problem, KeyError, TypeError):
        return []


def validate_model_choice(provider: str, model: str, base_url: str | None) -> None:
    """Raise Invalid, with a JSON pointer, for a choice that cannot work. Names of models are not checked."""
    chosen = PROVIDERS.get(provider)
    if chosen is None:
        raise Invalid(
            f"Unknown provider {provider!r}. Choose one of {', '.join(PROVIDERS)}.", pointer="/provider"
        )
    if not model.strip():
        raise Invalid("The model is missing. Name a model of the provider.", pointer="/model")
    if provider == "embedded" and model != "embedded":
        raise Invalid("The embedded provider has one model: embedded.", pointer="/model")
    if model == "embedded" and provider != "embedded":
        raise Invalid(
            f"{provider} has no model 'embedded'. GET /v1/model-providers lists some of its models.",
            pointer="/model",
        )
    if not chosen.requires_base_url:
        # A key of the deployment would be sent to that address.
        if base_url:
            raise Invalid(
                f"The provider {provider} has a fixed address. Only openai_compatible accepts a base URL.",
                pointer="/baseUrl",
            )
        return
    if not base_url:
        raise Invalid(f"The provider {provider} requires a base URL.", pointer="/baseUrl")
    if not _is_http_url(base_url):
        raise Invalid(
            "The base URL must begin with http:// or https:// and have a host and no user name.",
            pointer="/baseUrl",
        )


def _is_http_url(url: str) -> bool:
    """Return whether a text is an http or https URL with a host, and without a user name."""
    try:
        parts = urlsplit(url)
        usable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return usable and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _root(base_url: str) -> str:
    """Return the address of an Ollama from the base URL of its OpenAI-compatible API."""
    return base_url.rstrip("/").removesuffix("/v1")
