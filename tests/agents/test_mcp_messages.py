"""Malformed and random messages of the Model Context Protocol, and its names and headers."""

import json
import re
import string
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from mcp_types import jsonrpc_message_adapter

from tests.agents.execution_helpers import Starter
from tests.agents.mcp_requests import (
    send_request,
)
from tests.factories import RegisteredUser, register
from weconnect.agents.mcp import agent_tools, protocol, tool_names


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a":1,"a":2}',
        '{"id": NaN}',
        '{"id": "\\ud800"}',
        "9" * 5_000,
        '{"a": 1e999}',
    ],
)
def test_malformed_json_is_a_parse_error(me: RegisteredUser, text: str) -> None:
    response = me.client.post("/v1/mcp", raw=text)
    assert (response.status, response.json["error"]["code"], response.json["id"]) == (
        400,
        protocol.PARSE_ERROR,
        None,
    )


@pytest.mark.parametrize(
    "message",
    [
        *(None, 7, "x", {}, {"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "id": 1}, {"id": 1, "method": "ping"}),
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": True, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": "x" * 256, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1, "method": None, "result": 1, "error": {}},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
    ],
)
def test_a_value_that_is_not_a_message_is_an_invalid_request(me: RegisteredUser, message: Any) -> None:
    response = me.client.post("/v1/mcp", raw=json.dumps(message))
    assert (response.status, response.json["error"]["code"]) == (400, protocol.INVALID_REQUEST)


def test_parameters_of_a_wrong_type_are_rejected(me: RegisteredUser) -> None:
    wrong: list[Any] = [[], "x", 7, {"name": 7}, {"name": "x", "arguments": []}, {"arguments": {}}]
    for params in wrong:
        response = send_request(me.client, "tools/call", params)
        assert response.status in (200, 400) and response.json["error"]["code"] == protocol.INVALID_PARAMS, (
            params
        )
    refused = me.client.post("/v1/mcp", raw="{}", headers={"Content-Type": "text/plain"})
    assert refused.status == 415


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
METHODS = st.sampled_from(["initialize", "ping", "tools/list", "tools/call", "server/discover"]) | st.text()
SHAPED = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | ANYTHING, "method": METHODS | ANYTHING},
    optional={
        "id": st.integers() | st.text() | ANYTHING,
        "params": ANYTHING
        | st.fixed_dictionaries(
            {}, optional={"name": ANYTHING, "arguments": ANYTHING, "cursor": ANYTHING, "_meta": ANYTHING}
        ),
    },
)
VERSIONS = st.sampled_from([None, *protocol.SUPPORTED_VERSIONS, "x"])


@given(message=SHAPED | ANYTHING | st.lists(SHAPED, max_size=3), version=VERSIONS)
@tries(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_message_gets_a_valid_response(me: RegisteredUser, message: Any, version: str | None) -> None:
    headers = {"mcp-protocol-version": version} if version else {}
    try:
        text = json.dumps(message, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(message)
    response = me.client.post("/v1/mcp", raw=text, headers=headers)
    assert response.status in (200, 202, 400, 404)
    if response.status == 202:
        assert response.text == ""
        return
    responses = response.json if isinstance(response.json, list) else [response.json]
    for one in responses:
        jsonrpc_message_adapter.validate_python(one, by_name=False)
        assert ("result" in one) != ("error" in one)


@given(name=st.text(min_size=1, max_size=255), id=st.uuids())
def test_a_tool_name_is_valid_and_contains_its_id(name: str, id: UUID) -> None:
    created = tool_names.with_id(name, agent_tools.AGENT, id)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", created)
    assert tool_names.parse_id(created) == (agent_tools.AGENT, id)
    assert tool_names.with_id(name, agent_tools.AGENT, id) == created


@given(first=st.text(max_size=255), second=st.text(max_size=255), ids=st.tuples(st.uuids(), st.uuids()))
def test_tool_names_of_two_resources_differ(first: str, second: str, ids: tuple[UUID, UUID]) -> None:
    same = tool_names.with_id(first, "a", ids[0]) == tool_names.with_id(second, "a", ids[1])
    assert not same or ids[0] == ids[1]


@given(text=st.text(string.ascii_letters + string.digits + "_-", max_size=70) | st.text(max_size=70))
def test_any_text_can_be_parsed_as_a_tool_name(text: str) -> None:
    parsed = tool_names.parse_id(text)
    assert parsed is None or text.endswith(tool_names.with_id("", *parsed)[-24:])


@given(text=st.text(max_size=100).filter(lambda text: max(text, default="a") < "\ud800"))
def test_a_header_can_encode_any_text(text: str) -> None:
    assert protocol.decode_header(protocol.encode_header(text)) == text
    assert protocol.encode_header(text).isascii() and "\n" not in protocol.encode_header(text)
