"""An organization exported, and ended for good: nothing of the tenant is left."""

import json
import urllib.parse
from typing import Any

import boto3
import pytest

from tests.agents.runs import Starter
from tests.factories import PASSWORD, Registered, bearer, registered
from tests.gateway import Client
from tests.infra.test_sample_events import event, invoke
from tests.organizations.people import code, colleague, confirm, invite, key_of, path
from weconnect.db import payloads
from weconnect.organizations import export, purge


def full(starter: Starter, name: str) -> tuple[Registered, Any]:
    """An organization with one or more of everything."""
    owner = registered(organizationName=name)
    confirm(owner)
    ask = owner.client
    colleague(owner, "member")
    key = key_of(owner, "agents:read")
    assert key.get("/v1/agents").status == 200
    assert ask.put(f"/v1/execution-limits/{owner.user['id']}/daily", {"maxExecutions": 9}).status == 200
    assert ask.post(path(owner, "/roles"), {"name": "R", "permissions": ["agents:read"]}).status == 201
    assert invite(owner, f"{name}@example.com").status == 201
    for agent in ("Helper", "Trashed", "Purged"):
        place = ask.post("/v1/agents", {"name": agent}).headers["Location"]
        tool = {
            "toolName": "weather",
            "toolType": "http",
            "configuration": {"apiEndpoint": "https://x.example"},
        }
        tool["configuration"] |= {"apiKey": f"canary-{name}"}
        assert ask.post(f"{place}/tools", tool | {"inputSchema": {"type": "object"}}).status == 201
        memory = {"content": f"{agent} likes {name} " + "x" * 40_000, "memoryType": "semantic"}
        assert ask.post(f"{place}/memories", memory).status == 201
        assert ask.post(f"{place}/executions", {"input": "what is 2 + 2?" + " " * 40_000}).status == 202
        starter.run_pending()
        if agent != "Helper":
            assert ask.delete(place).status == 204
    nodes = [
        {"id": "start", "name": "Start", "type": "manual"},
        {"id": "on", "name": "On", "type": "event", "parameters": {"types": ["order.created"]}},
    ]
    for workflow in ("Kept", "Trashed"):
        made = ask.post("/v1/workflows", {"name": workflow, "nodes": nodes}).headers["Location"]
        assert ask.post(f"{made}/activate", {}).status == 200
        assert ask.post(f"{made}/executions", {"input": {"text": "x" * 40_000}}).status == 202
        assert ask.post(f"{made}/shares", {"link": True}).status == 201
        starter.run_pending()
    assert ask.delete(made).status == 204
    gone = place.rpartition("/")[2]
    assert ask.delete(f"{place}?purge=true").status == 204
    found = event("on_purged", organization=owner.organization["id"], agent=gone)
    assert invoke("on_purged", found) == {"batchItemFailures": []}
    return owner, key


def rows_with(*texts: str) -> list[str]:
    """Keys of the rows that have one of these texts in a key."""
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    names = ("pk", "sk", "gsi1pk", "gsi2pk", "gsi3pk")
    places = [
        f"{row['pk']['S']} {row['sk']['S']}"
        for row in rows
        if any(text in row.get(name, {}).get("S", "") for name in names for text in texts)
    ]
    return sorted(places)


def links_of(owner: Registered) -> list[Any]:
    """The tokens of links to an organization's workflows."""
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    found = [row for row in rows if row.get("purpose", {}).get("S") == "workflow_share"]
    return [row for row in found if owner.organization["id"] in json.dumps(row["details"])]


def objects_of(owner: Registered) -> int:
    found = boto3.client("s3").list_objects_v2(
        Bucket="weconnect", Prefix=payloads.prefix_of(owner.organization["id"])
    )
    return int(found["KeyCount"])


def trash_event(owner: Registered) -> Any:
    found = event("on_purged")
    body = {"trash": {"pk": f"ORG#{owner.organization['id']}", "sk": "TRASH#ORG"}, "eventId": "1"}
    found["Records"][0]["body"] = json.dumps(body)
    return found


def again(person: Registered) -> Client:
    """Signed in again, in a personal organization made for want of another."""
    answer = Client().post("/v1/auth/login", {"email": person.user["email"], "password": PASSWORD})
    return bearer(answer.json)


def test_what_leaves_the_trash_takes_everything_along(queue: str, starter: Starter) -> None:
    owner, key = full(starter, "first")
    other, _ = full(starter, "second")
    others = rows_with(other.organization["id"])
    objects = objects_of(other)
    mine = owner.organization["id"]
    assert len(rows_with(mine)) > 30 and objects_of(owner) > 4 and len(links_of(owner)) == 2
    assert any("PURGED#AGENT" in place for place in rows_with(mine)), "its runs would be forgotten"
    assert owner.client.delete(path(owner)).status == 204
    invoke("on_purged", trash_event(owner))
    assert len(rows_with(mine)) > 30, "it is in the trash only"
    assert again(owner).delete(path(owner) + "?purge=true").status == 204
    assert invoke("on_purged", trash_event(owner)) == {"batchItemFailures": []}
    left = rows_with(mine)
    assert [place for place in left if not place.startswith("USER#")] == [], left
    assert objects_of(owner) == 0 and not links_of(owner) and len(links_of(other)) == 2
    assert code(key.get("/v1/agents")) == (401, "invalid_api_key")
    assert rows_with(other.organization["id"]) == others and objects_of(other) == objects
    assert invoke("on_purged", trash_event(owner)) == {"batchItemFailures": []}, "delivered twice"
    assert again(owner).get("/v1/organizations?deleted=true").json["items"] == []


def test_a_purge_goes_on_where_it_was(queue: str, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, _ = full(starter, "first")
    mine = owner.organization["id"]
    owner.client.delete(path(owner))
    again(owner).delete(path(owner) + "?purge=true")
    monkeypatch.setattr(purge, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(purge, "BATCH", 3)
    client, counts = boto3.client("sqs"), [len(rows_with(mine))]
    invoke("on_purged", trash_event(owner))
    while messages := client.receive_message(QueueUrl=queue).get("Messages"):
        (message,) = messages
        client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        found = trash_event(owner)
        found["Records"][0]["body"] = message["Body"]
        assert invoke("on_purged", found) == {"batchItemFailures": []}
        counts.append(len(rows_with(mine)))
    assert counts == sorted(counts, reverse=True) and len(counts) > 3
    assert [place for place in rows_with(mine) if not place.startswith("USER#")] == []
    assert objects_of(owner) == 0


def test_a_restored_organization_keeps_everything(queue: str, starter: Starter) -> None:
    owner, _ = full(starter, "first")
    owner.client.delete(path(owner))
    client = again(owner)
    assert client.post(path(owner, "/restore")).status == 200
    before = rows_with(owner.organization["id"])
    invoke("on_purged", trash_event(owner))
    assert rows_with(owner.organization["id"]) == before


def test_export(aws: None, starter: Starter) -> None:
    owner, key = full(starter, "first")
    admin = colleague(owner, "admin")
    answer = owner.client.post(path(owner, "/export"))
    assert answer.status == 200 and answer.json["url"] is None
    found = answer.json["data"]
    assert found["organization"]["id"] == owner.organization["id"]
    assert {member["role"] for member in found["members"]} == {"owner", "admin", "member"}
    assert [role["name"] for role in found["roles"]] == ["R"]
    assert [invitation["email"] for invitation in found["invitations"]] == ["first@example.com"]
    (agent,) = found["agents"]
    assert agent["agent"]["name"] == "Helper" and agent["tools"][0]["toolName"] == "weather"
    assert agent["memories"][0]["content"].startswith("Helper likes first")
    for secret in ("canary-first", "tokenHash", "sealed", "keyHash", '"password"'):
        assert secret not in answer.text
    assert code(admin.client.post(path(owner, "/export"))) == (403, "owner_only")
    assert code(key.post(path(owner, "/export"))) == (403, "api_key_not_allowed")


def test_a_long_export_is_fetched(aws: None, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, _ = full(starter, "first")
    monkeypatch.setattr(export, "INLINE_BYTES", 1_000)
    answer = owner.client.post(path(owner, "/export")).json
    assert answer["data"] is None and answer["bytes"] > 40_000
    url = urllib.parse.urlsplit(answer["url"])
    query = urllib.parse.parse_qs(url.query)
    assert query["X-Amz-Expires"] == ["600"] and query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    place = urllib.parse.unquote(url.path).rpartition("organizations/")[2]
    kept = boto3.client("s3").get_object(Bucket="weconnect", Key=f"organizations/{place}")["Body"].read()
    assert len(kept) == answer["bytes"] and json.loads(kept)["organization"]["id"] == owner.organization["id"]
