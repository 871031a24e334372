"""Tools and memories of an agent through their routes."""

from datetime import timedelta
from typing import Any

import boto3
import pytest

from tests.factories import RegisteredUser
from weconnect import clock

HTTP_CONFIGURATION = {
    "apiEndpoint": "https://example.com/{id}",
    "apiKey": "canary-key-7",
    "timeout": 3,
    "retryCount": 1,
}
HTTP_TOOL = {
    "toolName": "orders",
    "toolType": "http",
    "displayName": "Orders",
    "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    "configuration": HTTP_CONFIGURATION,
}


def test_a_builtin_tool_has_its_own_schema_and_name(me: RegisteredUser, path: str) -> None:
    created = me.client.post(f"{path}/tools", {"toolName": "calculator"})
    assert (created.status, created.json["displayName"], created.json["toolType"]) == (
        201,
        "Calculator",
        "builtin",
    )
    unknown = me.client.post(f"{path}/tools", {"toolName": "teleport"})
    assert (unknown.status, unknown.json["errors"][0]["pointer"]) == (422, "/toolName")
    again = me.client.post(f"{path}/tools", {"toolName": "calculator"})
    assert (again.status, again.json["code"]) == (409, "tool_name_taken")


def test_an_api_key_is_neither_returned_nor_stored_in_clear(
    me: RegisteredUser, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    created = me.client.post(f"{path}/tools", HTTP_TOOL)
    location = created.headers["Location"]
    changed = me.client.patch(location, {"configuration": {"apiEndpoint": "https://example.com/v2/{id}"}})
    responses = [created, me.client.get(location), me.client.get(f"{path}/tools"), changed]
    assert all("canary-key-7" not in response.text for response in responses)
    assert changed.json["hasApiKey"] is True, "a change without a key keeps the old one"
    stored = str(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert "sealedKey" in stored and "canary-key-7" not in stored
    assert "canary-key-7" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"toolName": "has blanks"}, "/toolName"),
        ({"toolType": "magic"}, "/toolType"),
        ({"configuration": {"apiEndpoint": "https://x", "timeout": 0}}, "/configuration/timeout"),
        ({"configuration": {"apiEndpoint": "https://x", "retryCount": 99}}, "/configuration/retryCount"),
        ({"inputSchema": {"type": "nonsense"}}, "/inputSchema/type"),
        ({"inputSchema": {"type": "array"}}, "/inputSchema/type"),
        ({"usageCount": 3}, "/usageCount"),
        ({"outputSchema": {"$ref": "https://example.com/x"}}, "/outputSchema/$ref"),
        ({"inputSchema": {"properties": {"a": {"pattern": "(?=a)"}}}}, "/inputSchema/properties/a/pattern"),
        *(
            (
                {"configuration": {"apiEndpoint": "https://x", "parameters": parameters}},
                f"/configuration/parameters{at}",
            )
            for parameters, at in [
                ({"method": "CONNECT"}, "/method"),
                ({"headers": []}, "/headers"),
                ({"headers": {"a b": "x"}}, "/headers"),
                ({"headers": {"a": "x\r\ny"}}, "/headers/a"),
                ({"headers": {"a": None}}, "/headers/a"),
                ({"query": "a=b"}, "/query"),
                ({"bodyFormat": "xml"}, "/bodyFormat"),
                ({"apiKeyHeader": ""}, "/apiKeyHeader"),
                ({"apiKeyPrefix": "é"}, "/apiKeyPrefix"),
            ]
        ),
    ],
)
def test_the_response_points_to_an_invalid_field_of_a_tool(
    me: RegisteredUser, path: str, change: dict[str, Any], pointer: str
) -> None:
    response = me.client.post(f"{path}/tools", HTTP_TOOL | change)
    assert response.status == 422 and pointer in [error["pointer"] for error in response.json["errors"]]


def test_a_tool_can_be_tested(me: RegisteredUser, path: str) -> None:
    tool = me.client.post(f"{path}/tools", {"toolName": "calculator"}).headers["Location"]
    assert me.client.post(f"{tool}/test", {"arguments": {"expression": "6*7"}}).json["result"] == {
        "result": 42
    }
    assert "zero" in me.client.post(f"{tool}/test", {"arguments": {"expression": "1/0"}}).json["error"]
    assert "expression" in me.client.post(f"{tool}/test", {"arguments": {}}).json["error"]
    private = me.client.post(
        f"{path}/tools", HTTP_TOOL | {"configuration": {"apiEndpoint": "http://127.0.0.1/"}}
    )
    result = me.client.post(f"{private.headers['Location']}/test", {"arguments": {"id": "1"}}).json
    assert "no address on the public internet" in result["error"]


def test_tools_are_filtered_by_activity(me: RegisteredUser, path: str) -> None:
    tool = me.client.post(f"{path}/tools", {"toolName": "calculator"}).headers["Location"]
    me.client.post(f"{path}/tools", {"toolName": "date_time"})
    me.client.patch(tool, {"isActive": False}, headers={"If-Match": '"1"'})
    assert [item["toolName"] for item in me.client.get(f"{path}/tools?isActive=true").json["items"]] == [
        "date_time"
    ]
    assert me.client.delete(tool, headers={"If-Match": '"1"'}).status == 412
    assert me.client.delete(tool, headers={"If-Match": '"2"'}).status == 204
    assert me.client.post(f"{path}/tools", {"toolName": "calculator"}).status == 201


def test_a_memory_is_added_once_and_then_superseded(me: RegisteredUser, path: str) -> None:
    fact = {
        "key": "office",
        "content": "The office is in Lisbon",
        "metadata": {"tags": ["location"], "importance": 0.5},
    }
    added = me.client.post(f"{path}/memories", fact)
    assert (added.status, added.json["decision"], added.json["otherId"]) == (201, "added", None)
    first = added.json["memory"]["id"]
    assert me.client.post(f"{path}/memories", fact).json["decision"] == "duplicate_of"
    moved = me.client.post(f"{path}/memories", fact | {"content": "The office is in Porto"}).json
    assert (moved["decision"], moved["otherId"]) == ("supersedes", first)
    old = me.client.get(f"{path}/memories/{first}").json
    assert old["validTo"] and old["supersededBy"] == moved["memory"]["id"]
    hits = me.client.post(f"{path}/memories/search", {"query": "where is the office"}).json["items"]
    assert [hit["memory"]["content"] for hit in hits] == ["The office is in Porto"]
    assert any("office" in reason for reason in hits[0]["reasons"])


def test_a_memory_expires_to_the_second(
    me: RegisteredUser, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = clock.now() + timedelta(seconds=30)
    fact = {"key": "code", "content": "The door code is 4711", "metadata": {"expires": clock.iso(soon)}}
    created = me.client.post(f"{path}/memories", fact).json["memory"]
    assert me.client.get(f"{path}/memories/{created['id']}").status == 200
    monkeypatch.setattr(clock, "now", lambda: soon)
    assert me.client.get(f"{path}/memories/{created['id']}").status == 404
    assert me.client.get(f"{path}/memories").json["items"] == []
    assert me.client.post(f"{path}/memories/search", {"query": "door code"}).json["items"] == []
    again = fact | {"metadata": {}}
    assert me.client.post(f"{path}/memories", again).json["decision"] == "added", "its key is free again"
    past = me.client.post(f"{path}/memories", fact | {"key": "other"})
    assert past.json["errors"][0]["pointer"] == "/metadata/expires"


def test_memories_are_filtered_by_type_session_and_tag(me: RegisteredUser, path: str) -> None:
    for number, kind in enumerate(["semantic", "episodic", "procedural", "semantic"]):
        body = {
            "content": f"fact {number}",
            "memoryType": kind,
            "sessionId": f"s{number % 2}",
            "metadata": {"tags": [f"t{number}"]},
        }
        assert me.client.post(f"{path}/memories", body).status == 201

    def list_contents(query: str) -> list[str]:
        return [item["content"] for item in me.client.get(f"{path}/memories?{query}").json["items"]]

    assert list_contents("") == ["fact 3", "fact 2", "fact 1", "fact 0"]
    assert list_contents("memoryType=semantic&sessionId=s0") == ["fact 0"]
    assert list_contents("sessionId=s1") == ["fact 3", "fact 1"]
    assert list_contents("tag=t2") == ["fact 2"]
    assert me.client.delete(f"{path}/memories").status == 422, "a session must be named"
    assert me.client.delete(f"{path}/memories?sessionId=s1").json == {"deleted": 2}
    assert list_contents("") == ["fact 2", "fact 0"]


def test_a_memory_can_be_corrected_and_deleted(me: RegisteredUser, path: str) -> None:
    created = me.client.post(f"{path}/memories", {"key": "k", "content": "x" * 50_000}).json["memory"]
    location = f"{path}/memories/{created['id']}"
    assert me.client.get(location).json["content"] == "x" * 50_000
    assert me.client.patch(location, {"content": "y"}, headers={"If-Match": '"7"'}).status == 412
    assert me.client.patch(location, {"content": "y"}).json["content"] == "y"
    assert me.client.delete(location).status == 204
    assert me.client.get(location).status == 404
    assert me.client.post(f"{path}/memories", {"key": "k", "content": "z"}).json["decision"] == "added"
