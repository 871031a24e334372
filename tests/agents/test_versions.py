"""Versions of agents through their routes: their creation, their publication, and copies."""

from typing import Any

import boto3
import pytest

from tests.agents.execution_helpers import Starter
from tests.agents.test_agents import NEW
from tests.agents.test_tools_and_memories import HTTP_CONFIGURATION, HTTP_TOOL
from tests.factories import RegisteredUser, add_member, register
from tests.organizations import organization_helpers
from weconnect.agents import duplication
from weconnect.agents.tools import credentials
from weconnect.db import table


@pytest.fixture
def path(me: RegisteredUser) -> str:
    return me.client.post("/v1/agents", NEW).headers["Location"]


def version_numbers(me: RegisteredUser, path: str, query: str = "") -> list[int]:
    return [item["version"] for item in me.client.get(f"{path}/versions{query}").json["items"]]


@pytest.mark.parametrize(
    ("change", "expected_changes"),
    [
        ({"provider": "openai", "model": "gpt-4.1"}, ["model", "provider"]),
        ({"description": "other"}, ["description"]),
        ({"configuration": {"temperature": 1}}, ["configuration"]),
        ({"limits": {"maxSteps": 6}}, ["limits"]),
        ({"outputSchema": {"type": "object"}}, ["outputSchema"]),
        ({"provider": "openai_compatible", "baseUrl": "https://m.example.com/v1", "model": "m"}, None),
    ],
)
def test_a_change_of_the_definition_makes_a_version(
    me: RegisteredUser, path: str, change: Any, expected_changes: list[str] | None
) -> None:
    changed = me.client.patch(path, change)
    assert (changed.status, changed.json["agentVersion"], changed.headers["ETag"]) == (200, 2, '"2"')
    second, first = me.client.get(f"{path}/versions").json["items"]
    assert (
        second["changes"] == (expected_changes or ["baseUrl", "model", "provider"]) and first["changes"] == []
    )
    assert (second["isCurrent"], first["isCurrent"], second["isPublished"]) == (True, False, False)
    assert second["createdBy"] == me.user["id"] and second["createdAt"] >= first["createdAt"]
    old, new = (me.client.get(f"{path}/versions/{number}").json for number in (1, 2))
    assert old["description"] == NEW["description"] and old["limits"]["maxSteps"] == 5
    assert old["configuration"]["systemPrompt"] == "Be brief"
    for name, value in change.items():
        shown = new[name]
        assert (shown | value if isinstance(value, dict) else value) == shown


def test_a_request_without_a_change_makes_no_version(me: RegisteredUser, path: str) -> None:
    tool = me.client.post(f"{path}/tools", HTTP_TOOL).headers["Location"]
    shown = me.client.get(path).json
    same = {name: shown[name] for name in [*NEW, "isActive", "outputSchema"]}
    parts: list[dict[str, Any]] = [
        {},
        same,
        {"name": NEW["name"]},
        {"limits": {"maxSteps": 5}},
        {"publishedVersion": None},
    ]
    for part in parts:
        response = me.client.patch(path, part)
        assert (response.status, response.json, response.headers["ETag"]) == (200, shown, '"2"'), part
    configuration = dict(HTTP_CONFIGURATION)
    del configuration["apiKey"]
    same_tool: list[dict[str, Any]] = [
        {},
        {"displayName": "Orders", "isActive": True},
        {"configuration": configuration},
    ]
    for body in same_tool:
        response = me.client.patch(tool, body)
        assert (response.status, response.headers["ETag"]) == (200, '"1"'), response.text
    assert version_numbers(me, path) == [2, 1]
    assert me.client.patch(path, {}, headers={"If-Match": '"1"'}).status == 412
    assert me.client.patch(tool, {}, headers={"If-Match": '"7"'}).status == 412


def test_a_new_name_or_activation_makes_no_version(me: RegisteredUser, path: str) -> None:
    response = me.client.patch(path, {"name": "Renamed", "isActive": False})
    assert (response.json["agentVersion"], response.headers["ETag"], version_numbers(me, path)) == (
        1,
        '"2"',
        [1],
    )


def test_changes_of_tools_make_versions(me: RegisteredUser, path: str) -> None:
    made = me.client.post(f"{path}/tools", HTTP_TOOL | {"description": "Finds an order"})
    tool = made.headers["Location"]
    assert me.client.get(path).headers["ETag"] == '"2"'
    me.client.patch(tool, {"requiresApproval": True, "approval": {"roles": ["owner"]}})
    me.client.patch(tool, {"displayName": "An execution does not use this"})
    me.client.patch(tool, {"isActive": False})
    assert me.client.delete(tool).status == 204
    assert version_numbers(me, path) == [5, 4, 3, 2, 1]
    assert {tuple(item["changes"]) for item in me.client.get(f"{path}/versions").json["items"][:4]} == {
        ("tools",)
    }
    shown = [me.client.get(f"{path}/versions/{number}") for number in range(1, 6)]
    assert all("canary-key-7" not in item.text and "sealed" not in item.text.lower() for item in shown)
    tools = [item.json["tools"] for item in shown]
    assert [len(tools_of_version) for tools_of_version in tools] == [0, 1, 1, 1, 0]
    assert [tools_of_version[0]["isActive"] for tools_of_version in tools[1:4]] == [True, True, False]
    assert [tools_of_version[0]["requiresApproval"] for tools_of_version in tools[1:4]] == [False, True, True]
    first = tools[1][0]
    assert (first["id"], first["name"], first["hasApiKey"]) == (made.json["id"], "orders", True)
    assert first["configuration"]["apiEndpoint"] == "https://example.com/{id}"
    assert first["configuration"].get("apiKey") is None


def test_versions_are_paged(me: RegisteredUser, path: str) -> None:
    for number in range(4):
        me.client.patch(path, {"description": f"{number}"})
    page = me.client.get(f"{path}/versions?limit=2").json
    assert [item["version"] for item in page["items"]] == [5, 4]
    assert version_numbers(me, path, f"?limit=9&cursor={page['nextCursor']}") == [3, 2, 1]


@pytest.mark.parametrize("number", ["0", "x", "1000000", "1.5"])
def test_an_invalid_version_number_is_rejected(me: RegisteredUser, path: str, number: str) -> None:
    response = me.client.get(f"{path}/versions/{number}")
    assert (response.status, response.json["errors"][0]["pointer"]) == (422, "/path/version")


def test_an_unknown_version_is_not_found(me: RegisteredUser, path: str) -> None:
    for response in (me.client.get(f"{path}/versions/9"), me.client.post(f"{path}/versions/9/publish")):
        assert (response.status, response.json["code"]) == (404, "agent_version_not_found")


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"type": "array"}])
def test_an_invalid_output_schema_is_rejected(me: RegisteredUser, path: str, schema: Any) -> None:
    for response in (
        me.client.patch(path, {"outputSchema": schema}),
        me.client.post("/v1/agents", NEW | {"name": "Other", "outputSchema": schema}),
    ):
        assert (response.status, response.json["errors"][0]["pointer"]) == (422, "/outputSchema/type")
    assert me.client.patch(path, {"outputSchema": {"type": "object"}}).json["outputSchema"]
    assert me.client.patch(path, {"outputSchema": None}).json.get("outputSchema") is None


def start_execution(me: RegisteredUser, starter: Starter, path: str, text: str = "what is 17 * 23?") -> Any:
    started = me.client.post(f"{path}/executions", {"input": text})
    assert started.status == 202, started.text
    return started.headers["Location"]


def finish_execution(me: RegisteredUser, starter: Starter, location: str) -> tuple[int, list[str]]:
    """Finish an execution; return its version and the tools that it used."""
    starter.run_pending()
    done = me.client.get(location).json
    assert done["status"] == "completed", done
    return done["agentVersion"], done["metadata"]["toolsUsed"]


def test_executions_use_the_published_version_with_its_tools(
    me: RegisteredUser, path: str, starter: Starter
) -> None:
    tool = me.client.post(f"{path}/tools", {"toolName": "calculator"}).headers["Location"]
    published = me.client.post(f"{path}/versions/2/publish", headers={"If-Match": '"2"'})
    assert (published.status, published.headers["ETag"]) == (200, '"3"'), published.text
    assert (published.json["publishedVersion"], published.json["agentVersion"]) == (2, 2)
    assert me.client.delete(tool).status == 204
    me.client.patch(path, {"description": "later", "limits": {"maxSteps": 1}})
    assert finish_execution(me, starter, start_execution(me, starter, path)) == (2, ["calculator"])
    assert me.client.get(path).json["description"] == "later", "the agent shows the newest version"
    listed = me.client.get(f"{path}/versions").json["items"]
    assert [item["isPublished"] for item in listed] == [False, False, True, False]
    assert me.client.post(f"{path}/versions/1/publish").status == 200
    assert finish_execution(me, starter, start_execution(me, starter, path)) == (1, [])
    newest = me.client.patch(path, {"publishedVersion": None})
    assert newest.status == 200 and newest.json.get("publishedVersion") is None
    assert finish_execution(me, starter, start_execution(me, starter, path)) == (4, [])


def test_an_execution_keeps_the_version_it_was_started_with(
    me: RegisteredUser, path: str, starter: Starter
) -> None:
    tool = me.client.post(f"{path}/tools", {"toolName": "calculator"}).headers["Location"]
    location = start_execution(me, starter, path)
    assert me.client.delete(tool).status == 204
    assert finish_execution(me, starter, location) == (2, ["calculator"])
    location = start_execution(me, starter, path)
    me.client.post(f"{path}/tools", {"toolName": "calculator", "isActive": False})
    me.client.post(f"{path}/tools", {"toolName": "date_time"})
    assert finish_execution(me, starter, location) == (3, [])
    assert finish_execution(me, starter, start_execution(me, starter, path)) == (5, []), (
        "an inactive tool is not used"
    )


def test_publishing_checks_the_etag_and_the_permission(me: RegisteredUser, path: str) -> None:
    stale = me.client.post(f"{path}/versions/1/publish", headers={"If-Match": '"9"'})
    assert (stale.status, stale.json["code"]) == (412, "stale_version")
    member = register()
    add_member(member, me, "member")
    refused = member.client.post(f"{path}/versions/1/publish")
    assert (refused.status, refused.json["code"]) == (403, "not_yours")
    assert member.client.get(f"{path}/versions/1").status == 200
    once, again = (me.client.post(f"{path}/versions/1/publish") for _ in range(2))
    assert (once.headers["ETag"], again.headers["ETag"]) == ('"2"', '"2"'), "the second changes nothing"
    wrong = me.client.patch(path, {"publishedVersion": 1})
    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "/publishedVersion")


def test_many_tools_are_stored_outside_of_the_row_and_purged_with_the_agent(
    me: RegisteredUser, path: str, starter: Starter
) -> None:
    from weconnect.agents import purge

    schema = {"type": "object", "properties": {"id": {"type": "string", "description": "d" * 50_000}}}
    for number in range(3):
        body = HTTP_TOOL | {"toolName": f"t{number}", "inputSchema": schema}
        assert me.client.post(f"{path}/tools", body).status == 201
    me.client.post(f"{path}/tools", {"toolName": "calculator"})
    assert len(me.client.get(f"{path}/versions/5").json["tools"]) == 4
    assert finish_execution(me, starter, start_execution(me, starter, path)) == (5, ["calculator"])
    stored = boto3.client("s3").list_objects_v2(Bucket="weconnect")["Contents"]
    assert [item["Key"] for item in stored if "/tools-" in item["Key"]]
    agent = path.rpartition("/")[2]
    me.client.delete(path)
    me.client.delete(f"{path}?purge=true")
    assert purge.purge((f"ORG#{me.organization['id']}", f"TRASH#AGENT#{agent}"))
    left = boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", [])
    assert not [item["Key"] for item in left if "/tools-" in item["Key"]]


def test_the_size_of_all_tools_is_limited(me: RegisteredUser, path: str) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string", "description": "d" * 59_000}}}
    bodies = [HTTP_TOOL | {"toolName": f"t{number}", "inputSchema": schema} for number in range(17)]
    responses = [me.client.post(f"{path}/tools", body) for body in bodies]
    assert [response.status for response in responses] == [201] * 16 + [422]
    assert responses[-1].json["code"] == "tools_too_large"
    assert me.client.post(f"{path}/duplicate").status == 201


def test_an_agent_can_have_forty_tools_and_be_duplicated(
    me: RegisteredUser, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [HTTP_TOOL | {"toolName": f"t{number}"} for number in range(41)]
    responses = [me.client.post(f"{path}/tools", body) for body in bodies]
    assert [response.status for response in responses] == [201] * 40 + [429]
    refused = responses[-1].json
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("tool_limit_reached", "/toolName")
    commits: list[table.Transaction] = []
    commit = table.Transaction.commit

    def record_commit(self: table.Transaction) -> None:
        commits.append(self)
        commit(self)

    monkeypatch.setattr(table.Transaction, "commit", record_commit)
    copy = me.client.post(f"{path}/duplicate")
    assert copy.status == 201 and len(commits) == 1, "in one transaction"
    assert (copy.json["agentVersion"], copy.json["version"]) == (1, 1)
    location = f"/v1/agents/{copy.json['id']}"
    tools = me.client.get(f"{location}/tools?limit=100").json["items"]
    assert len(tools) == 40 and all(tool["hasApiKey"] for tool in tools)
    assert [tool["usageCount"] for tool in tools] == [0] * 40
    pinned = me.client.get(f"{location}/versions/1").json["tools"]
    assert {tool["id"] for tool in pinned} == {tool["id"] for tool in tools}


def test_a_copy_encrypts_the_api_keys_again(me: RegisteredUser, path: str) -> None:
    from uuid import UUID

    from weconnect.agents.tools.rows import AgentToolRow

    me.client.post(f"{path}/tools", HTTP_TOOL)
    copy = me.client.post(f"{path}/duplicate").json
    organization, agent = UUID(me.organization["id"]), UUID(copy["id"])
    (tool,) = me.client.get(f"/v1/agents/{agent}/tools").json["items"]
    row = table.get(AgentToolRow, AgentToolRow.at(organization, agent, UUID(tool["id"])))
    assert row and credentials.decrypt_key(organization, UUID(tool["id"]), row.sealed_key) == "canary-key-7"


def test_a_copy_of_another_members_agent_has_no_api_keys(me: RegisteredUser, path: str) -> None:
    """Otherwise a member could bypass an approval with the copy."""
    organization_helpers.verify_email(me)
    member = organization_helpers.register_member(me, "member")
    me.client.post(f"{path}/tools", HTTP_TOOL | {"requiresApproval": True})
    copy = member.client.post(f"{path}/duplicate").json["id"]
    (tool,) = member.client.get(f"/v1/agents/{copy}/tools").json["items"]
    assert tool["requiresApproval"] and not tool["hasApiKey"]


def test_a_failed_copy_leaves_nothing_behind(
    me: RegisteredUser, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    me.client.post(f"{path}/tools", {"toolName": "calculator"})
    first, second = (me.client.post(f"{path}/duplicate").json["name"] for _ in range(2))
    assert (first, second) == ("Helper (copy)", "Helper (copy 2)")
    monkeypatch.setattr(duplication, "MAX_COPIES", 2)
    before = boto3.client("dynamodb").scan(TableName="weconnect")["Count"]
    again = me.client.post(f"{path}/duplicate")
    assert (again.status, again.json["code"]) == (409, "name_taken")
    assert boto3.client("dynamodb").scan(TableName="weconnect")["Count"] == before
