"""Requests to each model provider, for tests that use the fake servers."""

import json
from collections.abc import Callable
from typing import Any

from tests.models.fake_model_servers import FakeModels
from weconnect.models.messages import Message, ModelRequest, ToolSpec

KEY = "sk-test-secret"
PROVIDERS = ("openai", "anthropic", "google", "bedrock", "openai_compatible")
MODELS = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-2.5-flash",
    "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "openai_compatible": "mistral-small-latest",
}
WEATHER = ToolSpec(
    name="weather",
    description="Tell the weather of a place",
    input_schema={
        "type": "object",
        "properties": {"place": {"type": "string"}, "days": {"type": "integer", "default": 1}},
        "required": ["place"],
        "additionalProperties": False,
    },
)

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
# The path of the schema in each provider's native form, and whether that form can be combined with tools.
NATIVE: dict[str, tuple[tuple[str, ...], bool]] = {
    "openai": (("response_format", "json_schema", "schema"), True),
    "anthropic": (("output_config", "format", "schema"), True),
    "google": (("generationConfig", "responseJsonSchema"), False),
    "bedrock": (("outputConfig", "textFormat", "structure", "jsonSchema", "schema"), True),
    "openai_compatible": (("response_format", "json_schema", "schema"), False),
}

StartServer = Callable[..., FakeModels]


def build_request(provider: str, server: FakeModels, **changes: Any) -> ModelRequest:
    """Return a plain request to a provider, with the fields in `changes` replaced."""
    values = {
        "provider": provider,
        "model": MODELS[provider],
        "messages": [Message(role="user", content="hi")],
        "base_url": f"{server.url}/v1" if provider == "openai_compatible" else None,
        "timeout_seconds": 20,
    }
    return ModelRequest(**(values | changes))


def read_native_schema(provider: str, body: Any) -> Any:
    """Return the answer's schema in a request's body in the provider's native form; `{}` without one."""
    for key in NATIVE[provider][0]:
        body = body.get(key, {})
    return json.loads(body) if isinstance(body, str) else body
