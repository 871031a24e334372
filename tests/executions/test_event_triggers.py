"""Runs that events begin: from the table's stream through the queue to `on_event`, as AWS calls them."""

import itertools
import json
import random
from typing import Any
from uuid import UUID

import boto3
import pytest

from infra.local.patterns import matches
from tests.agents.runs import Starter, script
from tests.agents.test_tool_calls import sum_of
from tests.conftest import client
from tests.executions.runs import made
from tests.factories import Registered, registered
from tests.infra.test_sample_events import event, invoke
from tests.infra.test_template import FUNCTIONS
from tests.workflows.definitions import connect, definition, node
from weconnect.agents.models.messages import ModelReply
from weconnect.db import table
from weconnect.events import publisher
from weconnect.executions import event_starts, starting
from weconnect.executions.rows import ExecutionRow
from weconnect.workflows.definition import trigger_index

NUMBERS = itertools.count(1)

pytestmark = pytest.mark.usefixtures("queue_of_events")


def listening(me: Registered, *types: str, name: str = "Listener", **more: Any) -> str:
    """The path of an active workflow that begins a run for events of these types."""
    value = {
        "nodes": [node("on", "event", types=list(types), **more), node("a", "noop")],
        "connections": [connect("on > a")],
    }
    return made(me, value, name)


def raised(me: Registered, type: str, data: Any = None, depth: int = 0) -> publisher.Event:
    return publisher.raise_event(UUID(me.organization["id"]), type, data or {}, depth)


def messages(queue: str) -> list[str]:
    """The bodies that wait in the queue, taken out of it."""
    bodies: list[str] = []
    while found := client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(message["Body"])
    return bodies


def deliver(*bodies: str) -> Any:
    """What `on_event` answers to a batch."""
    records = [
        {"messageId": f"m{next(NUMBERS)}", "body": body, "eventSource": "aws:sqs", "attributes": {}}
        for body in bodies
    ]
    return invoke("on_event", {"Records": records})


def event_runs(me: Registered) -> list[Any]:
    return me.client.get("/v1/executions?mode=event").json["items"]


def change_of(at: tuple[str, str], before: str | None) -> dict[str, Any]:
    """The stream's record of a row's last move, from another status, or of its making."""
    image = boto3.client("dynamodb").get_item(
        TableName="weconnect", Key={"pk": {"S": at[0]}, "sk": {"S": at[1]}}
    )["Item"]
    number = f"{next(NUMBERS):021d}"
    change = {"Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image, "SequenceNumber": number}
    if before is None:
        return {"eventID": number, "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": change}
    change["OldImage"] = image | {"status": {"S": before}}
    return {"eventID": number, "eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": change}


def passes(record: dict[str, Any]) -> bool:
    """Whether the stream's filters let a record reach the dispatcher."""
    source = FUNCTIONS["OnTableChange"]["Events"]["Stream"]["Properties"]["FilterCriteria"]["Filters"]
    return any(matches(json.loads(found["Pattern"]), record) for found in source)


def dispatched(record: dict[str, Any]) -> None:
    assert passes(record)
    assert invoke("on_table_change", {"Records": [record]}) == {"batchItemFailures": []}


def workflow_run_at(me: Registered, run: str) -> tuple[str, str]:
    return ExecutionRow.at(UUID(me.organization["id"]), UUID(run.rpartition("/")[2]))


def agent_run_at(me: Registered, run: Any) -> tuple[str, str]:
    from weconnect.agents.rows import ExecutionRow as AgentExecutionRow

    return AgentExecutionRow.at(UUID(me.organization["id"]), UUID(run["agentId"]), UUID(run["id"]))


def ended(me: Registered, starter: Starter, value: dict[str, Any], name: str = "Source", **more: Any) -> Any:
    """A run of a new workflow that has ended."""
    begun = me.client.post(f"{made(me, value, name)}/executions", {"input": {"n": 1}, **more})
    starter.run_pending()
    return me.client.get(begun.headers["Location"]).json


# From an event to a run


def test_an_event_begins_a_run_of_each_workflow_that_listens(
    me: Registered, starter: Starter, queue_of_events: str
) -> None:
    paths = [listening(me, "order.created", name=name) for name in ("One", "Two")]
    listening(me, "order.cancelled", name="Other")
    stranger = registered("stranger@example.com")
    listening(stranger, "order.created")
    told = raised(me, "order.created", {"amount": 3})
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    starter.run_pending()
    found = event_runs(me)
    assert {run["workflowId"] for run in found} == {path.rpartition("/")[2] for path in paths}
    for run in found:
        assert (run["status"], run["userId"]) == ("completed", me.user["id"])
        whole = me.client.get(f"/v1/executions/{run['id']}").json
        assert whole["input"] == json.loads(json.dumps(told.wire())) == {
            "type": "order.created",
            "id": str(told.id),
            "time": whole["input"]["time"],
            "organizationId": me.organization["id"],
            "data": {"amount": 3},
        }  # fmt: skip
        assert whole["output"] == [whole["input"]]
    assert event_runs(stranger) == []
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 2


def test_the_example_of_an_event(me: Registered, starter: Starter) -> None:
    listening(me, "order.created")
    assert invoke("on_event", event("on_event", organization=me.organization["id"])) == {
        "batchItemFailures": []
    }
    (run,) = event_runs(me)
    assert me.client.get(f"/v1/executions/{run['id']}").json["input"]["data"] == {"amount": 250}


def test_where_nobody_listens_nothing_is_sent(me: Registered, queue_of_events: str) -> None:
    raised(me, "order.created")
    assert messages(queue_of_events) == []


def test_a_batch_asks_once_who_listens(
    me: Registered, starter: Starter, queue_of_events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening(me, "workflow.run.completed")
    value = definition([node("a", "noop")], "start > a")
    runs = [ended(me, starter, value, name) for name in ("One", "Two", "Three")]
    records = [change_of(workflow_run_at(me, run["id"]), "running") for run in runs]
    asked: list[str] = []
    has_any = trigger_index.has_any
    monkeypatch.setattr(trigger_index, "has_any", lambda *of: (asked.append(of[1]), has_any(*of))[1])
    assert invoke("on_table_change", {"Records": records}) == {"batchItemFailures": []}
    assert asked == ["workflow.run.completed"] and len(messages(queue_of_events)) == 3


def test_a_condition_chooses_and_the_node_that_fits_begins(
    me: Registered, starter: Starter, queue_of_events: str
) -> None:
    large, small = "data.amount > 100", "data.amount <= 10"
    value = {
        "nodes": [
            node("large", "event", types=["order.created", "order.changed"], condition=large),
            node("small", "event", types=["order.created"], condition=small),
            node("one", "set", values={"size": "large"}),
            node("two", "set", values={"size": "small"}),
        ],
        "connections": [connect("large > one"), connect("small > two")],
    }
    made(me, value)
    for type, amount in (
        ("order.created", 500),
        ("order.created", 50),
        ("order.created", 5),
        ("order.changed", 5),
    ):
        raised(me, type, {"amount": amount})
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    starter.run_pending()
    outputs = [me.client.get(f"/v1/executions/{run['id']}").json["output"][0] for run in event_runs(me)]
    assert sorted((each["size"], each["data"]["amount"]) for each in outputs) == [
        ("large", 500),
        ("small", 5),
    ]


def test_duplicates_and_any_order_begin_each_run_once(
    me: Registered, starter: Starter, queue_of_events: str
) -> None:
    """A property, over seeds: whatever is repeated, split or shuffled, one run for each event and workflow."""
    for name in ("One", "Two"):
        listening(me, "a", "b", name=name)
    expected = 0
    for seed in range(4):
        chance = random.Random(seed)
        for _ in range(3):
            raised(me, chance.choice("ab"), {"seed": seed})
            expected += 2
        bodies = messages(queue_of_events)
        bodies = [*bodies, *chance.choices(bodies, k=4)]
        chance.shuffle(bodies)
        while bodies:
            size = chance.randint(1, 4)
            assert deliver(*bodies[:size]) == {"batchItemFailures": []}
            bodies = bodies[size:]
            if chance.random() < 0.5:
                starter.run_pending()  # so that some come again when their run has ended
        starter.run_pending()
        found = event_runs(me)
        assert len(found) == expected and {run["status"] for run in found} == {"completed"}
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == expected, "none is counted twice"


def test_two_deliveries_at_once_count_one_run(
    me: Registered, starter: Starter, queue_of_events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has looked for an earlier run before the first stored it."""
    listening(me, "a")
    raised(me, "a")
    (body,) = messages(queue_of_events)
    new_row, other = starting.new_row, []

    def slow(*given: Any, **more: Any) -> Any:
        if not other:
            other.append(True)
            assert deliver(body) == {"batchItemFailures": []}
        return new_row(*given, **more)

    monkeypatch.setattr(starting, "new_row", slow)
    assert deliver(body) == {"batchItemFailures": []}
    starter.run_pending()
    assert len(event_runs(me)) == 1
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 1


# What goes wrong


def test_a_poisoned_message_holds_no_other(me: Registered, starter: Starter, queue_of_events: str) -> None:
    listening(me, "a")
    raised(me, "a")
    (good,) = messages(queue_of_events)
    broken = ["{", "{}", good.replace('"depth"', '"deepness"')]
    answer = deliver(broken[0], good, *broken[1:])
    assert len(answer["batchItemFailures"]) == 3
    starter.run_pending()
    assert [run["status"] for run in event_runs(me)] == ["completed"]


def test_what_keeps_one_workflow_keeps_no_other(
    me: Registered,
    starter: Starter,
    queue_of_events: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listening(me, "a", name="Broken", condition="$error('no')")
    for name in ("One", "Two"):
        listening(me, "a", name=name)
    raised(me, "a")
    (body,) = messages(queue_of_events)
    create, failed = table.create, []

    def flaky(row: Any, *given: Any) -> Any:
        if isinstance(row, ExecutionRow) and not failed:
            failed.append(row)
            raise ConnectionError("the table is away")
        return create(row, *given)

    monkeypatch.setattr(starting.table, "create", flaky)
    assert len(deliver(body)["batchItemFailures"]) == 1, "so it comes again"
    assert len(event_runs(me)) == 1
    assert deliver(body) == {"batchItemFailures": []}
    starter.run_pending()
    assert sorted(run["workflowName"] for run in event_runs(me)) == ["One", "Two"]
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 2
    assert any(record.message == "an event began no run" for record in caplog.records)


def test_a_limit_that_is_reached_is_told_and_not_tried_again(
    me: Registered, starter: Starter, queue_of_events: str, caplog: pytest.LogCaptureFixture
) -> None:
    listening(me, "a")
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 1})
    assert limit.status == 200
    for _ in range(3):
        raised(me, "a")
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    assert len(event_runs(me)) == 1
    refused = [
        record for record in caplog.records if getattr(record, "problem", "") == "execution_limit_reached"
    ]
    assert len(refused) == 2 and all(record.workflow_id for record in refused)


# When a workflow listens


def test_who_listens_moves_with_the_active_version(me: Registered, queue_of_events: str) -> None:
    organization_id = UUID(me.organization["id"])
    path = listening(me, "a", "b")
    workflow_id = UUID(path.rpartition("/")[2])

    def types() -> list[str]:
        return [name for name in "abc" if workflow_id in trigger_index.subscribed(organization_id, name)]

    assert types() == ["a", "b"]
    changed = {"nodes": [node("on", "event", types=["b", "c"]), node("a", "noop")]}
    assert me.client.patch(path, changed).status == 200
    assert types() == ["a", "b"], "what is active stays active"
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert types() == ["b", "c"]
    assert me.client.post(f"{path}/activate", {"number": 1}).status == 200
    assert types() == ["a", "b"]
    stale = me.client.post(f"{path}/activate", {"number": 2}, headers={"If-Match": '"1"'})
    assert stale.status == 412 and types() == ["a", "b"], "all of it or nothing"
    for way in ("deactivate", "archive"):
        assert me.client.post(f"{path}/{way}").status == 200
        assert types() == [], way
        if way == "archive":
            assert me.client.post(f"{path}/deactivate").status == 200
        assert me.client.post(f"{path}/activate", {}).status == 200
        assert types() == ["b", "c"]
    assert me.client.delete(path).status == 204
    assert types() == []
    assert me.client.post(f"{path}/restore").status == 200
    assert types() == [], "back, and inactive"
    assert not trigger_index.has_any(organization_id, "a")


def test_a_workflow_that_went_away_on_the_way_begins_nothing(
    me: Registered, starter: Starter, queue_of_events: str
) -> None:
    path = listening(me, "a")
    raised(me, "a")
    (body,) = messages(queue_of_events)
    assert me.client.delete(path).status == 204
    assert deliver(body) == {"batchItemFailures": []}
    assert event_runs(me) == []


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({}, "/nodes/0/parameters/types"),
        ({"types": []}, "/nodes/0/parameters/types"),
        ({"types": ["a b"]}, "/nodes/0/parameters/types/0"),
        ({"types": [{}]}, "/nodes/0/parameters/types/0"),
        ({"types": "a"}, "/nodes/0/parameters/types"),
        ({"types": ["a"], "condition": "data.("}, "/nodes/0/parameters/condition"),
    ],
)
def test_the_check_names_what_is_wrong_with_a_trigger(me: Registered, parameters: Any, pointer: str) -> None:
    value = {"nodes": [node("on", "event", parameters=parameters)], "connections": []}
    path = me.client.post("/v1/workflows", {"name": "Flow", **value}).headers["Location"]
    answer = me.client.post(f"{path}/activate", {})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_so_many_types_fit_into_one_activation(me: Registered) -> None:
    def nodes(first: int, last: int) -> list[Any]:
        names = [f"t{number}" for number in range(first, last)]
        parts = [names[at : at + 20] for at in range(0, len(names), 20)]
        return [node(f"on{number}", "event", types=part) for number, part in enumerate(parts)]

    path = made(me, {"nodes": nodes(0, 40), "connections": []})
    assert me.client.patch(path, {"nodes": nodes(40, 80)}).status == 200
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert me.client.patch(path, {"nodes": nodes(0, 41)}).status == 200
    assert me.client.post(f"{path}/activate", {}).json["errors"][0]["code"] == "too_many_event_types"


# The product's own events


def test_the_end_of_an_agents_run_is_an_event(
    me: Registered, starter: Starter, queue_of_events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening(me, "agent.run.completed", "agent.run.failed")
    agent = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    assert me.client.patch(agent, {"limits": {"maxSteps": 1}}).status == 200
    script(monkeypatch, ModelReply(text="42"), sum_of("1+1"))
    for number in (1, 2):
        begun = me.client.post(f"{agent}/executions", {"input": "x"})
        starter.run_pending()
        record = change_of(agent_run_at(me, begun.json), "running")
        for _ in range(2):  # the stream repeats itself too
            dispatched(record)
        assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
        starter.run_pending()
        assert len(event_runs(me)) == number
    failed, completed = [me.client.get(f"/v1/executions/{run['id']}").json["input"] for run in event_runs(me)]
    assert (completed["type"], completed["data"]["output"]) == ("agent.run.completed", "42")
    assert (failed["type"], failed["data"]["errorCode"]) == ("agent.run.failed", "budget_exceeded")
    assert failed["data"]["executionId"] == begun.json["id"]


def test_the_end_of_a_workflows_run_is_an_event(
    me: Registered, starter: Starter, queue_of_events: str
) -> None:
    listening(me, "workflow.run.completed", "workflow.run.failed")
    good = ended(me, starter, definition([node("a", "set", values={"x": "y" * 9_000})], "start > a"))
    stop = definition([node("a", "stop", outcome="failed", message="no")], "start > a")
    bad = ended(me, starter, stop, "Bad")
    for run in (good, bad):
        dispatched(change_of(workflow_run_at(me, run["id"]), "running"))
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    found = [me.client.get(f"/v1/executions/{run['id']}").json["input"] for run in event_runs(me)]
    told = {event["data"]["executionId"]: event for event in found}
    assert told[good["id"]]["data"]["output"] == good["output"], "long ones too"
    assert told[bad["id"]]["type"] == "workflow.run.failed"
    assert told[bad["id"]]["data"]["error"]["message"] == "no"


def test_a_question_is_an_event(me: Registered, starter: Starter, queue_of_events: str) -> None:
    from weconnect.executions.rows import ApprovalRow

    listening(me, "approval.requested")
    run = ended(me, starter, definition([node("a", "approval", message="Ship?")], "start > a"))
    (asked,) = me.client.get("/v1/approvals").json["items"]
    at = ApprovalRow.at(UUID(me.organization["id"]), UUID(asked["id"]))
    dispatched(change_of(at, None))
    assert deliver(*messages(queue_of_events)) == {"batchItemFailures": []}
    (begun,) = event_runs(me)
    data = me.client.get(f"/v1/executions/{begun['id']}").json["input"]["data"]
    assert (data["approvalId"], data["executionId"], data["message"]) == (asked["id"], run["id"], "Ship?")


def test_what_is_no_event(me: Registered, starter: Starter, queue_of_events: str) -> None:
    """Tests, runs that another run waits for, cancelled ones, and what happens to a run after its end."""
    listening(me, *publisher.TYPES)
    inner = made(me, definition([], name="x") | {"settings": {}}, "Inner")
    sub = definition([node("sub", "subworkflow", workflowId=inner.rpartition("/")[2])], "start > sub")
    ended(me, starter, sub, "Outer")
    (child,) = me.client.get("/v1/executions?mode=subworkflow").json["items"]
    dispatched(change_of(workflow_run_at(me, child["id"]), "running"))
    tested = ended(me, starter, definition([]), "Tested", mode="test")
    dispatched(change_of(workflow_run_at(me, tested["id"]), "running"))
    assert not passes(change_of(workflow_run_at(me, tested["id"]), "completed")), "it had ended before"
    waiting = ended(me, starter, definition([node("w", "wait", until="callback")], "start > w"), "Waits")
    assert me.client.post(f"/v1/executions/{waiting['id']}/cancel").status == 200
    assert not passes(change_of(workflow_run_at(me, waiting["id"]), "waiting"))
    assert messages(queue_of_events) == []


# Rings


def test_events_of_events_come_to_an_end(me: Registered, starter: Starter, queue_of_events: str) -> None:
    """Two workflows that begin at each other's end; neither begins at its own."""
    for name in ("One", "Two"):
        listening(me, "workflow.run.completed", name=name)
    first = ended(me, starter, definition([]))
    fresh, known, rounds = [first["id"]], {first["id"]}, 0
    while fresh:
        for run in fresh:
            dispatched(change_of(workflow_run_at(me, run), "running"))
        if bodies := messages(queue_of_events):
            deliver(*bodies)
        starter.run_pending()
        fresh = [run["id"] for run in event_runs(me) if run["id"] not in known]
        known |= set(fresh)
        rounds += bool(fresh)
    assert rounds == 5
    assert len(event_runs(me)) == 10, "two at the first depth, then each begins the other"


def test_an_event_raised_too_deep_begins_nothing(
    me: Registered, starter: Starter, queue_of_events: str
) -> None:
    listening(me, "a")
    raised(me, "a", depth=5)
    assert messages(queue_of_events) == []
    values = {"type": "a", "id": UUID(int=1), "time": "2026-11-22T13:00:00Z", "data": {}}
    told = publisher.Event.model_validate(values | {"organizationId": me.organization["id"]})
    assert event_starts.begin_all(publisher.Raised(event=told, depth=5)) == 0
    raised(me, "a", depth=4)
    deliver(*messages(queue_of_events))
    (run,) = event_runs(me)
    assert table.need(ExecutionRow, workflow_run_at(me, run["id"]), "execution").depth == 5
