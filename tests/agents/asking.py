"""One request to each model provider, for tests that run against the fake servers."""

from collections.abc import Callable
from typing import Any

from tests.agents.fake_model_servers import FakeModels
from weconnect.agents.providers.messages import Message, ModelRequest, ToolSpec

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

Serve = Callable[..., FakeModels]


def ask(provider: str, server: FakeModels, **changes: Any) -> ModelRequest:
    values = {
        "provider": provider,
        "model": MODELS[provider],
        "messages": [Message(role="user", content="hi")],
        "base_url": f"{server.url}/v1" if provider == "openai_compatible" else None,
        "timeout_seconds": 20,
    }
    return ModelRequest(**(values | changes))
