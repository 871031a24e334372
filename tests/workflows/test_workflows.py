"""Workflows through their routes: lifecycle, versions, files, limits."""

from typing import Any
from uuid import UUID

import pytest

from tests.conftest import client
from tests.factories import RegisteredUser, register
from tests.long_content import store_all_outside
from tests.workflows.definitions import definition, node
from weconnect.db.table import Row
from weconnect.organizations.entities import PLANS, OrganizationPlan
from weconnect.trash import purge
from weconnect.workflows import service
from weconnect.workflows.rows import WorkflowRow

CHAIN = definition([node("a", "set", values={"x": 1})], "start > a")


def create(me: RegisteredUser, name: str = "Greeter", **more: Any) -> str:
    response = me.client.post("/v1/workflows", {"name": name, **CHAIN, **more})
    assert response.status == 201, response.text
    return response.headers["Location"]


def test_a_workflow_goes_from_draft_to_archive(me: RegisteredUser) -> None:
    path = create(me, description="x" * 700, tags=["one"])
    response = me.client.get(path)
    assert response.headers["ETag"] == '"1"'
    assert (response.json["status"], response.json["latestVersion"], response.json["nodeCount"]) == (
        "draft",
        1,
        2,
    )
    assert response.json["description"] == "x" * 700 and len(response.json["nodes"]) == 2
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


def test_versions_are_kept_compared_and_restored(me: RegisteredUser) -> None:
    path = create(me)
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
    differences = me.client.get(f"{path}/versions/1/diff?to=2").json["differences"]
    assert [(each["kind"], each["pointer"]) for each in differences] == [
        ("changed", "/nodes/a/parameters/values/x"),
        ("added", "/nodes/a/parameters/values/y~1z"),
        ("added", "/nodes/b"),
        ("added", "/connections/a.main->b.main"),
    ]
    restored = me.client.post(f"{path}/versions/1/restore").json
    assert restored["latestVersion"] == 3 and len(restored["nodes"]) == 2 and restored["description"] == "new"
    assert me.client.get(f"{path}/versions/1/diff?to=3").json["differences"] == []
    assert me.client.get(f"{path}/versions/4").json["code"] == "workflow_version_not_found"


def test_a_workflow_is_restored_from_the_trash_inactive(me: RegisteredUser) -> None:
    path = create(me)
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert me.client.delete(path, headers={"If-Match": '"1"'}).status == 412
    assert me.client.delete(path).status == 204
    assert me.client.get(path).status == 404 and me.client.get(f"{path}/versions").status == 404
    (trashed,) = me.client.get("/v1/workflows?deleted=true").json["items"]
    assert trashed["name"] == "Greeter" and trashed["deletedAt"]
    other = create(me)
    assert me.client.post(f"{path}/restore").json["code"] == "name_taken"
    assert me.client.delete(other).status == 204
    restored = me.client.post(f"{path}/restore").json
    assert (
        restored["status"] == "inactive" and restored["activeVersion"] is None and len(restored["nodes"]) == 2
    )
    assert me.client.delete(f"{other}?purge=true").status == 204
    assert me.client.get("/v1/workflows?deleted=true").json["items"] == []


def test_a_purged_workflow_leaves_nothing(me: RegisteredUser) -> None:
    path = create(me)
    assert me.client.delete(path).status == 204
    organization, workflow = me.organization["id"], path.rpartition("/")[2]
    assert me.client.delete(f"{path}?purge=true").status == 204
    assert purge.purge({"pk": f"ORG#{organization}", "sk": f"TRASH#WORKFLOW#{workflow}"})
    assert not [row for row in Row.scan() if workflow in row.pk + row.sk]


def test_names_are_unique_and_can_change(me: RegisteredUser) -> None:
    path = create(me)
    refused = me.client.post("/v1/workflows", {"name": "GREETER"})
    assert (refused.status, refused.json["code"]) == (409, "name_taken")
    assert me.client.patch(path, {"name": "greeter"}).json["name"] == "greeter"
    assert me.client.patch(path, {"name": "Other"}).status == 200
    create(me)
    assert me.client.patch(path, {"name": "Greeter"}).json["code"] == "name_taken"


def test_the_plan_limits_workflows_and_nodes(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    small = PLANS[OrganizationPlan.ENTERPRISE].model_copy(
        update={"max_workflows": 1, "max_workflow_complexity": 2}
    )
    monkeypatch.setitem(PLANS, OrganizationPlan.ENTERPRISE, small)
    path = create(me)
    refused = me.client.post("/v1/workflows", {"name": "One more"})
    assert (refused.status, refused.json["code"]) == (429, "workflow_limit_reached")
    three = definition([node("a", "noop"), node("b", "noop")], "start > a")
    refused = me.client.patch(path, three)
    assert (refused.status, refused.json["code"]) == (429, "workflow_too_complex")
    assert me.client.get(path).json["latestVersion"] == 1
    assert me.client.delete(path).status == 204
    create(me, "Another")


def test_an_export_can_be_imported(me: RegisteredUser) -> None:
    slot = node("h", "http_request", url="https://example.com") | {"credentialId": me.user["id"]}
    path = create(me, tags=["t"], **definition([slot], "start > h", errorWorkflowId=me.user["id"]))
    file = me.client.get(f"{path}/export").json
    assert file["credentialSlots"] == ["h"] and me.user["id"] not in str(file)
    assert me.organization["id"] not in str(file)
    assert me.client.post("/v1/workflows/import", file).json["code"] == "name_taken"
    stranger = register()
    imported = stranger.client.post("/v1/workflows/import", file)
    assert imported.status == 201 and imported.json["status"] == "draft"
    exported = stranger.client.get(f"{imported.headers['Location']}/export").json
    assert exported["definition"] == file["definition"]


def test_a_copy_is_a_draft(me: RegisteredUser) -> None:
    path = create(me)
    me.client.post(f"{path}/activate", {})
    copy = me.client.post(f"{path}/duplicate")
    assert copy.status == 201 and copy.json["name"] == "Greeter (copy)"
    assert (copy.json["status"], copy.json["latestVersion"]) == ("draft", 1)


def test_a_large_definition_is_stored_outside_its_row(me: RegisteredUser) -> None:
    import random

    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000))
    path = create(me, **definition([node("a", "set", values={"x": noise})], "start > a"))
    assert me.client.get(path).json["nodes"][1]["parameters"]["values"]["x"] == noise
    huge = definition([node("a", "set", values={"x": "x" * 1_000_001})], "start > a")
    assert me.client.patch(path, huge).json["code"] == "definition_too_large"


def test_node_types_are_described(me: RegisteredUser) -> None:
    items = me.client.get("/v1/node-types").json["items"]
    assert {"manual", "set", "if", "loop", "http_request", "agent"} <= {item["type"] for item in items}
    one = me.client.get("/v1/node-types/if").json
    assert one["outputs"] == ["true", "false"] and one["parameters"]["required"] == ["condition"]
    assert me.client.get("/v1/node-types/catalogue").json["code"] == "node_type_not_found"


# Definitions that are too long for a row


def test_a_long_workflow_keeps_its_description_when_it_is_activated(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_all_outside(monkeypatch)
    path = create(me, description="What it does")
    assert me.client.post(f"{path}/activate", {}).json["description"] == "What it does"
    assert me.client.get(path).json["description"] == "What it does"


def test_of_two_changes_at_once_the_refused_one_leaves_no_content(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stores its content before it is refused."""
    store_all_outside(monkeypatch)
    path, load_for = create(me), service.load_for

    def change_meanwhile(*args: Any) -> Any:
        loaded = load_for(*args)
        monkeypatch.setattr(service, "load_for", load_for)
        assert me.client.patch(path, {"settings": {"timeoutSeconds": 60}}).status == 200
        return loaded

    monkeypatch.setattr(service, "load_for", change_meanwhile)
    assert me.client.patch(path, {"settings": {"timeoutSeconds": 70}}).status == 409
    assert me.client.get(path).json["settings"]["timeoutSeconds"] == 60
    assert me.client.get(f"{path}/versions/2").json["definition"]["settings"]["timeoutSeconds"] == 60


def test_a_purged_workflow_leaves_no_content(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    store_all_outside(monkeypatch)
    path = create(me)
    for description in ("one", "two"):
        assert me.client.patch(path, {"description": description}).status == 200
    assert me.client.delete(path).status == me.client.delete(f"{path}?purge=true").status == 204
    pk, sk = WorkflowRow.in_trash(UUID(me.organization["id"]), UUID(path.rpartition("/")[2]))
    assert purge.purge({"pk": pk, "sk": sk})
    assert "Contents" not in client("s3").list_objects_v2(Bucket="weconnect")
