"""What goes wrong at a provider, in each provider's own shape, and what of it reaches a caller."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.agents.asking import KEY, PROVIDERS, WEATHER, Serve, ask
from tests.agents.fake_model_servers import Call, Cut, Drip, Fail, Raw, Reset, Say
from weconnect.agents.models import ProviderError, complete
from weconnect.agents.models.messages import ModelSettings


@pytest.mark.parametrize(
    ("provider", "meaning", "code", "retryable"),
    [
        ("openai", "server_error", "unavailable", True),
        ("openai", "not_allowed", "unauthorized", False),
        ("openai_compatible", "azure_filtered", "content_filtered", False),
        ("anthropic", "too_large", "context_too_long", False),
        ("anthropic", "server_error", "unavailable", True),
        ("anthropic", "upstream_timeout", "timeout", True),
        ("anthropic", "not_allowed", "unauthorized", False),
        ("anthropic", "no_credit", "rate_limited", False),
        ("google", "bad_key", "unauthorized", False),
        ("google", "server_error", "unavailable", True),
        ("google", "upstream_timeout", "timeout", True),
        ("google", "no_billing", "rate_limited", False),
        ("bedrock", "server_error", "unavailable", True),
        ("bedrock", "upstream_timeout", "timeout", True),
        ("bedrock", "not_ready", "unavailable", True),
        ("bedrock", "model_failed", "unavailable", True),
        ("bedrock", "expired", "unauthorized", False),
        ("bedrock", "unknown_client", "unauthorized", False),
    ],
)
def test_documented_errors_have_one_meaning(
    provider: str, meaning: str, code: str, retryable: bool, serve: Serve
) -> None:
    server = serve(Fail(meaning))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert len(server.asked) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_date_to_wait_for_becomes_seconds(provider: str, serve: Serve) -> None:
    in_two_days = format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)
    server = serve(Fail("rate_limited", retry_after=in_two_days))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert caught.value.retry_after is not None
    assert 86_400 < caught.value.retry_after <= 2 * 86_400


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("said", ["soon", "-5", "nan", "inf", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_wait_that_is_none_is_not_passed_on(provider: str, said: str, serve: Serve) -> None:
    server = serve(Fail("rate_limited", retry_after=said))
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert caught.value.code == "rate_limited"
    assert caught.value.retry_after is None or caught.value.retry_after == 0


def test_google_asks_for_a_wait_in_the_body(serve: Serve) -> None:
    with pytest.raises(ProviderError) as caught:
        complete(ask("google", serve(Fail("wait"))), KEY)
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 14.5)


@pytest.mark.parametrize("broken", [Reset(), Cut(Say("Hello, this is half of it"))], ids=["reset", "cut"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_that_breaks_is_unavailable(provider: str, broken: Reset | Cut, serve: Serve) -> None:
    server = serve(broken)
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("openai", b'{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}'),
        ("google", b'{"candidates": [], "usageMetadata": {}}'),
        (
            "anthropic",
            b'{"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": null,'
            b' "usage": {"input_tokens": 1, "output_tokens": 0}}',
        ),
    ],
)
def test_no_choices_is_unavailable(provider: str, body: bytes, serve: Serve) -> None:
    with pytest.raises(ProviderError) as caught:
        complete(ask(provider, serve(Raw(200, body))), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_answer_is_ever_streamed(provider: str, serve: Serve) -> None:
    """Also where a library would stream by itself, as for Claude's long answers."""
    server = serve(Say("ok"), Drip("text/event-stream", b": ping\n\n"))
    request = ask(provider, server, settings=ModelSettings(max_tokens=64_000))
    assert complete(request, KEY).text == "ok"
    assert "stream" not in server.asked[0].path and not server.asked[0].json.get("stream")
    with pytest.raises(ProviderError) as caught:
        complete(request.model_copy(update={"timeout_seconds": 0.3}), KEY)
    assert caught.value.code == "timeout"
    assert server.hung_up.wait(20)


@pytest.mark.parametrize("provider", ("openai", "openai_compatible"))
def test_arguments_cut_by_the_limit_are_not_made_up(provider: str, serve: Serve) -> None:
    server = serve(Say(calls=[Call("weather", raw='{"place": "Be')], finish="length"))
    reply = complete(ask(provider, server, tools=[WEATHER]), KEY)
    assert reply.tool_calls[0].arguments == {"INVALID_JSON": '{"place": "Be'}


@pytest.mark.parametrize("arguments", [["Bern"], "Bern", 7, True])
@pytest.mark.parametrize("provider", ("anthropic", "bedrock"))
def test_arguments_of_another_type_are_no_arguments(provider: str, arguments: object, serve: Serve) -> None:
    server = serve(Say(calls=[Call("weather", arguments)]))  # type: ignore[arg-type]
    reply = complete(ask(provider, server, tools=[WEATHER]), KEY)
    assert set(reply.tool_calls[0].arguments) == {"INVALID_JSON"}
    assert reply.warnings == ["The model's arguments for weather are not a JSON object."]
