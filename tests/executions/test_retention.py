"""Nothing of an open execution expires; its end starts the retention of all that belongs to it (free plan: 7 days)."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import boto3
import pytest

from tests.agents.execution_helpers import Starter, execute, script_replies
from tests.agents.tool_call_helpers import (
    DONE,
    agent_call,
    calculator_calls,
    create_guarded_agent,
    create_guarded_pair,
    decide,
    move_clock,
)
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import PASSWORD, RegisteredUser
from tests.gateway import Client
from tests.in_memory_steps import InMemorySteps
from tests.moto_table import table_items
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect import clock, registry_index
from weconnect.db import payloads
from weconnect.db.table import Row
from weconnect.executions import retention, sweeper
from weconnect.executions.rows import partition_of
from weconnect.models.messages import ModelReply
from weconnect.trash import purge
from weconnect.workflows.executions.rows import WorkflowExecutionRow

DAYS = 20
KEPT_SECONDS = 7 * 86_400
LONG = "x" * 5_000  # is stored outside of its row


@pytest.fixture(autouse=True)
def fresh(me: RegisteredUser) -> Iterator[None]:
    set_plan(me, "free")
    payloads.s3_client.cache_clear()
    yield
    payloads.s3_client.cache_clear()


def wait_days(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch, days: int = DAYS) -> None:
    """Move the clock, and sign in again: no token lives so long. A sweep changes nothing about what waits."""
    move_clock(monkeypatch, days=days)
    tokens = Client().post("/v1/auth/login", {"email": me.user["email"], "password": PASSWORD}).json
    me.client.headers["Authorization"] = f"Bearer {tokens['accessToken']}"


def list_expiries(me: RegisteredUser, *executions: str) -> dict[str, int | None]:
    """Return the `ttl` of all rows that belong to these executions, by their kind and key."""
    expiries: dict[str, int | None] = {}
    for key, item in table_items().items():
        owner = item.get("executionId", {}).get("S"), item.get("id", {}).get("S")
        if any(each in key or each in owner for each in executions) and "#DELETEDRUN#" not in key:
            ttl = item.get("ttl")
            expiries[f"{item['kind']['S']} {key}"] = int(ttl["N"]) if ttl else None
    return expiries


def kinds_of(expiries: dict[str, int | None]) -> set[str]:
    return {key.partition(" ")[0] for key in expiries}


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def token_of(me: RegisteredUser, execution: str) -> str:
    """Return the callback token that the node `tell` has put into its output."""
    entry = next(each for each in me.client.get(execution).json["nodes"] if each["nodeId"] == "tell")
    item: dict[str, Any] = me.client.get(f"{execution}/nodes/{entry['id']}").json["output"]["main"][0]
    return str(item["token"])


TELL = node("tell", "set", values={"token": "{{ $execution.callbackToken }}"})
WAIT = node("w", "wait", until="callback", seconds=30 * 86_400)


def wait_for_callback(me: RegisteredUser, starter: Starter) -> tuple[str, Callable[[], None]]:
    execution = start_execution(
        me, create_workflow(me, definition([TELL, WAIT], "start > tell", "tell > w")), LONG
    )
    starter.run_pending()

    def complete() -> None:
        assert me.client.post(f"/v1/callbacks/{token_of(me, execution)}", {"value": 1}).status == 200

    return execution, complete


def wait_for_approval(me: RegisteredUser, starter: Starter) -> tuple[str, Callable[[], None]]:
    ask = node("ask", "approval", message="Pay?", values={"a": 5}, expires_in_seconds=30 * 86_400)
    execution = start_execution(me, create_workflow(me, definition([ask], "start > ask")), LONG)
    starter.run_pending()

    def complete() -> None:
        (approval,) = me.client.get("/v1/approvals").json["items"]
        assert decide(me.client, approval).status == 200

    return execution, complete


def wait_for_subworkflow(me: RegisteredUser, starter: Starter) -> tuple[str, Callable[[], None]]:
    child = create_workflow(me, definition([TELL, WAIT], "start > tell", "tell > w"), "Child")
    call = node("call", "subworkflow", workflow_id=id_of(child), timeout_seconds=30 * 86_400)
    execution = start_execution(me, create_workflow(me, definition([call], "start > call")), LONG)
    starter.run_pending()

    def complete() -> None:
        (row,) = [
            each for each in me.client.get("/v1/executions").json["items"] if each["mode"] == "subworkflow"
        ]
        token = token_of(me, f"/v1/executions/{row['id']}")
        assert me.client.post(f"/v1/callbacks/{token}", {"value": 1}).status == 200

    return execution, complete


def wait_in_queue(me: RegisteredUser, starter: Starter) -> tuple[str, Callable[[], None]]:
    settings = {"concurrency": {"limit": 1}}
    path = create_workflow(me, definition([TELL, WAIT], "start > tell", "tell > w", **settings))
    first = start_execution(me, path, LONG)
    starter.run_pending()
    execution = start_execution(me, path, LONG)
    assert me.client.get(execution).json["waitsFor"] == "workflow"

    def complete() -> None:
        for each in (first, execution):
            starter.run_pending()
            assert me.client.post(f"/v1/callbacks/{token_of(me, each)}", {"value": 1}).status == 200

    return execution, complete


def wait_paused(me: RegisteredUser, starter: Starter) -> tuple[str, Callable[[], None]]:
    value = definition([node("a", "http_request", url="https://example.com")], "start > a")
    execution = start_execution(me, create_workflow(me, value), LONG)
    assert me.client.post(f"{execution}/pause").status == 200
    starter.run_pending()
    assert me.client.get(execution).json["status"] == "paused"

    def complete() -> None:
        assert me.client.post(f"{execution}/resume").status == 200

    return execution, complete


@pytest.mark.parametrize(
    "suspend", [wait_for_callback, wait_for_approval, wait_for_subworkflow, wait_in_queue, wait_paused]
)
def test_a_workflow_that_waits_longer_than_it_is_kept_goes_on(
    me: RegisteredUser,
    starter: Starter,
    calls: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    suspend: Callable[[RegisteredUser, Starter], tuple[str, Callable[[], None]]],
) -> None:
    execution, complete = suspend(me, starter)
    ids_before = [each["id"] for each in me.client.get("/v1/executions").json["items"]]
    assert set(list_expiries(me, *ids_before).values()) == {None}
    wait_days(me, monkeypatch)
    sweeper.sweep()
    complete()
    assert me.client.get(execution).json["status"] == "completed", me.client.get(execution).text
    assert me.client.get(execution).json["input"] == LONG
    expiries = list_expiries(me, *ids_before)
    assert set(expiries.values()) == {clock.epoch_seconds() + KEPT_SECONDS}, expiries


def test_a_timer_may_be_longer_than_the_retention(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DaysLater(InMemorySteps):
        def wait(self, name: str, seconds: int) -> None:
            move_clock(monkeypatch, seconds=seconds)

    value = definition([node("w", "wait", seconds=DAYS * 86_400), node("b", "noop")], "start > w", "w > b")
    execution = start_execution(me, create_workflow(me, value), {"n": 1})
    starter.run_pending(DaysLater())
    wait_days(me, monkeypatch, 0)
    assert me.client.get(execution).json["status"] == "completed"
    assert set(list_expiries(me, id_of(execution)).values()) == {clock.epoch_seconds() + KEPT_SECONDS}


def test_an_agent_that_waits_for_days_goes_on(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_guarded_agent(me)
    script_replies(monkeypatch, calculator_calls("6*7"), calculator_calls("6*8"), DONE)
    execution = execute(me, starter, path, LONG)
    for _ in range(2):  # 12 days in all: longer than the executions of a free plan are kept
        assert set(list_expiries(me, execution["id"]).values()) == {None}
        wait_days(me, monkeypatch, 6)
        (approval,) = me.client.get("/v1/approvals").json["items"]
        assert decide(me.client, approval).status == 200
    done = me.client.get(f"{path}/executions/{execution['id']}").json
    assert (done["status"], done["output"], done["input"]) == ("completed", "done", LONG)
    expiries = list_expiries(me, execution["id"])
    assert kinds_of(expiries) == {"AGENTEXECUTION", "AGENTSTEP", "QUESTION", "APPROVAL"}
    assert set(expiries.values()) == {clock.epoch_seconds() + KEPT_SECONDS}


def test_a_nested_execution_is_kept_as_long_as_its_caller(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = create_guarded_pair(me)
    require = {"toolName": "calculator", "requiresApproval": True, "approval": {"expiresInSeconds": 604_800}}
    assert me.client.post(f"{path}/tools", require).status == 201
    script_replies(monkeypatch, agent_call("1"), ModelReply(text="1"), calculator_calls("6*7"), DONE)
    execution = execute(me, starter, path, "go")
    (nested,) = me.client.get(f"{expert}/executions").json["items"]
    assert (execution["status"], nested["status"]) == ("waiting", "completed")
    assert set(list_expiries(me, execution["id"], nested["id"]).values()) == {None}
    (approval,) = me.client.get("/v1/approvals").json["items"]
    wait_days(me, monkeypatch, 6)
    assert decide(me.client, approval).status == 200
    expiries = list_expiries(me, execution["id"], nested["id"])
    assert set(expiries.values()) == {clock.epoch_seconds() + KEPT_SECONDS}, expiries


def test_an_execution_that_nobody_executes_any_more_ends_and_expires(
    me: RegisteredUser, starter: Starter
) -> None:
    execution, _ = wait_for_approval(me, starter)
    row = WorkflowExecutionRow.get(
        *WorkflowExecutionRow.at(UUID(me.organization["id"]), UUID(id_of(execution)))
    )
    assert sweeper.close(row.function_call.durable_name, "TIMED_OUT", "over")
    expiries = list_expiries(me, id_of(execution))
    assert {"EXECUTION", "QUESTION", "APPROVAL"} <= kinds_of(expiries) and None not in expiries.values()


def test_what_a_crash_left_without_an_end_goes_with_the_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, complete = wait_for_subworkflow(me, starter)
    with monkeypatch.context() as crash:
        crash.setattr(retention, "_begin", lambda *_: None)
        complete()
    organization_id, execution_id = UUID(me.organization["id"]), UUID(id_of(execution))
    at = WorkflowExecutionRow.at(organization_id, execution_id)
    WorkflowExecutionRow.get(*at).delete()
    assert list_objects(execution)
    assert registry_index.PURGES_BY_KIND["EXECUTION"] and purge.purge({"pk": at[0], "sk": at[1]})
    assert list(Row.query(partition_of(organization_id, execution_id))) == [] == list_objects(execution)
    expiries = list_expiries(me, *[each["id"] for each in me.client.get("/v1/executions").json["items"]])
    assert expiries and None not in expiries.values(), "the child's own retention has begun"


def test_deleting_an_execution_begins_the_retention_of_its_ended_child(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, complete = wait_for_subworkflow(me, starter)
    with monkeypatch.context() as crash:
        crash.setattr(retention, "_begin", lambda *_: None)
        complete()
    child = next(
        each["id"] for each in me.client.get("/v1/executions").json["items"] if each["mode"] == "subworkflow"
    )
    assert None in list_expiries(me, child).values()
    assert me.client.delete(execution).status == 204
    expiries = list_expiries(me, child)
    assert expiries and None not in expiries.values()


def test_an_agents_execution_takes_its_requests_along(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_guarded_agent(me)
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution = execute(me, starter, path, LONG)
    assert me.client.post(f"{path}/executions/{execution['id']}/cancel").status == 202
    (row,) = [item for item in table_items().values() if item["kind"]["S"] == "AGENTEXECUTION"]
    key = {name: row[name]["S"] for name in ("pk", "sk")}
    assert purge.purge({"pk": key["pk"], "sk": key["sk"]})
    assert list_objects(execution["id"]), "not while it exists"
    Row.get(key["pk"], key["sk"]).delete()
    assert purge.purge({"pk": key["pk"], "sk": key["sk"]})
    assert list_objects(execution["id"]) == []
    assert list_expiries(me, execution["id"]) == {}


def list_objects(execution: str) -> list[str]:
    """Return the storage keys of an execution's payloads."""
    objects = boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", [])
    return [each["Key"] for each in objects if f"/runs/{id_of(execution)}/" in each["Key"]]


def load_tags(execution: str) -> set[str]:
    """Return the retentions that an execution's payloads are tagged with, in days."""
    tags = (
        boto3.client("s3").get_object_tagging(Bucket="weconnect", Key=key)["TagSet"]
        for key in list_objects(execution)
    )
    return {json.dumps([tag["Value"] for tag in each]) for each in tags}


def test_payloads_of_an_execution_outlive_it_and_are_deleted_with_it(
    me: RegisteredUser, starter: Starter
) -> None:
    execution, complete = wait_for_callback(me, starter)
    assert load_tags(execution) == {'["1095"]'}
    complete()
    assert me.client.delete(execution).status == 204 and list_objects(execution) == []


def test_an_express_execution_that_is_queued_keeps_its_input(me: RegisteredUser, starter: Starter) -> None:
    value = definition([node("a", "noop")], "start > a", execution="express", concurrency={"limit": 1})
    blocked = create_workflow(me, value)
    express = me.client.post(f"{blocked}/executions", {"input": LONG}).headers["Location"]
    assert load_tags(express) == {'["7"]'}
    holder = create_workflow(me, definition([TELL, WAIT], "start > tell", "tell > w"), "Holder")
    for _ in range(2):  # as many as the plan allows
        start_execution(me, holder)
    starter.run_pending()
    queued = start_execution(me, blocked, LONG)
    assert me.client.get(queued).json["waitsFor"] == "organization"
    assert load_tags(queued) == {'["1095"]'}
