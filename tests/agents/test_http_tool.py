import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from tests.agents.apis import Api
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.errors import ToolError
from weconnect.settings import settings

KEY = 'k3y/with+signs&"quotes'


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    running = Api()
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({running.url[7:]}))
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(http_tool, "sleep", found.append)
    return found


@pytest.fixture
def call(api: Api) -> Callable[..., dict[str, Any]]:
    def called(
        path: str,
        arguments: dict[str, Any] | None = None,
        *,
        api_key: str | None = KEY,
        schema: dict[str, Any] | None = None,
        **configuration: Any,
    ) -> dict[str, Any]:
        return http_tool.call_declared(
            {"apiEndpoint": api.url + path, **configuration},
            schema,
            arguments or {},
            api_key=api_key,
            idempotency_key="run-1-call-2",
        )

    return called


# http_request


def test_run_gets_json(api: Api) -> None:
    more = {"content-type": "application/json", "x-request-id": "r", "set-cookie": "session=1", "server": "x"}
    api.answers = [(200, '{"a": [1, null]}', more)]
    found = http_tool.run({"url": f"{api.url}/x?y=1", "headers": {"X-Own": "v"}}, idempotency_key="k")
    assert found == {
        "status": 200,
        "headers": {"content-type": "application/json", "x-request-id": "r"},
        "body": {"a": [1, None]},
    }
    seen = api.seen[0]
    assert (seen["method"], seen["path"], seen["headers"]["x-own"]) == ("GET", "/x?y=1", "v")
    assert "idempotency-key" not in seen["headers"]


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        ({"a": "ü"}, '{"a":"ü"}', "application/json"),
        ([1], "[1]", "application/json"),
        ("a=1", "a=1", None),
        (None, "", None),
    ],
)
def test_run_posts(api: Api, body: Any, sent: str, content_type: str | None) -> None:
    http_tool.run({"url": api.url, "method": "POST", "body": body}, idempotency_key="k-1")
    seen = api.seen[0]
    assert (seen["body"], seen["headers"].get("content-type")) == (sent, content_type)
    assert seen["headers"]["idempotency-key"] == "k-1"


def test_run_lets_the_caller_name_its_own_idempotency_key(api: Api) -> None:
    http_tool.run(
        {"url": api.url, "method": "PUT", "headers": {"Idempotency-Key": "own"}}, idempotency_key="k-1"
    )
    assert api.seen[0]["headers"]["idempotency-key"] == "own"


def test_run_answers_any_status(api: Api) -> None:
    api.answers = [(404, "nothing here", {"content-type": "text/plain"})]
    assert http_tool.run({"url": api.url})["status"] == 404
    assert len(api.seen) == 1


def test_run_cuts_text_and_names_what_is_none(api: Api) -> None:
    api.answers = [
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


def test_run_follows_redirects(api: Api) -> None:
    api.answers = [(302, "", {"location": "/there"}), (200, "1", {})]
    assert http_tool.run({"url": api.url})["body"] == 1
    assert [seen["path"] for seen in api.seen] == ["/", "/there"]


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
def test_run_tells_the_model_what_is_wrong(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weconnect.outbound.guard.resolve", lambda host, port: ["127.0.0.1"])
    with pytest.raises(ToolError):
        http_tool.run(arguments)


def test_a_redirect_to_the_inside(api: Api) -> None:
    api.answers = [(302, "", {"location": "http://169.254.169.254/latest"})]
    with pytest.raises(ToolError, match="not on the public internet"):
        http_tool.run({"url": api.url})


# Declared tools: the request


def test_arguments_fill_the_path_and_the_query(api: Api, call: Callable[..., Any]) -> None:
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
    seen = api.seen[0]
    path, _, query = seen["path"].partition("?")
    assert seen["method"] == "GET" and seen["body"] == ""
    assert path == "/users/a%20b%2F%C3%BC/notes/7"
    assert parse_qsl(query) == [
        *[("v", "1"), ("q", "x&y=z#"), ("tenant", "t1"), ("flag", "false"), ("tags", "a"), ("tags", "b c")],
        *[("deep", '{"k": 1}'), ("on", "true")],
    ]
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"
    assert seen["headers"]["idempotency-key"] == "run-1-call-2"


def test_other_methods_take_a_json_body(api: Api, call: Callable[..., Any]) -> None:
    call("/users/{id}", {"id": "u", "name": "ü", "n": 1}, parameters={"method": "patch", "query": {"v": 2}})
    seen = api.seen[0]
    assert (seen["method"], seen["path"], json.loads(seen["body"])) == (
        "PATCH",
        "/users/u?v=2",
        {"name": "ü", "n": 1},
    )


def test_headers_and_the_keys_place(api: Api, call: Callable[..., Any]) -> None:
    headers = {
        "X-Version": "3",
        "x-token": "overridden",
        "Idempotency-Key": "overridden",
        "Host": "evil.example",
    }
    call("/", parameters={"headers": headers, "apiKeyHeader": "X-Token", "apiKeyPrefix": "Token "})
    call("/", parameters={"apiKeyHeader": "X-Api-Key"})
    call("/", api_key=None)
    first, second, third = (seen["headers"] for seen in api.seen)
    assert (first["x-version"], first["x-token"]) == ("3", f"Token {KEY}")
    assert first["idempotency-key"] == "run-1-call-2" and first["host"] == api.url[7:]
    assert second["x-api-key"] == KEY and "authorization" not in second
    assert "authorization" not in third


def test_defaults_of_the_schema(api: Api, call: Callable[..., Any]) -> None:
    schema = {"properties": {"unit": {"default": "c"}, "city": {"default": "Rome"}, "x": {"type": "string"}}}
    call("/{city}", {"city": "Oslo"}, schema=schema)
    assert api.seen[0]["path"] == "/Oslo?unit=c"


def test_an_argument_does_not_repeat_what_the_owner_fixed(api: Api, call: Callable[..., Any]) -> None:
    call(
        "/?tenant=mine&a%20b=1", {"tenant": "other", "limit": 9, "a b": 2}, parameters={"query": {"limit": 1}}
    )
    assert api.seen[0]["path"] == "/?tenant=mine&a%20b=1&limit=1"


@pytest.mark.parametrize("value", ["..", ".", "", None, [], {}, ["a"], "\ud800"])
def test_what_may_not_stand_in_a_path(api: Api, call: Callable[..., Any], value: Any) -> None:
    with pytest.raises(ToolError):
        call("/users/{id}/delete", {"id": value})
    assert api.seen == []


def test_two_arguments_do_not_make_a_step_together(api: Api, call: Callable[..., Any]) -> None:
    with pytest.raises(ToolError, match="path"):
        call("/users/{a}{b}/x", {"a": ".", "b": "."})
    assert api.seen == []


@tries(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.text(st.characters(codec="utf-8"), min_size=1)
    | st.sampled_from(["../..", "%2e%2e", "a?b#c", "@evil"])
)
def test_an_argument_stays_in_its_place(value: str) -> None:
    template = "https://api.example.com/v1/{id}/x?q={id}#f"
    try:
        url, rest = http_tool._fill(template, {"id": value, "other": 1})
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
def test_an_argument_does_not_choose_the_host(template: str) -> None:
    names = ("url", "host", "region", "port", "scheme", "user", "rest", "a")
    with pytest.raises(ToolError):
        http_tool.call_declared(
            {"apiEndpoint": template},
            None,
            dict.fromkeys(names, "evil.example"),
            api_key=None,
            idempotency_key="k",
        )


def test_a_missing_argument_is_named(call: Callable[..., Any]) -> None:
    with pytest.raises(ToolError, match="city is missing"):
        call("/{city}")


@pytest.mark.parametrize("parameters", [["x"], {"headers": "x"}, {"query": [1]}])
def test_parameters_of_a_wrong_form(call: Callable[..., Any], parameters: Any) -> None:
    with pytest.raises(ToolError, match="must be an object"):
        call("/", parameters=parameters)


# Declared tools: retries and errors


@pytest.mark.parametrize("first", [(500, "", {}), (503, "", {}), (429, "", {}), None])
def test_tries_again_under_one_key(
    api: Api, call: Callable[..., Any], pauses: list[float], first: Any
) -> None:
    api.answers = [first, first, (200, '{"ok": true}', {})]
    assert call("/", {"a": 1}, parameters={"method": "POST"}, retryCount=2)["body"] == {"ok": True}
    assert [seen["headers"]["idempotency-key"] for seen in api.seen] == ["run-1-call-2"] * 3
    assert len({seen["body"] for seen in api.seen}) == 1
    assert pauses == [0.5, 1.0]


def test_waits_as_long_as_it_is_told_within_reason(
    api: Api, call: Callable[..., Any], pauses: list[float]
) -> None:
    api.answers = [(429, "", {"retry-after": "3"}), (503, "", {"retry-after": "9999"}), (200, "1", {})]
    call("/", retryCount=5)
    assert pauses == [3.0, 10.0]


@pytest.mark.parametrize(("count", "requests"), [(None, 1), (0, 1), (2, 3)])
def test_gives_up(api: Api, call: Callable[..., Any], count: int | None, requests: int) -> None:
    api.answers = [(503, "busy " * 100, {})]
    with pytest.raises(ToolError) as failed:
        call("/", retryCount=count)
    assert str(failed.value) == "127.0.0.1 answered 503: " + ("busy " * 60).strip()
    assert len(api.seen) == requests


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_is_final(api: Api, call: Callable[..., Any], status: int) -> None:
    api.answers = [(status, '{"error": "no"}', {})]
    with pytest.raises(ToolError, match=f'answered {status}: {{"error": "no"}}'):
        call("/", retryCount=3)
    assert len(api.seen) == 1


def test_nobody_there(api: Api, call: Callable[..., Any]) -> None:
    api.answers = [None]
    with pytest.raises(ToolError, match="could not be reached"):
        call("/", retryCount=1)
    assert len(api.seen) == 2


def test_an_address_inside_is_not_tried_again(pauses: list[float]) -> None:
    with pytest.raises(ToolError, match="not on the public internet"):
        http_tool.call_declared(
            {"apiEndpoint": "http://169.254.169.254/{a}", "retryCount": 3},
            None,
            {"a": "x"},
            api_key=KEY,
            idempotency_key="k",
        )
    assert pauses == []


# Secrets


PLACES = {"type": "object", "properties": {"trace": {}, "page": {}, "name": {}, "id": {}}}


def test_arguments_stand_in_headers_and_in_the_query(api: Api, call: Callable[..., Any]) -> None:
    parameters = {
        "method": "POST",
        "headers": {"X-Trace": "t-{trace}", "X-Braces": "{not.one}"},
        "query": {"page": "{page}", "v": 2},
        "body": {"source": "agent"},
    }
    given = {"trace": 7, "page": "a&b", "name": "Ada", "id": "x/y", "v": 9, "source": "me"}
    call("/u/{id}", given, schema=PLACES, parameters=parameters)
    seen = api.seen[-1]
    assert seen["path"] == "/u/x%2Fy?page=a%26b&v=2"
    assert (seen["headers"]["x-trace"], seen["headers"]["x-braces"]) == ("t-7", "{not.one}")
    assert json.loads(seen["body"]) == {"name": "Ada", "v": 9, "source": "agent"}
    call("/u/{id}", {"id": 1}, schema=PLACES, parameters=parameters)
    assert api.seen[-1]["path"] == "/u/1?v=2" and "x-trace" not in api.seen[-1]["headers"]
    call("/u/1", {"v": 9, "q": 1}, schema=PLACES, parameters={"query": {"v": "{page}"}})
    assert api.seen[-1]["path"] == "/u/1?q=1", "what the owner has fixed is theirs, even when it is left out"
    for value in (["a"], "x\r\ny: z"):
        with pytest.raises(ToolError):
            call("/u/1", {"trace": value}, schema=PLACES, parameters=parameters)
    assert len(api.seen) == 3


def test_a_form(api: Api, call: Callable[..., Any]) -> None:
    call(
        "/f",
        {"a": "ü &", "b": [1, 2]},
        parameters={"method": "POST", "bodyFormat": "form", "body": {"c": True}},
    )
    assert api.seen[-1]["body"] == "a=%C3%BC%20%26&b=1&b=2&c=true"
    assert api.seen[-1]["headers"]["content-type"] == "application/x-www-form-urlencoded"
    with pytest.raises(ToolError, match="surrogate"):
        call("/f", {"a": "\ud800"}, parameters={"method": "POST", "bodyFormat": "form"})


def test_secrets_do_not_come_back(api: Api, call: Callable[..., Any]) -> None:
    echoed = {
        KEY: 1,
        "list": [f"Bearer {KEY}!", "fine"],
        "other": "tok-12345678 and tok-87654321 and in-template-1",
    }
    api.answers = [(200, json.dumps(echoed), {"location": f"/?k={KEY}"})]
    found = call(
        "/?api_key=in-template-1",
        parameters={"headers": {"X-Auth": "Basic tok-12345678"}, "query": {"access_token": "tok-87654321"}},
    )
    assert found["body"] == {"••••": 1, "list": ["Bearer ••••!", "fine"], "other": "•••• and •••• and ••••"}
    assert found["headers"]["location"] == "/?k=••••"


@pytest.mark.parametrize("status", [200, 401])
def test_secrets_do_not_come_back_encoded_or_cut(api: Api, call: Callable[..., Any], status: int) -> None:
    from urllib.parse import quote

    text = "x" * 290 + KEY + quote(KEY, safe="") + json.dumps(KEY) + "y" * 70_000 + KEY
    api.answers = [(status, text, {})]
    try:
        shown = str(call("/"))
    except ToolError as error:
        shown = str(error)
        assert error.__cause__ is None
    assert "••••" in shown and "k3y" not in shown


def test_a_key_of_digits(api: Api, call: Callable[..., Any]) -> None:
    api.answers = [(200, '{"key": 12345678, "n": 1234567, "b": true}', {})]
    assert call("/", api_key="12345678")["body"] == {"key": "••••", "n": 1234567, "b": True}


def test_a_key_that_no_header_takes(call: Callable[..., Any]) -> None:
    with pytest.raises(ToolError) as failed:
        call("/", api_key="secret\r\nx: y")
    assert "secret" not in str(failed.value)


def test_the_key_does_not_follow_a_redirect_to_another_host(
    api: Api, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Api()
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({api.url[7:], other.url[7:]}))
    api.answers = [(307, "", {"location": other.url + "/there"})]
    call("/", parameters={"method": "POST", "apiKeyHeader": "X-Odd-Name"})
    assert api.seen[0]["headers"]["x-odd-name"] == KEY
    assert KEY not in json.dumps(other.seen) and len(other.seen) == 1
    other.server.shutdown()
    other.server.server_close()
