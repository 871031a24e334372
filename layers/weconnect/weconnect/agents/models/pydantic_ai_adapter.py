"""Single model requests through pydantic-ai, whose loop, retries and agents are not used.

Every call makes its own event loop and client and closes both: nothing outlives a call, so that a thawed
Lambda never meets a dead connection or a closed loop. Libraries are imported when they are first used.
"""

import asyncio
import json
import re
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel
from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from weconnect.agents.models.error_mapping import provider_error, without_answer
from weconnect.agents.models.errors import ProviderError
from weconnect.agents.models.message_mapping import calls_of, finish_reason, text_of, turns
from weconnect.agents.models.messages import ModelReply, ModelRequest
from weconnect.agents.models.pricing import claude_limit, cost_micros
from weconnect.agents.models.structured_output import changes, is_azure, split_answer, with_schema
from weconnect.outbound import client as outbound
from weconnect.outbound.guard import ssl_context

if TYPE_CHECKING:
    import httpx2

# Named here and not left to the libraries, which would read other addresses from the environment.
ADDRESSES: dict[str, str | None] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com",
    "bedrock": None,
}

# All that may go out beside the key, which is set last. The libraries add headers that the environment names, also
# to an address that a tenant chose, and let them replace the key.
HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "anthropic-beta", "anthropic-version", "connection", "content-length"),
        *("content-type", "host", "transfer-encoding", "user-agent", "x-server-timeout"),
    }
)

NO_SPACE_ASCII = re.compile(r"[!-~]+")
GOOGLE_MODEL = re.compile(r"(?!.*\.\.)[\w.\-/]+", re.ASCII)  # it becomes a part of the address

# What each setting may be called on a wire; one that is sent under none of these was dropped.
WIRE_NAMES = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens", "maxTokens", "maxOutputTokens"),
    "top_p": ("top_p", "topP"),
    "frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "presence_penalty": ("presence_penalty", "presencePenalty"),
    "stop_sequences": ("stop", "stop_sequences", "stopSequences"),
}


def complete(request: ModelRequest, api_key: str | None) -> ModelReply:
    """Ask the provider once. Raise ProviderError when no answer came."""
    if request.provider not in MODELS and request.provider != "bedrock":
        raise ProviderError("invalid_request", f"There is no model provider named {request.provider}.")
    if request.provider in ("openai", "anthropic", "google") and not api_key:
        raise ProviderError("unauthorized", f"There is no key for {request.provider}.")
    if request.provider == "openai_compatible" and not request.base_url:
        raise ProviderError("invalid_request", "openai_compatible needs a base URL.")
    if api_key and not NO_SPACE_ASCII.fullmatch(api_key):
        # Said here, because the libraries' own exceptions quote the key.
        raise ProviderError("unauthorized", f"The key for {request.provider} has characters that no key has.")
    if request.provider == "google" and not GOOGLE_MODEL.fullmatch(request.model):
        raise ProviderError("invalid_request", f"There is no Google model named {request.model[:100]!r}.")
    # The library says on stderr what `_dropped` reports to the caller.
    warnings.filterwarnings(
        "ignore", r"Sampling parameters|The `\w+` setting is not|`dict` fields", UserWarning
    )
    sent: list[bytes] = []
    try:
        answer = asyncio.run(_ask(request, api_key, sent))
    except Exception as error:
        # Not chained: the provider's own exception may quote the key.
        raise provider_error(error, api_key, bool(sent)) from None
    return _reply(request, answer, sent)


async def _ask(request: ModelRequest, api_key: str | None, sent: list[bytes]) -> ModelResponse:
    limits: ModelSettings = {"request_timeout": request.timeout_seconds}
    if request.provider == "bedrock":
        from weconnect.agents.models import bedrock

        made = bedrock.client(api_key, request.timeout_seconds, sent, ADDRESSES["bedrock"])
        with closing(made) as client:
            return await _send(request, _bedrock(request, client), limits)

    async def note(outgoing: "httpx2.Request") -> None:
        for name in set(outgoing.headers) - HEADERS:
            del outgoing.headers[name]
        if request.provider == "google":
            outgoing.headers["x-goog-api-key"] = api_key or ""
        else:
            outgoing.headers["authorization"] = f"Bearer {api_key or 'none'}"
        sent.append(await outgoing.aread())

    limits |= {"timeout": request.timeout_seconds, "max_retries": 0}
    async with outbound.async_client(timeout_seconds=request.timeout_seconds) as http:
        http.event_hooks["request"].append(note)
        return await _send(request, MODELS[request.provider](request, api_key, http), limits)


async def _send(request: ModelRequest, model: Model[Any], limits: ModelSettings) -> ModelResponse:
    chosen = request.settings.model_dump()
    # Claude 3 takes less; for it the library has a limit below ours.
    if not model.profile.get("anthropic_rejects_max_tokens_beyond_context_window"):
        chosen["max_tokens"] = chosen["max_tokens"] or claude_limit(request)
    chosen = {name: value for name, value in chosen.items() if value is not None}
    wanted = ModelSettings(**chosen, **limits)  # type: ignore[typeddict-item]
    return await model_request(
        model,
        turns(request),
        model_settings=wanted,
        model_request_parameters=with_schema(model, wanted, request),
    )


def _openai(request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient") -> Model[Any]:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(api_key=api_key, base_url=ADDRESSES["openai"], http_client=http, max_retries=0)
    return OpenAIChatModel(request.model, provider=OpenAIProvider(openai_client=client))


def _openai_compatible(request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient") -> Model[Any]:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # Without a key the client would look for OPENAI_API_KEY; an Ollama wants none and ignores this one.
    client = AsyncOpenAI(
        api_key=api_key or "none", base_url=request.base_url, http_client=http, max_retries=0
    )
    # Mistral refuses the newer name of maxTokens; Azure's newer models refuse the older one.
    provider = OpenAICompatibleProvider(
        "openai_compatible",
        openai_client=client,
        profile=OpenAIModelProfile(
            openai_chat_supports_max_completion_tokens=is_azure(request), supports_json_schema_output=True
        ),
    )
    return OpenAIChatModel(request.model, provider=provider)


def _anthropic(request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient") -> Model[Any]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(api_key=api_key, base_url=ADDRESSES["anthropic"], http_client=http, max_retries=0)
    return AnthropicModel(request.model, provider=AnthropicProvider(anthropic_client=client))


def _google(request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient") -> Model[Any]:
    from google.genai import Client
    from google.genai.types import HttpOptions
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    # What it has beside our client (a synchronous half, websockets) is not used, and would each make a TLS context.
    unused = outbound.client()
    unused.close()
    shared = {"verify": ssl_context(), "ssl": ssl_context()}
    options = HttpOptions(
        base_url=ADDRESSES["google"],
        httpx_async_client=http,
        httpx_client=unused,
        async_client_args=shared,
    )
    client = Client(vertexai=False, api_key=api_key, http_options=options)
    return GoogleModel(request.model, provider=GoogleProvider(client=client))


def _bedrock(request: ModelRequest, client: Any) -> Model[Any]:
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    return BedrockConverseModel(request.model, provider=BedrockProvider(bedrock_client=client))


def _reply(request: ModelRequest, answer: ModelResponse, sent: list[bytes]) -> ModelReply:
    body = json.loads(sent[-1])
    answer, given, early = split_answer(request, answer)
    calls, notes = calls_of(answer, request)
    reply = ModelReply(
        text=text_of(answer) if given is None else given,
        tool_calls=calls,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cached_tokens=answer.usage.cache_read_tokens,
        cost_micros=cost_micros(request, answer),
        finish_reason=finish_reason(answer),
        warnings=_dropped(request, body) + changes(request, body) + early + notes,
    )
    if not reply.text and not reply.tool_calls and (error := without_answer(answer, reply)):
        raise error
    return reply


def _dropped(request: ModelRequest, body: dict[str, Any]) -> list[str]:
    """A warning for each setting that did not go out as asked for, read from the request that went out."""
    wire = {**body, **body.get("generationConfig", {}), **body.get("inferenceConfig", {})}
    found: list[str] = []
    for name, value in request.settings.model_dump(exclude_none=True).items():
        there = [wire[alias] for alias in WIRE_NAMES[name] if alias in wire]
        if not there and value != []:
            found.append(
                f"{to_camel(name)} was not sent: {request.provider} does not take it for {request.model}."
            )
        elif there and there[0] != value:
            found.append(f"{to_camel(name)} was sent as {there[0]}: {request.model} does not take {value}.")
    return found


MODELS = {
    "openai": _openai,
    "openai_compatible": _openai_compatible,
    "anthropic": _anthropic,
    "google": _google,
}
