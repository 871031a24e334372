"""Express executions, the sweeper, and views of executions."""

import random
from typing import Any

import boto3
import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import (
    create_workflow,
    execute_workflow,
    http_node,
    start_execution,
)
from tests.factories import RegisteredUser
from tests.workflows.definitions import definition, node
from weconnect.executions import followups, sweeper
from weconnect.executions.rows import AnyRow
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import express as inline
from weconnect.workflows.engine import levels
from weconnect.workflows.executions import journal


def test_a_short_execution_completes_within_its_callers_request(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    path = create_workflow(
        me, definition([node("a", "set", values={"x": "{{ n + 1 }}"}), http_node("b")], "start > a", "a > b")
    )
    answer = me.client.post(f"{path}/executions", {"input": {"n": 1}}, headers={"Prefer": "wait=5"})
    assert answer.status == 200 and answer.headers["Preference-Applied"] == "wait=5"
    assert answer.json["isExpress"] is True and answer.json["output"][0]["body"] == {"ok": True}
    assert starter.invocations == [] and len(calls) == 1
    execution = me.client.get(answer.headers["Location"]).json
    assert execution["status"] == "completed" and len(execution["nodes"]) == 3
    assert me.client.post(f"/v1/executions/{execution['id']}/pause").json["code"] == "express"


@pytest.mark.parametrize(("execution", "wait", "express"), [("express", 0, True), ("durable", 5, False)])
def test_the_settings_choose_between_express_and_durable(
    me: RegisteredUser, starter: Starter, execution: str, wait: int, express: bool
) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a", execution=execution))
    starter.is_unavailable = not express
    headers = {"Prefer": "wait=0"} if not wait else {}
    answer = me.client.post(f"{path}/executions", {}, headers=headers)
    assert answer.json["isExpress"] is express and answer.status == (200 if express else 202)


def test_the_sweeper_starts_pending_executions_and_completes_interrupted_ones(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    starter.is_unavailable = True
    execution = start_execution(me, path)
    starter.is_unavailable = False
    monkeypatch.setattr(inline, "execute_express", lambda *_: None)  # as if its function were gone
    left = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=1"}).headers["Location"]
    assert me.client.get(left).json["status"] == "running"
    assert sweeper.sweep() == 0
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", dict.fromkeys(sweeper.SWEEP_AFTER_SECONDS, -5))
    assert sweeper.sweep() == 2
    starter.run_pending()
    assert me.client.get(execution).json["status"] == "completed"
    ended = me.client.get(left).json
    assert (ended["status"], ended["error"]["code"]) == ("failed", "interrupted")


def test_an_execution_that_cannot_be_swept_does_not_keep_others_from_it(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    monkeypatch.setattr(inline, "execute_express", lambda *_: None)  # as if its function were gone
    for _ in range(2):
        me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=1"})
    complete = followups.complete_execution
    broken: list[str] = []

    def fail_once(row: AnyRow, *args: Any) -> bool:
        if not broken:
            broken.append(row.id)
            raise ConnectionError("this row cannot be written")
        return complete(row, *args)

    monkeypatch.setattr(followups, "complete_execution", fail_once)
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", dict.fromkeys(sweeper.SWEEP_AFTER_SECONDS, -5))
    with pytest.raises(ConnectionError):
        sweeper.sweep()
    statuses = {each["id"]: each["status"] for each in me.client.get("/v1/executions").json["items"]}
    assert statuses.pop(broken[0]) == "running" and set(statuses.values()) == {"failed"}


def test_an_execution_is_completed_when_the_platform_has_ended_its_function(
    me: RegisteredUser, starter: Starter
) -> None:
    execution = start_execution(me, create_workflow(me, definition([node("a", "noop")], "start > a")))
    (invocation,) = starter.invocations
    name = invocation["DurableExecutionName"]
    assert len(name) == 64 and sweeper.close(name, "TIMED_OUT", "The platform ended it")
    done = me.client.get(execution).json
    assert (done["status"], done["error"]["code"]) == ("timeout", "platform_timed_out")
    assert not sweeper.close(name, "FAILED", "again") and not sweeper.close("x" * 36, "FAILED", "an agent's")


def test_executions_are_listed_filtered_and_drawn(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    path = create_workflow(
        me, definition([http_node("a", "https://x/status/404"), node("b", "noop")], "start > a", "a > b")
    )
    execution = start_execution(me, path)
    waiting = start_execution(me, path)
    starter.invocations.pop()
    starter.run_pending()
    workflow = path.rpartition("/")[2]
    for query, expected in (
        ("", [waiting, execution]),
        (f"workflowId={workflow}", [waiting, execution]),
        ("status=failed", [execution]),
        ("status=pending", [waiting]),
        (f"workflowId={workflow}&status=failed&mode=api", [execution]),
        ("mode=webhook", []),
        ("from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00Z", []),
    ):
        items = me.client.get(f"/v1/executions?{query}").json["items"]
        assert [f"/v1/executions/{item['id']}" for item in items] == expected, query
    timeline = me.client.get(f"{execution}/timeline").json
    assert [(bar["nodeId"], bar["status"]) for bar in timeline["bars"]] == [
        ("start", "completed"),
        ("a", "failed"),
    ]
    svg = me.client.get(f"{execution}/timeline", headers={"Accept": "image/svg+xml"})
    assert svg.headers["Content-Type"] == "image/svg+xml" and svg.text.startswith("<svg")
    diagram = me.client.get(f"{path}/diagram?executionId={execution.rpartition('/')[2]}")
    assert diagram.text.startswith("flowchart LR") and "classDef failed" in diagram.text
    svg = me.client.get(f"{path}/diagram", headers={"Accept": "image/svg+xml"})
    assert svg.text.count("<path d=") == 3
    assert me.client.delete(waiting).json["code"] == "still_open"
    assert me.client.delete(execution).status == 204 and me.client.get(execution).status == 404


def test_a_node_is_tested_by_itself(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    value = definition(
        [node("a", "set", values={"x": "{{ n + $nodes.start.output.m }}"}), node("w", "wait")],
        "start > a",
        "a > w",
    )
    path = create_workflow(me, value)
    body = {"input": {"main": [{"n": 1}]}, "nodes": {"start": {"main": [{"m": 2}]}}}
    answer = me.client.post(f"{path}/nodes/a/test", body).json
    assert (answer["status"], answer["output"]) == ("completed", {"main": [{"n": 1, "x": 3}]})
    failed = me.client.post(f"{path}/nodes/a/test", {"input": {"main": [{"n": "x"}]}}).json
    assert failed["error"]["code"] == "expression_failed"
    assert me.client.post(f"{path}/nodes/w/test", {}).json["code"] == "not_testable"
    assert me.client.post(f"{path}/nodes/none/test", {}).json["code"] == "node_not_found"


def test_an_execution_fails_before_the_platforms_limit_of_operations(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "MAX_OPERATIONS", 6)
    value = definition([node("l", "loop"), http_node("a")], "start > l", "l.loop > a", "a > l")
    execution = execute_workflow(me, starter, value, [{} for _ in range(20)])
    assert (execution["status"], execution["error"]["code"]) == ("failed", "too_many_operations")
    assert len(calls) == 5 and execution["nodesRun"] == 6


def test_an_express_execution_has_the_same_limit_of_operations(
    me: RegisteredUser, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "MAX_OPERATIONS", 6)
    value = definition([node("l", "loop"), http_node("a")], "start > l", "l.loop > a", "a > l")
    path = create_workflow(me, value)
    items: list[dict[str, Any]] = [{} for _ in range(20)]
    answer = me.client.post(f"{path}/executions", {"input": items}, headers={"Prefer": "wait=5"})
    assert answer.json["isExpress"] is True
    assert (answer.json["status"], answer.json["error"]["code"]) == ("failed", "too_many_operations")
    assert len(calls) == 5


def test_the_journal_is_written_during_the_execution(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "WRITE_AFTER_SECONDS", -60.0)
    execution = start_execution(
        me, create_workflow(me, definition([http_node("a"), http_node("b")], "start > a", "a > b"))
    )
    seen: list[Any] = []
    send = outbound.send

    def looking(*arguments: Any, **options: Any) -> OutboundResponse:
        seen.append(me.client.get(execution).json)
        return send(*arguments, **options)

    monkeypatch.setattr(outbound, "send", looking)
    starter.run_pending()
    assert [(each["currentNodeIds"], len(each["nodes"])) for each in seen] == [(["a"], 1), (["b"], 2)]
    assert [each["progress"] for each in seen] == [33, 66]
    done = me.client.get(execution).json
    assert [each["id"] for each in done["nodes"]] == ["000001-000", "000002-000", "000003-000"]
    assert done["currentNodeIds"] == []


def test_large_items_are_stored_outside_of_their_rows(me: RegisteredUser, starter: Starter) -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200_000))
    execution = execute_workflow(me, starter, definition([node("a", "noop")], "start > a"), {"text": noise})
    assert execution["output"] == [{"text": noise}] and execution["input"] == {"text": noise}
    whole = me.client.get(f"/v1/executions/{execution['id']}/nodes/{execution['nodes'][1]['id']}").json
    assert whole["output"]["main"] == [{"text": noise}]
    (listed,) = me.client.get("/v1/executions").json["items"]
    assert listed["input"] is None and listed["output"] is None
    assert me.client.delete(f"/v1/executions/{execution['id']}").status == 204
    objects = boto3.client("s3").list_objects_v2(Bucket="weconnect", Prefix="organizations/")
    assert [each["Key"] for each in objects.get("Contents", []) if "/nodes-" in each["Key"]] == []


def test_the_same_idempotency_key_starts_one_execution(me: RegisteredUser, starter: Starter) -> None:
    path = create_workflow(me, definition([node("a", "noop")], "start > a"))
    keyed = {"Idempotency-Key": "once", "Prefer": "wait=5"}
    first, second = (me.client.post(f"{path}/executions", {"input": 1}, headers=keyed) for _ in range(2))
    assert first.json["id"] == second.json["id"] and first.json["status"] == "completed"
    assert len(me.client.get("/v1/executions").json["items"]) == 1
