"""What a model request cost, and may cost at most, from the price list that genai-prices carries. No network."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from pydantic_ai.messages import ModelResponse

from weconnect.agents.models.messages import ModelRequest

PRICE_LISTS = {"openai": "openai", "anthropic": "anthropic", "google": "google", "bedrock": "aws"}

# Claude needs a limit. The library's own, all that the model can, would bill without bound, outlast any
# timeout and turn the request into a stream.
CLAUDE_MAX_TOKENS = 16_384
# The output of a model whose window nobody knows: as much as the largest window in the price list.
UNKNOWN_WINDOW = 10_000_000
# What providers add around a request (their own prompts for tools and schemas), and around each of its parts.
FRAME_TOKENS, PART_TOKENS = 2_000, 64


@dataclass(frozen=True)
class Bound:
    """At most so many tokens, in and out, and micro-dollars; None when the price is not known."""

    tokens: int
    micros: int | None


def cost_micros(request: ModelRequest, answer: ModelResponse) -> int | None:
    """USD * 10^6, rounded up so that a budget never undercounts; None when price or usage is not known.

    A compatible endpoint is priced by its address alone: a model's name there says nothing about its price.
    """
    if answer.usage.unmeasured_requests or not answer.usage.input_tokens:  # no request is empty
        return None
    for model in dict.fromkeys((answer.model_name or request.model, request.model)):
        price = _price(request, model, answer.usage, answer.timestamp, answer.provider_details)
        if price is not None:
            return price
    return None


def bound(request: ModelRequest) -> Bound:
    """What one request may use and cost at most, before it is sent.

    A token is at least one byte of UTF-8, so the bytes bound the input. The output is bounded by `max_tokens`, by
    our own limit for Claude, else by all that the model's window holds: set `max_tokens` for a bound that is near.
    The price is the dearest that the provider may choose by itself; no discount is assumed, as for cached tokens.
    """
    if request.provider == "embedded":
        return Bound(0, 0)
    tokens_in, tokens_out = _input_bound(request), _output_bound(request)
    prices = [
        _price(request, request.model, usage, datetime.now(UTC), tier)
        for usage in _ways_to_count(request, tokens_in, tokens_out)
        for tier in ({}, {"service_tier": "priority"})
    ]
    return Bound(tokens_in + tokens_out, max((price for price in prices if price is not None), default=None))


def claude_limit(request: ModelRequest) -> int | None:
    """The limit that we send to a Claude for which none was chosen."""
    of_claude = request.provider == "anthropic" or (
        request.provider == "bedrock" and "anthropic.claude" in request.model
    )
    return CLAUDE_MAX_TOKENS if of_claude and request.settings.max_tokens is None else None


def _input_bound(request: ModelRequest) -> int:
    texts = [request.system]
    for message in request.messages:
        texts += [message.content, message.tool_name or "", message.tool_call_id or ""]
        texts += [_json(call.model_dump()) for call in message.tool_calls]
    texts += [_json(tool.model_dump()) for tool in request.tools]
    if request.output_schema is not None:
        texts.append(_json(request.output_schema))
    sent = sum(len(text.encode(errors="surrogatepass")) for text in texts)
    return sent + FRAME_TOKENS + PART_TOKENS * len(texts)


def _ways_to_count(request: ModelRequest, tokens_in: int, tokens_out: int) -> list[Usage]:
    """OpenAI decides by itself what it writes to its cache, dearer than input, and in which tier it answers."""
    ways = [Usage(input_tokens=tokens_in, output_tokens=tokens_out)]
    if request.provider == "openai":
        ways.append(Usage(input_tokens=tokens_in, cache_write_tokens=tokens_in, output_tokens=tokens_out))
    return ways


def _output_bound(request: ModelRequest) -> int:
    return request.settings.max_tokens or claude_limit(request) or _window(request) or UNKNOWN_WINDOW


def _window(request: ModelRequest) -> int | None:
    address = None if request.provider in PRICE_LISTS else request.base_url
    try:
        _, model = get_snapshot().find_provider_model(
            request.model, None, PRICE_LISTS.get(request.provider), address
        )
    except LookupError:
        return None
    return model.context_window


def _price(
    request: ModelRequest, model: str, usage: Any, at: datetime, context: dict[str, Any] | None = None
) -> int | None:
    at_list = (
        {"provider_id": PRICE_LISTS[request.provider], "price_context": context}
        if request.provider in PRICE_LISTS
        else {"provider_api_url": request.base_url}
    )
    try:
        price = calc_price(usage, model, genai_request_timestamp=at, **at_list)  # type: ignore[arg-type]
    except (LookupError, ValueError):
        return None
    return int((Decimal(price.total_price) * 1_000_000).to_integral_value(rounding=ROUND_CEILING))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
