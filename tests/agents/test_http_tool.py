"""The HTTP tools: the builtin `http_request`, and declared tools with their requests, retries and secrets."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from tests.agents.fake_http_api import KEY, FakeApi
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.entities import AgentToolConfiguration
from weconnect.agents.tools.errors import ToolError

pytestmark = pytest.mark.usefixtures("pauses")

# http_request


def test_a_json_response_is_returned_as_its_value(api: FakeApi) -> None:
    headers = {
        "content-type": "application/json",
        "x-request-id": "r",
        "set-cookie": "session=1",
        "server": "x",
    }
    api.responses = [(200, '{"a": [1, null]}', headers)]
    result = http_tool.run({"url": f"{api.url}/x?y=1", "headers": {"X-Own": "v"}}, idempotency_key="k")
    assert result == {
        "status": 200,
        "headers": {"content-type": "application/json", "x-request-id": "r"},
        "body": {"a": [1, None]},
    }
    request = api.requests[0]
    assert (request["method"], request["path"], request["headers"]["x-own"]) == ("GET", "/x?y=1", "v")
    assert "idempotency-key" not in request["headers"]


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        ({"a": "ü"}, '{"a":"ü"}', "application/json"),
        ([1], "[1]", "application/json"),
        ("a=1", "a=1", None),
        (None, "", None),
    ],
)
def test_a_body_is_sent_as_json_or_as_text(
    api: FakeApi, body: Any, sent: str, content_type: str | None
) -> None:
    http_tool.run({"url": api.url, "method": "POST", "body": body}, idempotency_key="k-1")
    request = api.requests[0]
    assert (request["body"], request["headers"].get("content-type")) == (sent, content_type)
    assert request["headers"]["idempotency-key"] == "k-1"


def test_an_own_idempotency_key_is_kept_in_the_request(api: FakeApi) -> None:
    http_tool.run(
        {"url": api.url, "method": "PUT", "headers": {"Idempotency-Key": "own"}}, idempotency_key="k-1"
    )
    assert api.requests[0]["headers"]["idempotency-key"] == "own"


def test_the_builtin_returns_any_status(api: FakeApi) -> None:
    api.responses = [(404, "nothing here", {"content-type": "text/plain"})]
    assert http_tool.run({"url": api.url})["status"] == 404
    assert len(api.requests) == 1


def test_long_text_is_cut_and_binary_data_is_described(api: FakeApi) -> None:
    api.responses = [
        (200, "ü" * 20_000, {}),
        (200, json.dumps(["x"] * 30_000), {}),
        (200, "a\0b", {}),
        (200, "NaN", {}),
    ]
    assert http_tool.run({"url": api.url})["body"] == "ü" * 8192
    cut = http_tool.run({"url": api.url})["body"]
    assert isinstance(cut, str) and len(cut) == 16 * 1024
    assert http_tool.run({"url": api.url})["body"] == "(3 bytes that are not text)"
    assert http_tool.run({"url": api.url})["body"] == "NaN"


def test_redirects_are_followed(api: FakeApi) -> None:
    api.responses = [(302, "", {"location": "/there"}), (200, "1", {})]
    assert http_tool.run({"url": api.url})["body"] == 1
    assert [request["path"] for request in api.requests] == ["/", "/there"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "http://2130706433/"},
        {"url": "file:///etc/passwd"},
        {"url": "example.com"},
        {"url": 7},
        {},
        {"url": "http://example.com", "method": "CONNECT"},
        {"url": "http://example.com", "headers": ["a"]},
        {"url": "http://example.com", "headers": {"a": 1}},
        {"url": "http://example.com", "headers": {"a": "b\r\nc: d"}},
        {"url": "http://example.com", "method": "POST", "body": "\ud800"},
    ],
)
def test_invalid_arguments_are_tool_errors(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weconnect.outbound.guard.resolve_host", lambda host, port: ["127.0.0.1"])
    with pytest.raises(ToolError):
        http_tool.run(arguments)


def test_a_redirect_to_a_private_address_is_refused(api: FakeApi) -> None:
    api.responses = [(302, "", {"location": "http://169.254.169.254/latest"})]
    with pytest.raises(ToolError, match="no address on the public internet"):
        http_tool.run({"url": api.url})


# Declared tools: the request


def test_arguments_fill_the_path_and_the_query(api: FakeApi, call: Callable[..., Any]) -> None:
    call(
        "/users/{user_id}/notes/{n}?v=1&q={q}",
        {
            "user_id": "a b/ü",
            "n": 7,
            "q": "x&y=z#",
            "tags": ["a", "b c"],
            "deep": {"k": 1},
            "on": True,
            "none": None,
        },
        parameters={"query": {"tenant": "t1", "flag": False}},
    )
    request = api.requests[0]
    path, _, query = request["path"].partition("?")
    assert request["method"] == "GET" and request["body"] == ""
    assert path == "/users/a%20b%2F%C3%BC/notes/7"
    assert parse_qsl(query) == [
        *[("v", "1"), ("q", "x&y=z#"), ("tenant", "t1"), ("flag", "false"), ("tags", "a"), ("tags", "b c")],
        *[("deep", '{"k": 1}'), ("on", "true")],
    ]
    assert request["headers"]["authorization"] == f"Bearer {KEY}"
    assert request["headers"]["idempotency-key"] == "run-1-call-2"


def test_methods_with_a_body_send_the_arguments_as_json(api: FakeApi, call: Callable[..., Any]) -> None:
    call("/users/{id}", {"id": "u", "name": "ü", "n": 1}, parameters={"method": "patch", "query": {"v": 2}})
    request = api.requests[0]
    assert (request["method"], request["path"], json.loads(request["body"])) == (
        "PATCH",
        "/users/u?v=2",
        {"name": "ü", "n": 1},
    )


def test_headers_and_the_api_key_are_sent_as_configured(api: FakeApi, call: Callable[..., Any]) -> None:
    headers = {
        "X-Version": "3",
        "x-token": "overridden",
        "Idempotency-Key": "overridden",
        "Host": "evil.example",
    }
    call("/", parameters={"headers": headers, "apiKeyHeader": "X-Token", "apiKeyPrefix": "Token "})
    call("/", parameters={"apiKeyHeader": "X-Api-Key"})
    call("/", api_key=None)
    first, second, third = (request["headers"] for request in api.requests)
    assert (first["x-version"], first["x-token"]) == ("3", f"Token {KEY}")
    assert first["idempotency-key"] == "run-1-call-2" and first["host"] == api.url[7:]
    assert second["x-api-key"] == KEY and "authorization" not in second
    assert "authorization" not in third


def test_defaults_of_the_schema_complete_the_arguments(api: FakeApi, call: Callable[..., Any]) -> None:
    schema = {"properties": {"unit": {"default": "c"}, "city": {"default": "Rome"}, "x": {"type": "string"}}}
    call("/{city}", {"city": "Oslo"}, schema=schema)
    assert api.requests[0]["path"] == "/Oslo?unit=c"


def test_an_argument_cannot_repeat_a_fixed_query_parameter(api: FakeApi, call: Callable[..., Any]) -> None:
    call(
        "/?tenant=mine&a%20b=1", {"tenant": "other", "limit": 9, "a b": 2}, parameters={"query": {"limit": 1}}
    )
    assert api.requests[0]["path"] == "/?tenant=mine&a%20b=1&limit=1"


@pytest.mark.parametrize("value", ["..", ".", "", None, [], {}, ["a"], "\ud800"])
def test_an_invalid_value_for_the_path_is_refused(api: FakeApi, call: Callable[..., Any], value: Any) -> None:
    with pytest.raises(ToolError):
        call("/users/{id}/delete", {"id": value})
    assert api.requests == []


def test_two_arguments_cannot_form_a_dot_segment(api: FakeApi, call: Callable[..., Any]) -> None:
    with pytest.raises(ToolError, match="path"):
        call("/users/{a}{b}/x", {"a": ".", "b": "."})
    assert api.requests == []


@tries(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.text(st.characters(codec="utf-8"), min_size=1)
    | st.sampled_from(["../..", "%2e%2e", "a?b#c", "@evil"])
)
def test_an_argument_changes_only_its_placeholder(value: str) -> None:
    template = "https://api.example.com/v1/{id}/x?q={id}#f"
    try:
        url, rest = http_tool._fill_endpoint(template, {"id": value, "other": 1})
    except ToolError:
        assert value in (".", "..")
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.com", "f")
    assert parts.path.count("/") == 3 and parse_qsl(parts.query, keep_blank_values=True) == [("q", value)]
    assert rest == {"other": 1}


@pytest.mark.parametrize(
    "template",
    [
        *(
            "{url}",
            "https://{host}/x",
            "https://api.{region}.example.com/",
            "https://h:{port}/",
            "{scheme}://h/",
        ),
        *("https://{user}@h/", "https:{rest}", "//h/{a}", "/x/{a}", "", "ftp://h/{a}", "https://[::1/{a}"),
    ],
)
def test_an_argument_cannot_choose_the_host(template: str) -> None:
    names = ("url", "host", "region", "port", "scheme", "user", "rest", "a")
    with pytest.raises(ToolError):
        http_tool.call_endpoint(
            AgentToolConfiguration.model_construct(api_endpoint=template),
            None,
            dict.fromkeys(names, "evil.example"),
            api_key=None,
            idempotency_key="k",
        )


def test_a_missing_argument_is_named(call: Callable[..., Any]) -> None:
    with pytest.raises(ToolError, match="city is missing"):
        call("/{city}")


@pytest.mark.parametrize("parameters", [{"headers": "x"}, {"query": [1]}])
def test_parameters_of_a_wrong_type_are_refused(call: Callable[..., Any], parameters: Any) -> None:
    with pytest.raises(ToolError, match="must be an object"):
        call("/", parameters=parameters)
