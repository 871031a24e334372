"""The cost of a model request, and an upper bound for it, from the price list of genai-prices. No network access."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from pydantic_ai.messages import ModelResponse

from weconnect.models.messages import ModelRequest

PRICE_LISTS = {"openai": "openai", "anthropic": "anthropic", "google": "google", "bedrock": "aws"}

# Claude requires a limit. The library's default, the model's own maximum, would be billed without bound, outlast any
# timeout and turn the request into a stream.
CLAUDE_MAX_TOKENS = 16_384
# The output of a model whose window is unknown: the largest window in the price list.
UNKNOWN_WINDOW = 10_000_000
# Tokens that providers add to a request (their own prompts for tools and schemas) and to each of its parts.
FRAME_TOKENS, PART_TOKENS = 2_000, 64


@dataclass(frozen=True)
class CostBound:
    """The most that a request can use: input plus output tokens, and USD * 10^6 (None when the price is unknown)."""

    tokens: int
    cost_micros: int | None


def compute_cost_micros(request: ModelRequest, response: ModelResponse) -> int | None:
    """Return the cost in USD * 10^6; None when price or usage is unknown.

    It is rounded up, so that a budget never undercounts. An OpenAI-compatible endpoint is priced by its address alone:
    a model's name there says nothing about its price.
    """
    if response.usage.unmeasured_requests or not response.usage.input_tokens:  # no request is empty
        return None
    for model in dict.fromkeys((response.model_name or request.model, request.model)):
        price = _compute_price_micros(
            request, model, response.usage, response.timestamp, response.provider_details
        )
        if price is not None:
            return price
    return None


def compute_bound(request: ModelRequest) -> CostBound:
    """Return the most that one request can use and cost, before it is sent.

    A token is at least one byte of UTF-8, so the bytes bound the input. The output is bounded by `max_tokens`, by our
    own limit for Claude, or by the model's whole window: set `max_tokens` for a close bound. The price is the highest
    that the provider may choose by itself; no discount is assumed, not even for cached tokens.
    """
    if request.provider == "embedded":
        return CostBound(0, 0)
    input_tokens, output_tokens = _max_input_tokens(request), _max_output_tokens(request)
    prices = [
        _compute_price_micros(request, request.model, usage, datetime.now(UTC), tier)
        for usage in _possible_usages(request, input_tokens, output_tokens)
        for tier in ({}, {"service_tier": "priority"})
    ]
    highest = max((price for price in prices if price is not None), default=None)
    return CostBound(input_tokens + output_tokens, highest)


def default_max_tokens(request: ModelRequest) -> int | None:
    """Return the limit that we send to a Claude when the request sets none; None for other models."""
    is_claude = request.provider == "anthropic" or (
        request.provider == "bedrock" and "anthropic.claude" in request.model
    )
    return CLAUDE_MAX_TOKENS if is_claude and request.settings.max_tokens is None else None


def _max_input_tokens(request: ModelRequest) -> int:
    """Return an upper bound of the tokens that the request is counted as: a token has at least one byte."""
    texts = [request.system]
    for message in request.messages:
        texts += [message.content, message.tool_name or "", message.tool_call_id or ""]
        texts += [_to_json(call.model_dump()) for call in message.tool_calls]
    texts += [_to_json(tool.model_dump()) for tool in request.tools]
    if request.output_schema is not None:
        texts.append(_to_json(request.output_schema))
    size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
    return size + FRAME_TOKENS + PART_TOKENS * len(texts)


def _possible_usages(request: ModelRequest, input_tokens: int, output_tokens: int) -> list[Usage]:
    """Return the ways to bill the tokens: OpenAI itself decides what it writes to its cache, at a higher price."""
    usages = [Usage(input_tokens=input_tokens, output_tokens=output_tokens)]
    if request.provider == "openai":
        usages.append(
            Usage(input_tokens=input_tokens, cache_write_tokens=input_tokens, output_tokens=output_tokens)
        )
    return usages


def _max_output_tokens(request: ModelRequest) -> int:
    """Return an upper bound of the reply's tokens: the request's limit, ours, or the model's window."""
    return (
        request.settings.max_tokens
        or default_max_tokens(request)
        or _find_context_window(request)
        or UNKNOWN_WINDOW
    )


def _find_context_window(request: ModelRequest) -> int | None:
    """Return the model's context window in tokens; None for an unknown model."""
    base_url = None if request.provider in PRICE_LISTS else request.base_url
    try:
        _, model = get_snapshot().find_provider_model(
            request.model, None, PRICE_LISTS.get(request.provider), base_url
        )
    except LookupError:
        return None
    return model.context_window


def _compute_price_micros(
    request: ModelRequest, model: str, usage: Any, at: datetime, context: dict[str, Any] | None = None
) -> int | None:
    """Return the price in USD * 10^6, rounded up; None for an unknown model. `context` names a price tier."""
    price_list = (
        {"provider_id": PRICE_LISTS[request.provider], "price_context": context}
        if request.provider in PRICE_LISTS
        else {"provider_api_url": request.base_url}
    )
    try:
        price = calc_price(usage, model, genai_request_timestamp=at, **price_list)
    except (LookupError, ValueError):
        return None
    return int((Decimal(price.total_price) * 1_000_000).to_integral_value(rounding=ROUND_CEILING))


def _to_json(value: Any) -> str:
    """Return the value as JSON text, without escaping other scripts."""
    return json.dumps(value, ensure_ascii=False)
