"""Retries of declared HTTP tools, and secrets that must not appear in their results."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.fake_http_api import KEY, FakeApi
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.entities import AgentToolConfiguration
from weconnect.agents.tools.errors import ToolError
from weconnect.outbound import guard
from weconnect.settings import settings

pytestmark = pytest.mark.usefixtures("pauses")

# Declared tools: retries and errors


@pytest.mark.parametrize("first", [(500, "", {}), (503, "", {}), (429, "", {}), None])
def test_retries_send_the_same_idempotency_key(
    api: FakeApi, call: Callable[..., Any], pauses: list[float], first: Any
) -> None:
    api.responses = [first, first, (200, '{"ok": true}', {})]
    assert call("/", {"a": 1}, parameters={"method": "POST"}, retryCount=2)["body"] == {"ok": True}
    assert [request["headers"]["idempotency-key"] for request in api.requests] == ["run-1-call-2"] * 3
    assert len({request["body"] for request in api.requests}) == 1
    assert pauses == [0.5, 1.0]


def test_retry_after_is_respected_up_to_ten_seconds(
    api: FakeApi, call: Callable[..., Any], pauses: list[float]
) -> None:
    api.responses = [(429, "", {"retry-after": "3"}), (503, "", {"retry-after": "9999"}), (200, "1", {})]
    call("/", retryCount=5)
    assert pauses == [3.0, 10.0]


@pytest.mark.parametrize(("count", "requests"), [(None, 1), (0, 1), (2, 3)])
def test_the_last_failed_attempt_is_a_tool_error(
    api: FakeApi, call: Callable[..., Any], count: int | None, requests: int
) -> None:
    api.responses = [(503, "busy " * 100, {})]
    with pytest.raises(ToolError) as failed:
        call("/", retryCount=count)
    assert str(failed.value) == "127.0.0.1 responded with status 503: " + ("busy " * 60).strip()
    assert len(api.requests) == requests


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_client_error_is_not_retried(api: FakeApi, call: Callable[..., Any], status: int) -> None:
    api.responses = [(status, '{"error": "no"}', {})]
    with pytest.raises(ToolError, match=f'responded with status {status}: {{"error": "no"}}'):
        call("/", retryCount=3)
    assert len(api.requests) == 1


def test_a_connection_error_is_retried(api: FakeApi, call: Callable[..., Any]) -> None:
    api.responses = [None]
    with pytest.raises(ToolError, match="could not be reached"):
        call("/", retryCount=1)
    assert len(api.requests) == 2


def test_a_private_address_is_not_retried(pauses: list[float]) -> None:
    with pytest.raises(ToolError, match="no address on the public internet"):
        http_tool.call_endpoint(
            AgentToolConfiguration(api_endpoint="http://169.254.169.254/{a}", retry_count=3),
            None,
            {"a": "x"},
            api_key=KEY,
            idempotency_key="k",
        )
    assert pauses == []


def test_a_name_without_a_public_address_is_retried(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its resolver may be down; an internal name is retried as well, so that neither can be told from the other."""
    for addresses in ([], ["10.0.0.1"]):
        monkeypatch.setattr(guard, "resolve_host", lambda host, port, result=addresses: result)
        pauses.clear()
        with pytest.raises(ToolError, match=r"api\.example has no address on the public internet"):
            http_tool.call_endpoint(
                AgentToolConfiguration(api_endpoint="http://api.example/", retry_count=2),
                None,
                {},
                api_key=KEY,
                idempotency_key="k",
            )
        assert pauses == [0.5, 1.0]


# Secrets


PLACES = {"type": "object", "properties": {"trace": {}, "page": {}, "name": {}, "id": {}}}


def test_arguments_fill_headers_and_the_query(api: FakeApi, call: Callable[..., Any]) -> None:
    parameters = {
        "method": "POST",
        "headers": {"X-Trace": "t-{trace}", "X-Braces": "{not.one}"},
        "query": {"page": "{page}", "v": 2},
        "body": {"source": "agent"},
    }
    arguments = {"trace": 7, "page": "a&b", "name": "Ada", "id": "x/y", "v": 9, "source": "me"}
    call("/u/{id}", arguments, schema=PLACES, parameters=parameters)
    request = api.requests[-1]
    assert request["path"] == "/u/x%2Fy?page=a%26b&v=2"
    assert (request["headers"]["x-trace"], request["headers"]["x-braces"]) == ("t-7", "{not.one}")
    assert json.loads(request["body"]) == {"name": "Ada", "v": 9, "source": "agent"}
    call("/u/{id}", {"id": 1}, schema=PLACES, parameters=parameters)
    assert api.requests[-1]["path"] == "/u/1?v=2" and "x-trace" not in api.requests[-1]["headers"]
    call("/u/1", {"v": 9, "q": 1}, schema=PLACES, parameters={"query": {"v": "{page}"}})
    assert api.requests[-1]["path"] == "/u/1?q=1", (
        "a fixed parameter stays reserved, even when it is left out"
    )
    for value in (["a"], "x\r\ny: z"):
        with pytest.raises(ToolError):
            call("/u/1", {"trace": value}, schema=PLACES, parameters=parameters)
    assert len(api.requests) == 3


def test_a_body_can_be_sent_as_a_form(api: FakeApi, call: Callable[..., Any]) -> None:
    call(
        "/f",
        {"a": "ü &", "b": [1, 2]},
        parameters={"method": "POST", "bodyFormat": "form", "body": {"c": True}},
    )
    assert api.requests[-1]["body"] == "a=%C3%BC%20%26&b=1&b=2&c=true"
    assert api.requests[-1]["headers"]["content-type"] == "application/x-www-form-urlencoded"
    with pytest.raises(ToolError, match="surrogate"):
        call("/f", {"a": "\ud800"}, parameters={"method": "POST", "bodyFormat": "form"})


def test_secrets_are_removed_from_the_result(api: FakeApi, call: Callable[..., Any]) -> None:
    echoed = {
        KEY: 1,
        "list": [f"Bearer {KEY}!", "fine"],
        "other": "tok-12345678 and tok-87654321 and in-template-1",
    }
    api.responses = [(200, json.dumps(echoed), {"location": f"/?k={KEY}"})]
    result = call(
        "/?api_key=in-template-1",
        parameters={"headers": {"X-Auth": "Basic tok-12345678"}, "query": {"access_token": "tok-87654321"}},
    )
    assert result["body"] == {"••••": 1, "list": ["Bearer ••••!", "fine"], "other": "•••• and •••• and ••••"}
    assert result["headers"]["location"] == "/?k=••••"


@pytest.mark.parametrize("status", [200, 401])
def test_encoded_and_cut_secrets_are_removed(api: FakeApi, call: Callable[..., Any], status: int) -> None:
    from urllib.parse import quote

    text = "x" * 290 + KEY + quote(KEY, safe="") + json.dumps(KEY) + "y" * 70_000 + KEY
    api.responses = [(status, text, {})]
    try:
        shown = str(call("/"))
    except ToolError as error:
        shown = str(error)
        assert error.__cause__ is None
    assert "••••" in shown and "k3y" not in shown


def test_an_api_key_of_digits_is_removed_from_numbers(api: FakeApi, call: Callable[..., Any]) -> None:
    api.responses = [(200, '{"key": 12345678, "n": 1234567, "b": true}', {})]
    assert call("/", api_key="12345678")["body"] == {"key": "••••", "n": 1234567, "b": True}


def test_an_api_key_that_is_no_header_value_is_not_shown(call: Callable[..., Any]) -> None:
    with pytest.raises(ToolError) as failed:
        call("/", api_key="secret\r\nx: y")
    assert "secret" not in str(failed.value)


def test_the_api_key_is_not_sent_to_another_host_after_a_redirect(
    api: FakeApi, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FakeApi()
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({api.url[7:], other.url[7:]}))
    api.responses = [(303, "", {"location": other.url + "/there"})]
    call("/", parameters={"method": "POST", "apiKeyHeader": "Accept-Language"})
    assert api.requests[0]["headers"]["accept-language"] == KEY
    assert KEY not in json.dumps(other.requests) and len(other.requests) == 1
    other.server.shutdown()
    other.server.server_close()
