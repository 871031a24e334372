"""Failures in each provider's own format, and the errors that callers get."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.models.fake_model_servers import Call, Cut, Drip, Fail, Raw, Reset, Say
from tests.models.provider_requests import KEY, PROVIDERS, WEATHER, StartServer, build_request
from weconnect.models import ProviderError, send_request
from weconnect.models.messages import ModelSettings


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
    provider: str, meaning: str, code: str, retryable: bool, start_server: StartServer
) -> None:
    server = start_server(Fail(meaning))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_date_in_retry_after_becomes_seconds(provider: str, start_server: StartServer) -> None:
    in_two_days = format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)
    server = start_server(Fail("rate_limited", retry_after=in_two_days))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert caught.value.retry_after is not None
    assert 86_400 < caught.value.retry_after <= 2 * 86_400


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("retry_after", ["soon", "-5", "nan", "inf", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_an_invalid_retry_after_is_not_passed_on(
    provider: str, retry_after: str, start_server: StartServer
) -> None:
    server = start_server(Fail("rate_limited", retry_after=retry_after))
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert caught.value.code == "rate_limited"
    assert caught.value.retry_after is None or caught.value.retry_after == 0


def test_googles_wait_is_read_from_the_body(start_server: StartServer) -> None:
    with pytest.raises(ProviderError) as caught:
        send_request(build_request("google", start_server(Fail("wait"))), KEY)
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 14.5)


@pytest.mark.parametrize("broken", [Reset(), Cut(Say("Hello, this is half of it"))], ids=["reset", "cut"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_broken_connection_is_unavailable(
    provider: str, broken: Reset | Cut, start_server: StartServer
) -> None:
    server = start_server(broken)
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, server), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)
    assert len(server.requests) == 1


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
def test_a_response_without_choices_is_unavailable(
    provider: str, body: bytes, start_server: StartServer
) -> None:
    with pytest.raises(ProviderError) as caught:
        send_request(build_request(provider, start_server(Raw(200, body))), KEY)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_response_is_streamed(provider: str, start_server: StartServer) -> None:
    """Not even where a library would stream by itself, as for long answers of Claude."""
    server = start_server(Say("ok"), Drip("text/event-stream", b": ping\n\n"))
    request = build_request(provider, server, settings=ModelSettings(max_tokens=64_000))
    assert send_request(request, KEY).text == "ok"
    assert "stream" not in server.requests[0].path and not server.requests[0].json.get("stream")
    with pytest.raises(ProviderError) as caught:
        send_request(request.model_copy(update={"timeout_seconds": 0.3}), KEY)
    assert caught.value.code == "timeout"
    assert server.hung_up.wait(20)


@pytest.mark.parametrize("provider", ("openai", "openai_compatible"))
def test_arguments_cut_off_by_the_limit_are_not_completed(provider: str, start_server: StartServer) -> None:
    server = start_server(Say(calls=[Call("weather", raw='{"place": "Be')], finish="length"))
    reply = send_request(build_request(provider, server, tools=[WEATHER]), KEY)
    assert reply.tool_calls[0].arguments == {"INVALID_JSON": '{"place": "Be'}


@pytest.mark.parametrize("arguments", [["Bern"], "Bern", 7, True])
@pytest.mark.parametrize("provider", ("anthropic", "bedrock"))
def test_arguments_of_another_type_are_invalid(
    provider: str, arguments: object, start_server: StartServer
) -> None:
    server = start_server(Say(calls=[Call("weather", arguments)]))  # type: ignore[arg-type]
    reply = send_request(build_request(provider, server, tools=[WEATHER]), KEY)
    assert set(reply.tool_calls[0].arguments) == {"INVALID_JSON"}
    assert reply.warnings == ["The model's arguments for weather are not a JSON object."]
