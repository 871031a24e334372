"""The list of model providers, and which choices it takes."""

import json
from collections.abc import Iterator

import pytest

from tests.agents.asking import CITY, KEY, WEATHER, Serve, ask, native
from tests.agents.fake_model_servers import FakeModels, Raw, Say, Script, Slow
from weconnect.agents.models import complete, provider_registry
from weconnect.errors import Invalid
from weconnect.settings import settings


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    allowed = settings.outbound_allowed_hosts
    object.__setattr__(settings, "outbound_allowed_hosts", allowed | {"127.0.0.1"})
    yield
    object.__setattr__(settings, "outbound_allowed_hosts", allowed)


def test_listed_prices_are_those_of_the_price_list() -> None:
    from genai_prices import Usage, calc_price

    lists = {"openai": "openai", "anthropic": "anthropic", "google": "google", "bedrock": "aws"}
    for provider, list_id in lists.items():
        assert provider_registry.PROVIDERS[provider].models
        for model in provider_registry.PROVIDERS[provider].models:
            found = calc_price(Usage(input_tokens=1000, output_tokens=1000), model.id, provider_id=list_id)
            listed = (model.input_price, model.output_price, model.context_window)
            counted = (float(found.input_price * 1000), float(found.output_price * 1000))
            assert listed[:2] == pytest.approx(counted), model.id
            window = found.model.context_window
            assert window is None or listed[2] == window, model.id
            cached = calc_price(
                Usage(input_tokens=1000, cache_read_tokens=1000), model.id, provider_id=list_id
            )
            expected = model.input_price if model.cached_input_price is None else model.cached_input_price
            assert float(cached.input_price * 1000) == pytest.approx(expected), model.id


def test_listed_longest_outputs_are_those_of_the_library() -> None:
    from pydantic_ai.profiles.anthropic import anthropic_model_profile

    for provider in ("openai", "anthropic", "google", "bedrock"):
        for model in provider_registry.PROVIDERS[provider].models:
            profile = (
                anthropic_model_profile(model.id.split("anthropic.")[-1]) if "claude" in model.id else {}
            )
            assert model.max_output_tokens == (profile or {}).get("anthropic_max_output_tokens"), model.id


FORMS = {
    (model.id, provider): model.structured_output
    for provider in ("openai", "anthropic", "google", "bedrock")
    for model in provider_registry.PROVIDERS[provider].models
}


@pytest.mark.parametrize(("model", "provider"), FORMS)
def test_listed_forms_of_answers_are_those_that_are_sent(model: str, provider: str, serve: Serve) -> None:
    alone, beside_tools = {"native": (1, 1), "tool": (0, 0), "mixed": (1, 0)}[FORMS[model, provider] or ""]
    server = serve(Say("ok"), Say("ok"))
    complete(ask(provider, server, model=model, output_schema=CITY), KEY)
    complete(ask(provider, server, model=model, output_schema=CITY, tools=[WEATHER]), KEY)
    natively = [native(provider, asked.json) == CITY for asked in server.asked]
    assert natively == [bool(alone), bool(beside_tools)]


def test_describe_tells_where_a_key_is() -> None:
    found = {
        provider.id: provider
        for provider in provider_registry.describe(lambda name: name in ("embedded", "openai"))
    }
    assert set(found) == {"embedded", "openai", "anthropic", "google", "bedrock", "openai_compatible"}
    assert [found[id].has_key for id in ("embedded", "openai", "anthropic")] == [True, True, False]
    assert provider_registry.PROVIDERS["openai"].has_key is False
    wire = found["openai"].wire()
    assert wire["capabilities"]["structuredOutput"] is True
    assert wire["models"][0]["inputPrice"] > 0


def test_a_running_ollama_offers_its_models() -> None:
    tags = json.dumps({"models": [{"name": "qwen3:8b"}, {"name": "llama3.2:1b"}]}).encode()
    with FakeModels([Raw(200, tags), Raw(200, tags)]) as server:
        assert provider_registry.ollama_models(f"{server.url}/v1") == ["llama3.2:1b", "qwen3:8b"]
        found = {
            provider.id: provider for provider in provider_registry.describe(lambda _: False, server.url)
        }
    assert server.asked[0].path == "/api/tags"
    assert [(model.id, model.base_url, model.input_price) for model in found["openai_compatible"].models] == [
        ("llama3.2:1b", f"{server.url}/v1", None),
        ("qwen3:8b", f"{server.url}/v1", None),
    ]
    assert provider_registry.PROVIDERS["openai_compatible"].models == []


@pytest.mark.parametrize("script", [Slow(), Raw(200, b"{}"), Raw(200, b"<html>"), Raw(500, b"no")])
def test_no_ollama_no_models(script: Script) -> None:
    with FakeModels([script]) as server:
        assert provider_registry.ollama_models(server.url) == []
    assert provider_registry.ollama_models(server.url) == []


def test_an_ollama_that_may_not_be_called_is_none() -> None:
    object.__setattr__(settings, "outbound_allowed_hosts", frozenset())
    with FakeModels([]) as server:
        assert provider_registry.ollama_models(server.url) == []
    assert server.asked == []


@pytest.mark.parametrize(
    ("provider", "model", "base_url", "pointer"),
    [
        ("acme", "m", None, "/provider"),
        ("openai", " ", None, "/model"),
        ("embedded", "gpt-4o", None, "/model"),
        ("openai", "gpt-4o", "https://example.com/v1", "/baseUrl"),
        ("openai_compatible", "m", None, "/baseUrl"),
        ("openai_compatible", "m", "ftp://example.com", "/baseUrl"),
        ("openai_compatible", "m", "file:///etc/passwd", "/baseUrl"),
        ("openai_compatible", "m", "example.com/v1", "/baseUrl"),
        ("openai_compatible", "m", "https://", "/baseUrl"),
        ("openai_compatible", "m", "http://user:pass@example.com", "/baseUrl"),
        ("openai_compatible", "m", "http://example.com:99999", "/baseUrl"),
        ("openai_compatible", "m", "http://[::1", "/baseUrl"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(
    provider: str, model: str, base_url: str | None, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        provider_registry.validate_model_choice(provider, model, base_url)
    assert [error["pointer"] for error in caught.value.errors] == [pointer]


@pytest.mark.parametrize(
    ("provider", "model", "base_url"),
    [
        ("embedded", "embedded", None),
        ("openai", "a-model-of-tomorrow", None),
        ("openai_compatible", "llama3.2", "http://127.0.0.1:11434/v1"),
    ],
)
def test_a_choice_that_can_work_passes(provider: str, model: str, base_url: str | None) -> None:
    provider_registry.validate_model_choice(provider, model, base_url)
