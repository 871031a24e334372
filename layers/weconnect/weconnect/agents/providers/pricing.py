"""What a model request cost, from the price list that genai-prices carries. No network."""

from decimal import ROUND_CEILING, Decimal

from genai_prices import calc_price
from pydantic_ai.messages import ModelResponse

from weconnect.agents.providers.messages import ModelRequest

PRICE_LISTS = {"openai": "openai", "anthropic": "anthropic", "google": "google", "bedrock": "aws"}


def cost_micros(request: ModelRequest, answer: ModelResponse) -> int | None:
    """USD * 10^6, rounded up so that a budget never undercounts; None when price or usage is not known.

    A compatible endpoint is priced by its address alone: a model's name there says nothing about its price.
    """
    if answer.usage.unmeasured_requests or not answer.usage.has_values():
        return None
    for model in dict.fromkeys((answer.model_name or request.model, request.model)):
        try:
            if request.provider in PRICE_LISTS:
                price = calc_price(
                    answer.usage,
                    model,
                    provider_id=PRICE_LISTS[request.provider],
                    genai_request_timestamp=answer.timestamp,
                    price_context=answer.provider_details,
                )
            else:
                price = calc_price(
                    answer.usage,
                    model,
                    provider_api_url=request.base_url,
                    genai_request_timestamp=answer.timestamp,
                )
        except (LookupError, ValueError):
            continue
        return int((Decimal(price.total_price) * 1_000_000).to_integral_value(rounding=ROUND_CEILING))
    return None
