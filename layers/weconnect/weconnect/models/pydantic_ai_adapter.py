"""Single model requests through pydantic-ai, whose loop, retries and agents are not used.

Every call creates its own event loop and client and closes both: nothing outlives a call, so that a thawed Lambda
function never finds a dead connection or a closed loop. Each provider's library is imported at its first request,
because they take 100 to 500 ms each.
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

from weconnect.models import bedrock
from weconnect.models.error_mapping import explain_empty_reply, to_provider_error
from weconnect.models.errors import ProviderError
from weconnect.models.message_mapping import read_finish_reason, read_text, read_tool_calls, to_model_messages
from weconnect.models.messages import ModelReply, ModelRequest
from weconnect.models.pricing import compute_cost_micros, default_max_tokens
from weconnect.models.structured_output import (
    build_request_parameters,
    describe_schema_changes,
    extract_answer,
    is_azure,
)
from weconnect.outbound import client as outbound
from weconnect.outbound.guard import ssl_context

if TYPE_CHECKING:
    import httpx2

# Set here, because the libraries would otherwise read other addresses from the environment.
BASE_URLS: dict[str, str | None] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com",
    "bedrock": None,
}

# The only headers that are sent besides the key, which is set last. The libraries add headers from environment
# variables, even for an address that a tenant chose, and let them replace the key.
ALLOWED_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "anthropic-beta", "anthropic-version", "connection", "content-length"),
        *("content-type", "host", "transfer-encoding", "user-agent", "x-server-timeout"),
    }
)

PRINTABLE_ASCII = re.compile(r"[!-~]+")
GOOGLE_MODEL = re.compile(r"(?!.*\.\.)[\w.\-/]+", re.ASCII)  # it becomes a part of the URL's path

# The names of each setting in providers' requests; one that is sent under none of them was dropped.
SETTING_ALIASES = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens", "maxTokens", "maxOutputTokens"),
    "top_p": ("top_p", "topP"),
    "frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "presence_penalty": ("presence_penalty", "presencePenalty"),
    "stop_sequences": ("stop", "stop_sequences", "stopSequences"),
}


def send_request(request: ModelRequest, api_key: str | None) -> ModelReply:
    """Send one request to a provider and return its reply. Raises ProviderError when there is none."""
    if request.provider not in MODEL_FACTORIES and request.provider != "bedrock":
        raise ProviderError("invalid_request", f"Unknown model provider {request.provider!r}.")
    if request.provider in ("openai", "anthropic", "google") and not api_key:
        raise ProviderError("unauthorized", f"No API key is configured for {request.provider}.")
    if request.provider == "openai_compatible" and not request.base_url:
        raise ProviderError("invalid_request", "The provider openai_compatible requires a base URL.")
    if api_key and not PRINTABLE_ASCII.fullmatch(api_key):
        # Checked here, because the libraries' own exceptions quote the key.
        raise ProviderError(
            "unauthorized", f"The API key for {request.provider} contains characters that no key contains."
        )
    if request.provider == "google" and not GOOGLE_MODEL.fullmatch(request.model):
        raise ProviderError("invalid_request", f"Google has no model named {request.model[:100]!r}.")
    # The library would print to stderr what `_describe_dropped_settings` reports to the caller.
    warnings.filterwarnings(
        "ignore", r"Sampling parameters|The `\w+` setting is not|`dict` fields", UserWarning
    )
    sent_bodies: list[bytes] = []
    try:
        response = asyncio.run(_open_and_send(request, api_key, sent_bodies))
    except Exception as error:
        # Not chained: the provider's own exception may quote the key.
        raise to_provider_error(error, api_key, bool(sent_bodies)) from None
    return _to_reply(request, response, json.loads(sent_bodies[-1]))


async def _open_and_send(
    request: ModelRequest, api_key: str | None, sent_bodies: list[bytes]
) -> ModelResponse:
    """Open a client, send the request, close the client; the bodies that went out are appended to `sent_bodies`."""
    limits: ModelSettings = {"request_timeout": request.timeout_seconds}
    if request.provider == "bedrock":
        new_client = bedrock.create_client(
            api_key, request.timeout_seconds, sent_bodies, BASE_URLS["bedrock"]
        )
        with closing(new_client) as client:
            return await _send(request, _build_bedrock_model(request, client), limits)

    async def set_headers(outgoing: "httpx2.Request") -> None:
        """Remove all but the allowed headers, set the key, and record the body."""
        for name in set(outgoing.headers) - ALLOWED_HEADERS:
            del outgoing.headers[name]
        if request.provider == "google":
            outgoing.headers["x-goog-api-key"] = api_key or ""
        else:
            outgoing.headers["authorization"] = f"Bearer {api_key or 'none'}"
        sent_bodies.append(await outgoing.aread())

    limits |= {"timeout": request.timeout_seconds, "max_retries": 0}
    async with outbound.async_client(timeout_seconds=request.timeout_seconds) as http:
        http.event_hooks["request"].append(set_headers)
        return await _send(request, MODEL_FACTORIES[request.provider](request, api_key, http), limits)


async def _send(request: ModelRequest, model: Model[Any], limits: ModelSettings) -> ModelResponse:
    """Send the request through pydantic-ai, with its settings that are not None and `limits`."""
    values = request.settings.model_dump()
    # Claude 3 accepts less; for it the library has a limit below ours.
    if not model.profile.get("anthropic_rejects_max_tokens_beyond_context_window"):
        values["max_tokens"] = values["max_tokens"] or default_max_tokens(request)
    values = {name: value for name, value in values.items() if value is not None}
    settings = ModelSettings(**values, **limits)  # type: ignore[typeddict-item]
    return await model_request(
        model,
        to_model_messages(request),
        model_settings=settings,
        model_request_parameters=build_request_parameters(model, settings, request),
    )


def _build_openai_model(request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient") -> Model[Any]:
    """Return pydantic-ai's model for OpenAI's own API."""
    from openai import AsyncOpenAI  # cold start
    from pydantic_ai.models.openai import OpenAIChatModel  # cold start
    from pydantic_ai.providers.openai import OpenAIProvider  # cold start

    client = AsyncOpenAI(api_key=api_key, base_url=BASE_URLS["openai"], http_client=http, max_retries=0)
    return OpenAIChatModel(request.model, provider=OpenAIProvider(openai_client=client))


def _build_openai_compatible_model(
    request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient"
) -> Model[Any]:
    """Return pydantic-ai's model for a request's OpenAI-compatible endpoint; the key may be missing."""
    from openai import AsyncOpenAI  # cold start
    from pydantic_ai.models.openai import OpenAIChatModel  # cold start
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # cold start
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # cold start

    # Without a key the client would read OPENAI_API_KEY; an Ollama needs none and ignores this one.
    client = AsyncOpenAI(
        api_key=api_key or "none", base_url=request.base_url, http_client=http, max_retries=0
    )
    # Mistral rejects the newer name of maxTokens; Azure's newer models reject the older one.
    provider = OpenAICompatibleProvider(
        "openai_compatible",
        openai_client=client,
        profile=OpenAIModelProfile(
            openai_chat_supports_max_completion_tokens=is_azure(request), supports_json_schema_output=True
        ),
    )
    return OpenAIChatModel(request.model, provider=provider)


def _build_anthropic_model(
    request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient"
) -> Model[Any]:
    """Return pydantic-ai's model for Anthropic's API."""
    from anthropic import AsyncAnthropic  # cold start
    from pydantic_ai.models.anthropic import AnthropicModel  # cold start
    from pydantic_ai.providers.anthropic import AnthropicProvider  # cold start

    client = AsyncAnthropic(api_key=api_key, base_url=BASE_URLS["anthropic"], http_client=http, max_retries=0)
    return AnthropicModel(request.model, provider=AnthropicProvider(anthropic_client=client))


def _build_google_model(request: ModelRequest, api_key: str | None, http: "httpx2.AsyncClient") -> Model[Any]:
    """Return pydantic-ai's model for Google's Gemini API."""
    from google.genai import Client  # cold start
    from google.genai.types import HttpOptions  # cold start
    from pydantic_ai.models.google import GoogleModel  # cold start
    from pydantic_ai.providers.google import GoogleProvider  # cold start

    # The library's other clients (synchronous, websockets) are not used, and would each create a TLS context.
    unused_client = outbound.client()
    unused_client.close()
    tls_arguments = {"verify": ssl_context(), "ssl": ssl_context()}
    options = HttpOptions(
        base_url=BASE_URLS["google"],
        httpx_async_client=http,
        httpx_client=unused_client,
        async_client_args=tls_arguments,
    )
    client = Client(vertexai=False, api_key=api_key, http_options=options)
    return GoogleModel(request.model, provider=GoogleProvider(client=client))


def _build_bedrock_model(request: ModelRequest, client: Any) -> Model[Any]:
    """Return pydantic-ai's model for Bedrock, with the client of `bedrock.create_client`."""
    from pydantic_ai.models.bedrock import BedrockConverseModel  # cold start
    from pydantic_ai.providers.bedrock import BedrockProvider  # cold start

    return BedrockConverseModel(request.model, provider=BedrockProvider(bedrock_client=client))


def _to_reply(request: ModelRequest, response: ModelResponse, sent_body: dict[str, Any]) -> ModelReply:
    """Return the reply with its cost and warnings. Raises ProviderError when it is empty because of an error."""
    response, structured_text, answer_warnings = extract_answer(request, response)
    calls, call_warnings = read_tool_calls(response, request)
    sent_warnings = _describe_dropped_settings(request, sent_body) + describe_schema_changes(
        request, sent_body
    )
    reply = ModelReply(
        text=read_text(response) if structured_text is None else structured_text,
        tool_calls=calls,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        cached_tokens=response.usage.cache_read_tokens,
        cost_micros=compute_cost_micros(request, response),
        finish_reason=read_finish_reason(response),
        warnings=sent_warnings + answer_warnings + call_warnings,
    )
    if not reply.text and not reply.tool_calls and (error := explain_empty_reply(response, reply)):
        raise error
    return reply


def _describe_dropped_settings(request: ModelRequest, sent_body: dict[str, Any]) -> list[str]:
    """Return a warning for each setting that was not sent as requested, judged by the body that was sent."""
    sent = {**sent_body, **sent_body.get("generationConfig", {}), **sent_body.get("inferenceConfig", {})}
    result: list[str] = []
    for name, value in request.settings.model_dump(exclude_none=True).items():
        sent_values = [sent[alias] for alias in SETTING_ALIASES[name] if alias in sent]
        if not sent_values and value != []:
            result.append(
                f"{to_camel(name)} was not sent: {request.provider} does not accept it for {request.model}."
            )
        elif sent_values and sent_values[0] != value:
            result.append(
                f"{to_camel(name)} was sent as {sent_values[0]}: {request.model} does not accept {value}."
            )
    return result


MODEL_FACTORIES = {
    "openai": _build_openai_model,
    "openai_compatible": _build_openai_compatible_model,
    "anthropic": _build_anthropic_model,
    "google": _build_google_model,
}
