"""Trigger kinds: the rows of a workflow's triggers follow its status, whatever module registers the kind."""

from typing import Any

import boto3
import pytest

from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser
from tests.workflows.definitions import node
from weconnect import registry_index
from weconnect.organizations import purge


@pytest.fixture(autouse=True)
def day_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a kind beside `event`."""
    monkeypatch.setitem(registry_index.TRIGGERS, "schedule", "tests.workflows.day_trigger:TRIGGER")


def make_definition(days: list[str], types: list[str], *, is_enabled: bool = True) -> dict[str, Any]:
    """Return a definition with a schedule node for each day, and an event node for the types."""
    nodes = [node(f"on-{day}", "schedule", expression=day, isEnabled=is_enabled) for day in days]
    return {"nodes": [*nodes, *[node(f"at-{type}", "event", types=[type]) for type in types]]}


def list_triggers(me: RegisteredUser) -> list[str]:
    """Return the last part of the partition of each trigger's row, sorted."""
    items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    prefix = f"ORG#{me.organization['id']}#TRIGGER#event#"
    partitions = [item["pk"]["S"] for item in items]
    return sorted(pk.removeprefix(prefix) for pk in partitions if pk.startswith(prefix))


def test_activation_adds_the_triggers_of_all_kinds_and_removes_outdated_ones(me: RegisteredUser) -> None:
    path = create_workflow(me, make_definition(["mon", "tue"], ["x"]), "Many")
    assert list_triggers(me) == ["day-mon", "day-tue", "x"]
    assert me.client.patch(path, make_definition(["tue", "wed"], ["y"])).status == 200
    assert list_triggers(me) == ["day-mon", "day-tue", "x"], "of the active version"
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert list_triggers(me) == ["day-tue", "day-wed", "y"]
    disabled = make_definition(["tue", "wed"], ["y"], is_enabled=False)
    assert me.client.patch(path, disabled).status == 200
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert list_triggers(me) == ["y"]


@pytest.mark.parametrize("end", ["deactivate", "archive", "delete"])
def test_whatever_ends_being_active_removes_the_triggers(me: RegisteredUser, end: str) -> None:
    path = create_workflow(me, make_definition(["mon"], ["x"]), "Many")
    copy = me.client.post(f"{path}/duplicate", {"name": "Copy"})
    assert copy.status == 201 and list_triggers(me) == ["day-mon", "x"]
    response = me.client.delete(path) if end == "delete" else me.client.post(f"{path}/{end}")
    assert response.status in (200, 204) and list_triggers(me) == []
    if end == "delete":
        assert me.client.post(f"{path}/restore").status == 200
        assert list_triggers(me) == [], "a restored workflow is inactive"


def test_a_deleted_organization_leaves_no_trigger(me: RegisteredUser) -> None:
    create_workflow(me, make_definition(["mon"], ["x"]), "Many")
    assert me.client.delete(f"/v1/organizations/{me.organization['id']}").status == 204
    key = {"pk": f"ORG#{me.organization['id']}", "sk": "TRASH#ORG"}
    boto3.client("dynamodb").delete_item(
        TableName="weconnect", Key={name: {"S": text} for name, text in key.items()}
    )
    assert purge.purge((key["pk"], key["sk"]))
    assert list_triggers(me) == []


@pytest.mark.parametrize(
    ("days", "types", "code"),
    [(41, 0, "too_many_triggers"), (0, 41, "too_many_event_types"), (20, 21, "too_many_triggers")],
)
def test_a_transaction_takes_the_triggers_of_all_kinds(
    me: RegisteredUser, days: int, types: int, code: str
) -> None:
    value = make_definition([f"d{n}" for n in range(days)], [f"t{n}" for n in range(types)])
    path = me.client.post("/v1/workflows", {"name": "Many", **value}).headers["Location"]
    errors = me.client.post(f"{path}/activate", {}).json["errors"]
    assert [error["code"] for error in errors] == [code]
    fewer = make_definition([f"d{n}" for n in range(min(days, 20))], [f"t{n}" for n in range(min(types, 20))])
    assert me.client.patch(path, fewer).status == 200
    assert me.client.post(f"{path}/activate", {}).status == 200
