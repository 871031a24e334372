"""Export of an organization, and its deletion for good: nothing of the tenant remains."""

import json
import urllib.parse
from typing import Any

import boto3
import pytest

from tests.agents.execution_helpers import Starter
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.infra.test_sample_events import invoke, load_event
from tests.organizations.organization_helpers import (
    client_with_new_key,
    invite,
    organization_path,
    register_member,
    status_and_code,
    verify_email,
)
from weconnect.auth import request_rates
from weconnect.db import erasure, payloads
from weconnect.organizations import export, purge


def fill_organization(starter: Starter, name: str) -> tuple[RegisteredUser, Any]:
    """Create an organization with at least one of everything; return its owner and an API key."""
    owner = register(organizationName=name)
    verify_email(owner)
    ask = owner.client
    register_member(owner, "member")
    key = client_with_new_key(owner, "agents:read")
    assert key.get("/v1/agents").status == 200
    assert ask.put(f"/v1/execution-limits/{owner.user['id']}/daily", {"maxExecutions": 9}).status == 200
    assert (
        ask.post(organization_path(owner, "/roles"), {"name": "R", "permissions": ["agents:read"]}).status
        == 201
    )
    assert invite(owner, f"{name}@example.com").status == 201
    for agent in ("Helper", "Trashed", "Purged"):
        agent_path = ask.post("/v1/agents", {"name": agent}).headers["Location"]
        tool = {
            "toolName": "weather",
            "toolType": "http",
            "configuration": {"apiEndpoint": "https://x.example", "apiKey": f"canary-{name}"},
            "inputSchema": {"type": "object"},
        }
        assert ask.post(f"{agent_path}/tools", tool).status == 201
        memory = {"content": f"{agent} likes {name} " + "x" * 40_000, "memoryType": "semantic"}
        assert ask.post(f"{agent_path}/memories", memory).status == 201
        assert ask.post(f"{agent_path}/executions", {"input": "what is 2 + 2?" + " " * 40_000}).status == 202
        starter.run_pending()
        if agent != "Helper":
            assert ask.delete(agent_path).status == 204
    nodes = [
        {"id": "start", "name": "Start", "type": "manual"},
        {"id": "on", "name": "On", "type": "event", "parameters": {"types": ["order.created"]}},
    ]
    for workflow in ("Kept", "Trashed"):
        workflow_path = ask.post("/v1/workflows", {"name": workflow, "nodes": nodes}).headers["Location"]
        assert ask.post(f"{workflow_path}/activate", {}).status == 200
        assert ask.post(f"{workflow_path}/executions", {"input": {"text": "x" * 40_000}}).status == 202
        assert ask.post(f"{workflow_path}/shares", {"link": True}).status == 201
        starter.run_pending()
    assert ask.delete(workflow_path).status == 204
    agent_id = agent_path.rpartition("/")[2]
    assert ask.delete(f"{agent_path}?purge=true").status == 204
    purge_event = load_event("on_purged", organization=owner.organization["id"], agent=agent_id)
    assert invoke("on_purged", purge_event) == {"batchItemFailures": []}
    return owner, key


def rows_with(*texts: str) -> list[str]:
    """Return the keys of the rows that have one of these texts in a key."""
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    names = ("pk", "sk", "gsi1pk", "gsi2pk", "gsi3pk")
    keys = [
        f"{row['pk']['S']} {row['sk']['S']}"
        for row in rows
        if any(text in row.get(name, {}).get("S", "") for name in names for text in texts)
    ]
    return sorted(keys)


def link_tokens_of(owner: RegisteredUser) -> list[Any]:
    """Return the rows of the tokens of links to an organization's workflows."""
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    tokens = [row for row in rows if row.get("purpose", {}).get("S") == "workflow_share"]
    return [row for row in tokens if owner.organization["id"] in json.dumps(row["details"])]


def count_objects(owner: RegisteredUser) -> int:
    listing = boto3.client("s3").list_objects_v2(
        Bucket="weconnect", Prefix=payloads.storage_prefix(owner.organization["id"])
    )
    return int(listing["KeyCount"])


def trash_event(owner: RegisteredUser) -> Any:
    purge_event = load_event("on_purged")
    body = {"trash": {"pk": f"ORG#{owner.organization['id']}", "sk": "TRASH#ORG"}, "eventId": "1"}
    purge_event["Records"][0]["body"] = json.dumps(body)
    return purge_event


def purge_organization(owner: RegisteredUser) -> ApiResponse:
    """Delete the owner's organization, which is in the trash, for good."""
    path = organization_path(owner) + "?purge=true"
    return sign_in_again(owner).call("DELETE", path, {"password": PASSWORD})


def sign_in_again(person: RegisteredUser) -> Client:
    """Sign in again, which creates a personal organization for a user without one."""
    response = Client().post("/v1/auth/login", {"email": person.user["email"], "password": PASSWORD})
    return client_with_tokens(response.json)


@pytest.fixture(autouse=True)
def counts_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the authorizer add every request to the row of its minute at once."""
    monkeypatch.setattr(request_rates, "MIN_FLUSHED", 1)
    monkeypatch.setattr(request_rates, "MAX_FLUSHED", 1)


def test_purging_an_organization_deletes_everything_of_it(queue: str, starter: Starter) -> None:
    owner, api_key = fill_organization(starter, "first")
    other, _ = fill_organization(starter, "second")
    others = rows_with(other.organization["id"])
    objects = count_objects(other)
    mine = owner.organization["id"]
    assert len(rows_with(mine)) > 30 and count_objects(owner) > 4 and len(link_tokens_of(owner)) == 2
    assert any("PURGED#AGENT" in key for key in rows_with(mine)), "its executions would be forgotten"
    assert any("#REQUESTS MINUTE#" in key for key in rows_with(mine))
    assert owner.client.delete(organization_path(owner)).status == 204
    invoke("on_purged", trash_event(owner))
    assert len(rows_with(mine)) > 30, "it is only in the trash"
    assert purge_organization(owner).status == 204
    assert invoke("on_purged", trash_event(owner)) == {"batchItemFailures": []}
    left = rows_with(mine)
    assert [api_key for api_key in left if not api_key.startswith("USER#")] == [], left
    assert count_objects(owner) == 0 and not link_tokens_of(owner) and len(link_tokens_of(other)) == 2
    assert status_and_code(api_key.get("/v1/agents")) == (401, "invalid_api_key")
    assert rows_with(other.organization["id"]) == others and count_objects(other) == objects
    assert invoke("on_purged", trash_event(owner)) == {"batchItemFailures": []}, "delivered twice"
    assert sign_in_again(owner).get("/v1/organizations?deleted=true").json["items"] == []


def test_a_purge_continues_with_the_next_message(
    queue: str, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _ = fill_organization(starter, "first")
    mine = owner.organization["id"]
    owner.client.delete(organization_path(owner))
    purge_organization(owner)
    monkeypatch.setattr(purge, "ROWS_PER_MESSAGE", 10)
    monkeypatch.setattr(erasure, "BATCH_SIZE", 3)
    client, counts = boto3.client("sqs"), [len(rows_with(mine))]
    invoke("on_purged", trash_event(owner))
    while messages := client.receive_message(QueueUrl=queue).get("Messages"):
        (message,) = messages
        client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        purge_event = trash_event(owner)
        purge_event["Records"][0]["body"] = message["Body"]
        assert invoke("on_purged", purge_event) == {"batchItemFailures": []}
        counts.append(len(rows_with(mine)))
    assert counts == sorted(counts, reverse=True) and len(counts) > 3
    assert [key for key in rows_with(mine) if not key.startswith("USER#")] == []
    assert count_objects(owner) == 0


def test_a_restored_organization_keeps_everything(queue: str, starter: Starter) -> None:
    owner, _ = fill_organization(starter, "first")
    owner.client.delete(organization_path(owner))
    client = sign_in_again(owner)
    assert client.post(organization_path(owner, "/restore")).status == 200
    before = rows_with(owner.organization["id"])
    invoke("on_purged", trash_event(owner))
    assert rows_with(owner.organization["id"]) == before


def test_an_export_has_everything_but_secrets_and_the_trash(aws: None, starter: Starter) -> None:
    owner, key = fill_organization(starter, "first")
    admin = register_member(owner, "admin")
    response = owner.client.post(organization_path(owner, "/export"))
    assert response.status == 200 and response.json["url"] is None
    document = response.json["data"]
    assert document["organization"]["id"] == owner.organization["id"]
    assert {member["role"] for member in document["members"]} == {"owner", "admin", "member"}
    assert [role["name"] for role in document["roles"]] == ["R"]
    assert [invitation["email"] for invitation in document["invitations"]] == ["first@example.com"]
    (agent,) = document["agents"]
    assert agent["agent"]["name"] == "Helper" and agent["tools"][0]["toolName"] == "weather"
    assert agent["memories"][0]["content"].startswith("Helper likes first")
    for secret in ("canary-first", "tokenHash", "sealed", "keyHash", '"password"'):
        assert secret not in response.text
    assert status_and_code(admin.client.post(organization_path(owner, "/export"))) == (403, "owner_only")
    assert status_and_code(key.post(organization_path(owner, "/export"))) == (403, "api_key_not_allowed")


def test_a_long_export_is_downloaded_from_a_url(
    aws: None, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _ = fill_organization(starter, "first")
    monkeypatch.setattr(export, "INLINE_BYTES", 1_000)
    export_result = owner.client.post(organization_path(owner, "/export")).json
    assert export_result["data"] is None and export_result["bytes"] > 40_000
    url = urllib.parse.urlsplit(export_result["url"])
    query = urllib.parse.parse_qs(url.query)
    assert query["X-Amz-Expires"] == ["600"] and query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    storage_key = urllib.parse.unquote(url.path).rpartition("organizations/")[2]
    content = (
        boto3.client("s3").get_object(Bucket="weconnect", Key=f"organizations/{storage_key}")["Body"].read()
    )
    assert (
        len(content) == export_result["bytes"]
        and json.loads(content)["organization"]["id"] == owner.organization["id"]
    )
