"""The providers as `GET /v1/model-providers` lists them. Plain tables: no provider's library is imported."""

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from weconnect.base_entity import Wire
from weconnect.errors import Invalid, Problem

AnswerForm = Literal["native", "tool", "mixed"]


class ModelInfo(Wire):
    """A well-known model. Prices are USD per million tokens, absent when unknown; others may be named too."""

    id: str
    context_window: int | None = Field(None, description="Tokens")
    max_output_tokens: int | None = Field(
        None, description="The most that `maxTokens` may ask for, where known"
    )
    structured_output: AnswerForm | None = Field(
        None,
        description="How an outputSchema reaches it: `native`, as a `tool`, or `mixed`: natively, but as a tool beside "
        "other tools. Absent when that depends on the server",
    )
    input_price: float | None = Field(None, description="USD per million input tokens")
    cached_input_price: float | None = Field(
        None, description="USD per million input tokens read from a cache"
    )
    output_price: float | None = Field(None, description="USD per million output tokens")
    base_url: str | None = Field(None, description="Where a local model was found")


class Capabilities(Wire):
    """What a provider can do at all; a model that drops a setting says so in the run's warnings."""

    tools: bool = True
    structured_output: bool = Field(
        True, description="Answers by any outputSchema; `embedded` can fill one string property, and no more"
    )
    settings: list[str]


class ModelProvider(Wire):
    id: str
    display_name: str
    models: list[ModelInfo]
    capabilities: Capabilities
    requires_key: bool
    requires_base_url: bool = False
    has_key: bool = Field(False, description="Whether an agent without a credential of its own finds a key")


BASIC_SETTINGS = ["temperature", "maxTokens", "topP", "stopSequences"]
ALL_SETTINGS = [*BASIC_SETTINGS, "frequencyPenalty", "presencePenalty"]


def _model(
    id: str,
    context: int,
    input: float,
    cached: float | None,
    output: float,
    most: int | None = None,
    answers: AnswerForm | None = "native",
) -> ModelInfo:
    return ModelInfo(
        id=id,
        context_window=context,
        max_output_tokens=most,
        structured_output=answers,
        input_price=input,
        cached_input_price=cached,
        output_price=output,
    )


# Prices as genai-prices 0.2.3 has them for short prompts, the longest outputs as pydantic-ai has them (for Claude
# alone); tests compare both with the installed releases, and the forms of answers with what is sent.
PROVIDERS: dict[str, ModelProvider] = {
    provider.id: provider
    for provider in (
        ModelProvider(
            id="embedded",
            display_name="Embedded rules (not a language model)",
            models=[_model("embedded", 100_000, 0, 0, 0, answers=None)],
            capabilities=Capabilities(structured_output=False, settings=[]),
            requires_key=False,
        ),
        ModelProvider(
            id="openai",
            display_name="OpenAI",
            models=[
                _model("gpt-6.1-sol", 1_050_000, 2, 0.1, 10),
                _model("gpt-6.1-terra", 1_050_000, 1, 0.05, 5),
                _model("gpt-6-luna", 1_050_000, 0.1, 0.01, 0.5),
                _model("gpt-4.1", 1_000_000, 2, 0.5, 8),
                _model("gpt-4o-mini", 128_000, 0.15, 0.075, 0.6),
            ],
            capabilities=Capabilities(settings=ALL_SETTINGS),
            requires_key=True,
        ),
        ModelProvider(
            id="anthropic",
            display_name="Anthropic",
            models=[
                _model("claude-opus-5-5", 1_000_000, 4, 0.2, 20, 128_000),
                _model("claude-sonnet-5-5", 1_000_000, 2, 0.1, 10, 128_000),
                _model("claude-haiku-5-5", 1_000_000, 0.1, 0.01, 0.5, 128_000),
                _model("claude-haiku-4-5", 200_000, 1, 0.1, 5, 64_000),
            ],
            capabilities=Capabilities(settings=BASIC_SETTINGS),
            requires_key=True,
        ),
        ModelProvider(
            id="google",
            display_name="Google Gemini",
            models=[
                _model("gemini-3.8-flash", 1_000_000, 0.75, 0.075, 3.75),
                _model("gemini-3.5-flash-lite", 1_000_000, 0.3, 0.03, 2.5),
                _model("gemini-2.5-flash", 1_048_576, 0.3, 0.03, 2.5, answers="mixed"),
            ],
            capabilities=Capabilities(settings=ALL_SETTINGS),
            requires_key=True,
        ),
        ModelProvider(
            id="bedrock",
            display_name="Amazon Bedrock",
            models=[
                _model("global.anthropic.claude-sonnet-5-5", 1_000_000, 2, 0.1, 10, 128_000),
                _model("global.anthropic.claude-haiku-5-5", 1_000_000, 0.1, 0.01, 0.5, 128_000),
                _model("global.amazon.nova-2-lite-v1:0", 1_000_000, 0.3, 0.075, 2.5, answers="tool"),
                _model("openai.gpt-oss-120b-1:0", 128_000, 0.15, None, 0.6, answers="tool"),
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


def describe(has_key: Callable[[str], bool], ollama_url: str | None = None) -> list[ModelProvider]:
    """All providers. With `ollama_url`, the models of an Ollama that answers there are offered too."""
    found = {id: provider.model_copy(update={"has_key": has_key(id)}) for id, provider in PROVIDERS.items()}
    if ollama_url:
        address = f"{_root(ollama_url)}/v1"
        local = [ModelInfo(id=name, base_url=address) for name in ollama_models(ollama_url)]
        found["openai_compatible"].models = local
    return list(found.values())


def ollama_models(base_url: str) -> list[str]:
    """The models of a running Ollama; none when nothing answers within 300 ms."""
    from weconnect.outbound import client as outbound

    try:
        answer = outbound.send("GET", f"{_root(base_url)}/api/tags", timeout_seconds=0.3)
        return sorted(str(model["name"]) for model in answer.json()["models"])
    except (Problem, KeyError, TypeError):
        return []


def validate_model_choice(provider: str, model: str, base_url: str | None) -> None:
    """Raise Invalid, with a pointer, for a choice that could never work. Model names are not checked."""
    known = PROVIDERS.get(provider)
    if known is None:
        raise _invalid("/provider", f"Unknown provider; known are {', '.join(PROVIDERS)}.")
    if not model.strip():
        raise _invalid("/model", "A model is needed.")
    if provider == "embedded" and model != "embedded":
        raise _invalid("/model", "The embedded provider has one model: embedded.")
    if model == "embedded" and provider != "embedded":
        raise _invalid("/model", f"Name a model of {provider}; GET /v1/model-providers lists some.")
    if not known.requires_base_url:
        # A key of the deployment would go to whatever stands there.
        if base_url:
            raise _invalid("/baseUrl", f"Only openai_compatible takes a base URL, {provider} does not.")
        return
    if not base_url:
        raise _invalid("/baseUrl", f"{provider} needs a base URL.")
    if not _is_address(base_url):
        raise _invalid("/baseUrl", "The base URL must be http:// or https:// with a host and no user name.")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return usable and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _invalid(pointer: str, detail: str) -> Invalid:
    return Invalid(detail, errors=[{"pointer": pointer, "detail": detail}])


def _root(base_url: str) -> str:
    """An Ollama's own address from the one of its OpenAI-compatible half."""
    return base_url.rstrip("/").removesuffix("/v1")
