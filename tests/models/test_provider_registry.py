"""The list of model providers, and the validation of choices."""

import json
from collections.abc import Iterator

import pytest

from tests.models.fake_model_servers import FakeModels, Raw, Say, Script, Slow
from tests.models.provider_requests import CITY, KEY, WEATHER, StartServer, build_request, read_native_schema
from weconnect.errors import Invalid
from weconnect.models import provider_registry, send_request
from weconnect.settings import settings


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    allowed = settings.outbound_allowed_hosts
    object.__setattr__(settings, "outbound_allowed_hosts", allowed | {"127.0.0.1"})
    yield
    object.__setattr__(settings, "outbound_allowed_hosts", allowed)


def test_listed_prices_agree_with_the_price_list() -> None:
    from genai_prices import Usage, calc_price

    lists = {"openai": "openai", "anthropic": "anthropic", "google": "google", "bedrock": "aws"}
    for provider, list_id in lists.items():
        assert provider_registry.PROVIDERS[provider].models
        for model in provider_registry.PROVIDERS[provider].models:
            price = calc_price(Usage(input_tokens=1000, output_tokens=1000), model.id, provider_id=list_id)
            listed = (model.input_price, model.output_price, model.context_window)
            expected_prices = (float(price.input_price * 1000), float(price.output_price * 1000))
            assert listed[:2] == pytest.approx(expected_prices), model.id
            window = price.model.context_window
            assert window is None or listed[2] == window, model.id
            cached = calc_price(
                Usage(input_tokens=1000, cache_read_tokens=1000), model.id, provider_id=list_id
            )
            expected = model.input_price if model.cached_input_price is None else model.cached_input_price
            assert float(cached.input_price * 1000) == pytest.approx(expected), model.id


def test_listed_output_limits_agree_with_the_library() -> None:
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
def test_listed_forms_of_structured_output_are_those_that_are_sent(
    model: str, provider: str, start_server: StartServer
) -> None:
    alone, with_tools = {"native": (1, 1), "tool": (0, 0), "mixed": (1, 0)}[FORMS[model, provider] or ""]
    server = start_server(Say("ok"), Say("ok"))
    send_request(build_request(provider, server, model=model, output_schema=CITY), KEY)
    send_request(build_request(provider, server, model=model, output_schema=CITY, tools=[WEATHER]), KEY)
    is_native = [read_native_schema(provider, request.json) == CITY for request in server.requests]
    assert is_native == [bool(alone), bool(with_tools)]


def test_providers_with_a_key_are_marked() -> None:
    providers = {
        provider.id: provider
        for provider in provider_registry.describe_providers(lambda name: name in ("embedded", "openai"))
    }
    assert set(providers) == {"embedded", "openai", "anthropic", "google", "bedrock", "openai_compatible"}
    assert [providers[id].has_key for id in ("embedded", "openai", "anthropic")] == [True, True, False]
    assert provider_registry.PROVIDERS["openai"].has_key is False
    openai = providers["openai"].to_json_dict()
    assert openai["capabilities"]["structuredOutput"] is True
    assert openai["models"][0]["inputPrice"] > 0


def test_the_models_of_a_running_ollama_are_listed() -> None:
    tags = json.dumps({"models": [{"name": "qwen3:8b"}, {"name": "llama3.2:1b"}]}).encode()
    with FakeModels([Raw(200, tags), Raw(200, tags)]) as server:
        assert provider_registry.list_ollama_models(f"{server.url}/v1") == ["llama3.2:1b", "qwen3:8b"]
        providers = {
            provider.id: provider
            for provider in provider_registry.describe_providers(lambda _: False, server.url)
        }
    assert server.requests[0].path == "/api/tags"
    assert [
        (model.id, model.base_url, model.input_price) for model in providers["openai_compatible"].models
    ] == [
        ("llama3.2:1b", f"{server.url}/v1", None),
        ("qwen3:8b", f"{server.url}/v1", None),
    ]
    assert provider_registry.PROVIDERS["openai_compatible"].models == []


@pytest.mark.parametrize("script", [Slow(), Raw(200, b"{}"), Raw(200, b"<html>"), Raw(500, b"no")])
def test_without_an_ollama_no_models_are_listed(script: Script) -> None:
    with FakeModels([script]) as server:
        assert provider_registry.list_ollama_models(server.url) == []
    assert provider_registry.list_ollama_models(server.url) == []


def test_an_ollama_at_a_forbidden_address_is_not_called() -> None:
    object.__setattr__(settings, "outbound_allowed_hosts", frozenset())
    with FakeModels([]) as server:
        assert provider_registry.list_ollama_models(server.url) == []
    assert server.requests == []


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
def test_a_choice_that_cannot_work_is_invalid(
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
def test_a_choice_that_can_work_is_valid(provider: str, model: str, base_url: str | None) -> None:
    provider_registry.validate_model_choice(provider, model, base_url)
