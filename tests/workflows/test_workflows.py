"""Workflows through their routes: life, versions, files, limits."""

from typing import Any

import pytest

from tests.factories import Registered, registered
from tests.workflows.definitions import definition, node
from weconnect.db.table import Row
from weconnect.organizations.entities import PLANS, OrganizationPlan
from weconnect.trash import purge

CHAIN = definition([node("a", "set", values={"x": 1})], "start > a")


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


def made(me: Registered, name: str = "Greeter", **more: Any) -> str:
    answer = me.client.post("/v1/workflows", {"name": name, **CHAIN, **more})
    assert answer.status == 201, answer.text
    return answer.headers["Location"]


def test_a_workflow_from_draft_to_archive(me: Registered) -> None:
    path = made(me, description="x" * 700, tags=["one"])
    found = me.client.get(path)
    assert found.headers["ETag"] == '"1"'
    assert (found.json["status"], found.json["latestVersion"], found.json["nodeCount"]) == ("draft", 1, 2)
    assert found.json["description"] == "x" * 700 and len(found.json["nodes"]) == 2
    (summary,) = me.client.get("/v1/workflows?tag=one&status=draft&search=GREET").json["items"]
    assert summary["description"] == "x" * 500 and "nodes" not in summary
    assert me.client.get("/v1/workflows?tag=two").json["items"] == []
    active = me.client.post(f"{path}/activate").json
    assert (active["status"], active["activeVersion"]) == ("active", 1)
    changed = me.client.patch(path, {"nodes": [], "connections": [], "changelog": "emptied"}).json
    assert (changed["latestVersion"], changed["activeVersion"], changed["status"]) == (2, 1, "active")
    assert changed["description"] == "x" * 700
    refused = me.client.post(f"{path}/activate", {})
    assert (refused.status, refused.json["code"]) == (422, "workflow_invalid")
    assert refused.json["errors"][0]["pointer"] == "/nodes"
    assert me.client.post(f"{path}/activate", {"number": 9}).status == 404
    assert me.client.post(f"{path}/archive").json["status"] == "archived"
    assert me.client.patch(path, {"name": "Other"}).json["code"] == "workflow_archived"
    assert me.client.post(f"{path}/deactivate").json["status"] == "inactive"
    assert me.client.post(f"{path}/deactivate").json["code"] == "already_inactive"


def test_versions_are_kept_compared_and_restored(me: Registered) -> None:
    path = made(me)
    second = definition(
        [node("a", "set", values={"x": 2, "y/z": 1}), node("b", "noop")], "start > a", "a > b"
    )
    changed = me.client.patch(path, {**second, "changelog": "More", "label": "two"}).json
    assert changed["latestVersion"] == 2
    assert me.client.patch(path, {"name": "Renamed", "description": "new"}).json["latestVersion"] == 2
    items = me.client.get(f"{path}/versions").json["items"]
    assert [(item["number"], item.get("changelog")) for item in items] == [(2, "More"), (1, None)]
    assert items[0]["previousVersion"] == 1 and "definition" not in items[0]
    first = me.client.get(f"{path}/versions/1").json
    assert [each["id"] for each in first["definition"]["nodes"]] == ["start", "a"]
    told = me.client.get(f"{path}/versions/1/diff?to=2").json["differences"]
    assert [(each["kind"], each["pointer"]) for each in told] == [
        ("changed", "/nodes/a/parameters/values/x"),
        ("added", "/nodes/a/parameters/values/y~1z"),
        ("added", "/nodes/b"),
        ("added", "/connections/a.main->b.main"),
    ]
    back = me.client.post(f"{path}/versions/1/restore").json
    assert back["latestVersion"] == 3 and len(back["nodes"]) == 2 and back["description"] == "new"
    assert me.client.get(f"{path}/versions/1/diff?to=3").json["differences"] == []
    assert me.client.get(f"{path}/versions/4").json["code"] == "workflow_version_not_found"


def test_trash_and_back(me: Registered) -> None:
    path = made(me)
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert me.client.delete(path, headers={"If-Match": '"1"'}).status == 412
    assert me.client.delete(path).status == 204
    assert me.client.get(path).status == 404 and me.client.get(f"{path}/versions").status == 404
    (gone,) = me.client.get("/v1/workflows?deleted=true").json["items"]
    assert gone["name"] == "Greeter" and gone["deletedAt"]
    other = made(me)
    assert me.client.post(f"{path}/restore").json["code"] == "name_taken"
    assert me.client.delete(other).status == 204
    back = me.client.post(f"{path}/restore").json
    assert back["status"] == "inactive" and back["activeVersion"] is None and len(back["nodes"]) == 2
    assert me.client.delete(f"{other}?purge=true").status == 204
    assert me.client.get("/v1/workflows?deleted=true").json["items"] == []


def test_a_purged_workflow_leaves_nothing(me: Registered) -> None:
    path = made(me)
    assert me.client.delete(path).status == 204
    organization, workflow = me.organization["id"], path.rpartition("/")[2]
    assert me.client.delete(f"{path}?purge=true").status == 204
    assert purge.purge({"pk": f"ORG#{organization}", "sk": f"TRASH#WORKFLOW#{workflow}"})
    assert not [row for row in Row.scan() if workflow in row.pk + row.sk]


def test_names_are_unique_and_change(me: Registered) -> None:
    path = made(me)
    refused = me.client.post("/v1/workflows", {"name": "GREETER"})
    assert (refused.status, refused.json["code"]) == (409, "name_taken")
    assert me.client.patch(path, {"name": "greeter"}).json["name"] == "greeter"
    assert me.client.patch(path, {"name": "Other"}).status == 200
    made(me)
    assert me.client.patch(path, {"name": "Greeter"}).json["code"] == "name_taken"


def test_the_plan_bounds_workflows_and_nodes(me: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    small = PLANS[OrganizationPlan.ENTERPRISE].model_copy(
        update={"max_workflows": 1, "max_workflow_complexity": 2}
    )
    monkeypatch.setitem(PLANS, OrganizationPlan.ENTERPRISE, small)
    path = made(me)
    refused = me.client.post("/v1/workflows", {"name": "One more"})
    assert (refused.status, refused.json["code"]) == (429, "workflow_limit_reached")
    three = definition([node("a", "noop"), node("b", "noop")], "start > a")
    refused = me.client.patch(path, three)
    assert (refused.status, refused.json["code"]) == (429, "workflow_too_complex")
    assert me.client.get(path).json["latestVersion"] == 1
    assert me.client.delete(path).status == 204
    made(me, "Another")


def test_export_and_import_round_trip(me: Registered) -> None:
    slot = node("h", "http_request", url="https://example.com") | {"credentialId": me.user["id"]}
    path = made(me, tags=["t"], **definition([slot], "start > h", errorWorkflowId=me.user["id"]))
    file = me.client.get(f"{path}/export").json
    assert file["credentialSlots"] == ["h"] and me.user["id"] not in str(file)
    assert me.organization["id"] not in str(file)
    assert me.client.post("/v1/workflows/import", file).json["code"] == "name_taken"
    stranger = registered()
    taken = stranger.client.post("/v1/workflows/import", file)
    assert taken.status == 201 and taken.json["status"] == "draft"
    again = stranger.client.get(f"{taken.headers['Location']}/export").json
    assert again["definition"] == file["definition"]


def test_a_copy_is_a_draft(me: Registered) -> None:
    path = made(me)
    me.client.post(f"{path}/activate", {})
    copy = me.client.post(f"{path}/duplicate")
    assert copy.status == 201 and copy.json["name"] == "Greeter (copy)"
    assert (copy.json["status"], copy.json["latestVersion"]) == ("draft", 1)


def test_a_large_definition_leaves_its_row(me: Registered) -> None:
    import random

    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000))
    path = made(me, **definition([node("a", "set", values={"x": noise})], "start > a"))
    assert me.client.get(path).json["nodes"][1]["parameters"]["values"]["x"] == noise
    huge = definition([node("a", "set", values={"x": "x" * 1_000_001})], "start > a")
    assert me.client.patch(path, huge).json["code"] == "definition_too_large"


def test_node_types_are_described(me: Registered) -> None:
    items = me.client.get("/v1/node-types").json["items"]
    assert {"manual", "set", "if", "loop", "http_request", "agent"} <= {item["type"] for item in items}
    one = me.client.get("/v1/node-types/if").json
    assert one["outputs"] == ["true", "false"] and one["parameters"]["required"] == ["condition"]
    assert me.client.get("/v1/node-types/catalogue").json["code"] == "node_type_not_found"
