"""Executions that events start: from the table's stream through the queue to `on_event`, as AWS calls them."""

import itertools
import json
import random
from typing import Any
from uuid import UUID

import boto3
import pytest

from infra.local.event_patterns import matches_pattern
from tests.agents.execution_helpers import Starter, script_replies
from tests.agents.tool_call_helpers import calculator_calls
from tests.conftest import client
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser, register
from tests.infra.stack import FUNCTIONS
from tests.infra.test_sample_events import invoke, load_event
from tests.workflows.definitions import connect, definition, node
from weconnect.auth.limits import enforcement
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.events import publisher, subscriptions
from weconnect.events.messages import Event, EventMessage
from weconnect.models.messages import ModelReply
from weconnect.registry_index import EVENT_TYPES
from weconnect.workflows.executions import event_starts
from weconnect.workflows.executions.rows import WorkflowExecutionRow

NUMBERS = itertools.count(1)

pytestmark = pytest.mark.usefixtures("queue_of_events")


def subscribe_workflow(me: RegisteredUser, *types: str, name: str = "Listener", **more: Any) -> str:
    """Create an active workflow that subscribes to events of these types; return its path."""
    value = {
        "nodes": [node("on", "event", types=list(types), **more), node("a", "noop")],
        "connections": [connect("on > a")],
    }
    return create_workflow(me, value, name)


def publish_event(me: RegisteredUser, type: str, data: Any = None, depth: int = 0) -> Event:
    return publisher.publish(UUID(me.organization["id"]), type, data or {}, depth)


def receive_messages(queue: str) -> list[str]:
    """Receive and delete the queue's messages; return their bodies."""
    bodies: list[str] = []
    while batch := client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(message["Body"])
    return bodies


def deliver(*bodies: str) -> Any:
    """Deliver a batch to `on_event` and return its response."""
    records = [
        {"messageId": f"m{next(NUMBERS)}", "body": body, "eventSource": "aws:sqs", "attributes": {}}
        for body in bodies
    ]
    return invoke("on_event", {"Records": records})


def list_event_executions(me: RegisteredUser) -> list[Any]:
    items: list[Any] = me.client.get("/v1/executions?mode=event").json["items"]
    return items


def change_of(at: tuple[str, str], before: str | None) -> dict[str, Any]:
    """Return the stream's record of a row's last change of status, or of its creation."""
    image = boto3.client("dynamodb").get_item(
        TableName="weconnect", Key={"pk": {"S": at[0]}, "sk": {"S": at[1]}}
    )["Item"]
    number = f"{next(NUMBERS):021d}"
    change = {"Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image, "SequenceNumber": number}
    if before is None:
        return {"eventID": number, "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": change}
    change["OldImage"] = image | {"status": {"S": before}}
    return {"eventID": number, "eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": change}


def passes_filters(record: dict[str, Any]) -> bool:
    """Return whether the stream's filters pass a record to the dispatcher."""
    source = FUNCTIONS["OnTableChange"]["Events"]["Stream"]["Properties"]["FilterCriteria"]["Filters"]
    return any(matches_pattern(json.loads(pattern["Pattern"]), record) for pattern in source)


def dispatch(record: dict[str, Any]) -> None:
    assert passes_filters(record)
    assert invoke("on_table_change", {"Records": [record]}) == {"batchItemFailures": []}


def workflow_execution_key(me: RegisteredUser, execution: str) -> tuple[str, str]:
    return WorkflowExecutionRow.at(UUID(me.organization["id"]), UUID(execution.rpartition("/")[2]))


def agent_execution_key(me: RegisteredUser, execution: Any) -> tuple[str, str]:
    from weconnect.agents.rows import AgentExecutionRow as AgentExecutionRow

    return AgentExecutionRow.at(
        UUID(me.organization["id"]), UUID(execution["agentId"]), UUID(execution["id"])
    )


def execute_new_workflow(
    me: RegisteredUser, starter: Starter, value: dict[str, Any], name: str = "Source", **more: Any
) -> Any:
    """Execute a new workflow and return the execution."""
    begun = me.client.post(f"{create_workflow(me, value, name)}/executions", {"input": {"n": 1}, **more})
    starter.run_pending()
    return me.client.get(begun.headers["Location"]).json


# From an event to an execution


def test_an_event_starts_an_execution_of_each_subscribed_workflow(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    paths = [subscribe_workflow(me, "order.created", name=name) for name in ("One", "Two")]
    subscribe_workflow(me, "order.cancelled", name="Other")
    stranger = register("stranger@example.com")
    subscribe_workflow(stranger, "order.created")
    event = publish_event(me, "order.created", {"amount": 3})
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    starter.run_pending()
    executions = list_event_executions(me)
    assert {execution["workflowId"] for execution in executions} == {
        path.rpartition("/")[2] for path in paths
    }
    for execution in executions:
        assert (execution["status"], execution["userId"]) == ("completed", me.user["id"])
        whole = me.client.get(f"/v1/executions/{execution['id']}").json
        assert whole["input"] == json.loads(json.dumps(event.to_json_dict())) == {
            "type": "order.created",
            "id": str(event.id),
            "time": whole["input"]["time"],
            "organizationId": me.organization["id"],
            "data": {"amount": 3},
        }  # fmt: skip
        assert whole["output"] == [whole["input"]]
    assert list_event_executions(stranger) == []
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 2


def test_the_sample_event_is_accepted(me: RegisteredUser, starter: Starter) -> None:
    subscribe_workflow(me, "order.created")
    assert invoke("on_event", load_event("on_event", organization=me.organization["id"])) == {
        "batchItemFailures": []
    }
    (execution,) = list_event_executions(me)
    assert me.client.get(f"/v1/executions/{execution['id']}").json["input"]["data"] == {"amount": 250}


def test_an_event_without_subscribers_is_not_sent(me: RegisteredUser, queue_of_events: str) -> None:
    publish_event(me, "order.created")
    assert receive_messages(queue_of_events) == []


def test_a_batch_reads_the_subscribers_once(
    me: RegisteredUser, starter: Starter, queue_of_events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe_workflow(me, "workflow.run.completed")
    value = definition([node("a", "noop")], "start > a")
    executions = [execute_new_workflow(me, starter, value, name) for name in ("One", "Two", "Three")]
    records = [change_of(workflow_execution_key(me, execution["id"]), "running") for execution in executions]
    types_read: list[str] = []
    has_subscriber = subscriptions.has_subscriber

    def recording(organization_id: UUID, type: str) -> bool:
        types_read.append(type)
        return has_subscriber(organization_id, type)

    monkeypatch.setattr(subscriptions, "has_subscriber", recording)
    assert invoke("on_table_change", {"Records": records}) == {"batchItemFailures": []}
    assert types_read == ["workflow.run.completed"] and len(receive_messages(queue_of_events)) == 3


def test_the_first_trigger_whose_condition_holds_starts_the_execution(
    me: RegisteredUser, starter: Starter, queue_of_events: str
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
    create_workflow(me, value)
    for type, amount in (
        ("order.created", 500),
        ("order.created", 50),
        ("order.created", 5),
        ("order.changed", 5),
    ):
        publish_event(me, type, {"amount": amount})
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    starter.run_pending()
    outputs = [
        me.client.get(f"/v1/executions/{execution['id']}").json["output"][0]
        for execution in list_event_executions(me)
    ]
    assert sorted((each["size"], each["data"]["amount"]) for each in outputs) == [
        ("large", 500),
        ("small", 5),
    ]


def test_duplicates_in_any_order_start_each_execution_once(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    """Repeat, split and shuffle messages at random: one execution for each event and workflow."""
    for name in ("One", "Two"):
        subscribe_workflow(me, "a", "b", name=name)
    expected = 0
    for seed in range(4):
        chance = random.Random(seed)
        for _ in range(3):
            publish_event(me, chance.choice("ab"), {"seed": seed})
            expected += 2
        bodies = receive_messages(queue_of_events)
        bodies = [*bodies, *chance.choices(bodies, k=4)]
        chance.shuffle(bodies)
        while bodies:
            size = chance.randint(1, 4)
            assert deliver(*bodies[:size]) == {"batchItemFailures": []}
            bodies = bodies[size:]
            if chance.random() < 0.5:
                starter.run_pending()  # so that some are delivered again when their execution has ended
        starter.run_pending()
        executions = list_event_executions(me)
        assert len(executions) == expected and {execution["status"] for execution in executions} == {
            "completed"
        }
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == expected, "none is counted twice"


def test_two_parallel_deliveries_count_one_execution(
    me: RegisteredUser, starter: Starter, queue_of_events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one has looked for an earlier execution before the first one has stored it."""
    subscribe_workflow(me, "a")
    publish_event(me, "a")
    (body,) = receive_messages(queue_of_events)
    deliveries: list[Any] = []

    def slow(*args: Any, **more: Any) -> Any:
        if not deliveries:
            deliveries.append(body)
            assert deliver(body) == {"batchItemFailures": []}
        return count_execution(*args, **more)

    count_execution = enforcement.count_execution
    monkeypatch.setattr(enforcement, "count_execution", slow)
    assert deliver(body) == {"batchItemFailures": []}
    starter.run_pending()
    assert len(list_event_executions(me)) == 1
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 1


# Failures


def test_a_malformed_message_does_not_block_the_others(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    subscribe_workflow(me, "a")
    publish_event(me, "a")
    (good,) = receive_messages(queue_of_events)
    broken = ["{", "{}", good.replace('"depth"', '"deepness"')]
    answer = deliver(broken[0], good, *broken[1:])
    assert len(answer["batchItemFailures"]) == 3
    starter.run_pending()
    assert [execution["status"] for execution in list_event_executions(me)] == ["completed"]


def test_one_workflow_that_cannot_start_does_not_block_the_others(
    me: RegisteredUser,
    starter: Starter,
    queue_of_events: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    subscribe_workflow(me, "a", name="Broken", condition="$error('no')")
    for name in ("One", "Two"):
        subscribe_workflow(me, "a", name=name)
    publish_event(me, "a")
    (body,) = receive_messages(queue_of_events)
    create = table.create
    failed: list[WorkflowExecutionRow] = []

    def flaky(row: Any, *args: Any) -> Any:
        if isinstance(row, WorkflowExecutionRow) and not failed:
            failed.append(row)
            raise ConnectionError("the table is away")
        return create(row, *args)

    monkeypatch.setattr(table, "create", flaky)
    assert len(deliver(body)["batchItemFailures"]) == 1, "so it is delivered again"
    assert len(list_event_executions(me)) == 1
    assert deliver(body) == {"batchItemFailures": []}
    starter.run_pending()
    assert sorted(execution["workflowName"] for execution in list_event_executions(me)) == ["One", "Two"]
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 2
    assert any(record.message == "event started no execution" for record in caplog.records)


def test_a_reached_limit_is_logged_and_not_retried(
    me: RegisteredUser, starter: Starter, queue_of_events: str, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe_workflow(me, "a")
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 1})
    assert limit.status == 200
    for _ in range(3):
        publish_event(me, "a")
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    assert len(list_event_executions(me)) == 1
    refused = [
        record for record in caplog.records if getattr(record, "problem", "") == "execution_limit_reached"
    ]
    assert len(refused) == 2 and all(getattr(record, "workflow_id", "") for record in refused)


# Subscriptions


def test_the_subscriptions_are_those_of_the_active_version(me: RegisteredUser, queue_of_events: str) -> None:
    organization_id = UUID(me.organization["id"])
    path = subscribe_workflow(me, "a", "b")
    workflow_id = UUID(path.rpartition("/")[2])

    def types() -> list[str]:
        return [
            name for name in "abc" if workflow_id in subscriptions.find_subscribers(organization_id, name)
        ]

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
    assert not subscriptions.has_subscriber(organization_id, "a")


def test_a_workflow_that_was_deactivated_meanwhile_is_not_started(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    path = subscribe_workflow(me, "a")
    publish_event(me, "a")
    (body,) = receive_messages(queue_of_events)
    assert me.client.delete(path).status == 204
    assert deliver(body) == {"batchItemFailures": []}
    assert list_event_executions(me) == []


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
def test_validation_names_the_errors_of_an_event_trigger(
    me: RegisteredUser, parameters: Any, pointer: str
) -> None:
    value = {"nodes": [node("on", "event", parameters=parameters)], "connections": []}
    path = me.client.post("/v1/workflows", {"name": "Flow", **value}).headers["Location"]
    answer = me.client.post(f"{path}/activate", {})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_the_number_of_event_types_of_a_workflow_is_limited(me: RegisteredUser) -> None:
    def nodes(first: int, last: int) -> list[Any]:
        names = [f"t{number}" for number in range(first, last)]
        parts = [names[at : at + 20] for at in range(0, len(names), 20)]
        return [node(f"on{number}", "event", types=part) for number, part in enumerate(parts)]

    path = create_workflow(me, {"nodes": nodes(0, 40), "connections": []})
    assert me.client.patch(path, {"nodes": nodes(40, 80)}).status == 200
    assert me.client.post(f"{path}/activate", {}).status == 200
    assert me.client.patch(path, {"nodes": nodes(0, 41)}).status == 200
    assert me.client.post(f"{path}/activate", {}).json["errors"][0]["code"] == "too_many_event_types"


# Events of the product


def test_the_completion_of_an_agents_execution_is_an_event(
    me: RegisteredUser, starter: Starter, queue_of_events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe_workflow(me, "agent.run.completed", "agent.run.failed")
    agent = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    assert me.client.patch(agent, {"limits": {"maxSteps": 1}}).status == 200
    script_replies(monkeypatch, ModelReply(text="42"), calculator_calls("1+1"))
    for number in (1, 2):
        begun = me.client.post(f"{agent}/executions", {"input": "x"})
        starter.run_pending()
        record = change_of(agent_execution_key(me, begun.json), "running")
        for _ in range(2):  # the stream repeats itself too
            dispatch(record)
        assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
        starter.run_pending()
        assert len(list_event_executions(me)) == number
    failed, completed = [
        me.client.get(f"/v1/executions/{execution['id']}").json["input"]
        for execution in list_event_executions(me)
    ]
    assert (completed["type"], completed["data"]["output"]) == ("agent.run.completed", "42")
    assert (failed["type"], failed["data"]["errorCode"]) == ("agent.run.failed", "budget_exceeded")
    assert failed["data"]["executionId"] == begun.json["id"]


def test_the_completion_of_a_workflows_execution_is_an_event(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    subscribe_workflow(me, "workflow.run.completed", "workflow.run.failed")
    good = execute_new_workflow(
        me, starter, definition([node("a", "set", values={"x": "y" * 9_000})], "start > a")
    )
    stop = definition([node("a", "stop", outcome="failed", message="no")], "start > a")
    bad = execute_new_workflow(me, starter, stop, "Bad")
    for execution in (good, bad):
        dispatch(change_of(workflow_execution_key(me, execution["id"]), "running"))
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    events = [
        me.client.get(f"/v1/executions/{execution['id']}").json["input"]
        for execution in list_event_executions(me)
    ]
    event_by_execution = {event["data"]["executionId"]: event for event in events}
    assert event_by_execution[good["id"]]["data"]["output"] == good["output"], "long ones too"
    assert event_by_execution[bad["id"]]["type"] == "workflow.run.failed"
    assert event_by_execution[bad["id"]]["data"]["error"]["message"] == "no"


def test_an_approval_request_is_an_event(me: RegisteredUser, starter: Starter, queue_of_events: str) -> None:
    from weconnect.approvals.rows import ApprovalRow

    subscribe_workflow(me, "approval.requested")
    execution = execute_new_workflow(
        me, starter, definition([node("a", "approval", message="Ship?")], "start > a")
    )
    (approval,) = me.client.get("/v1/approvals").json["items"]
    at = ApprovalRow.at(UUID(me.organization["id"]), UUID(approval["id"]))
    dispatch(change_of(at, None))
    assert deliver(*receive_messages(queue_of_events)) == {"batchItemFailures": []}
    (begun,) = list_event_executions(me)
    data = me.client.get(f"/v1/executions/{begun['id']}").json["input"]["data"]
    assert (data["approvalId"], data["executionId"], data["message"]) == (
        approval["id"],
        execution["id"],
        "Ship?",
    )


def test_changes_that_are_not_published_as_events(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    """Test executions, children, cancelled ones, and changes of an execution after its end."""
    subscribe_workflow(me, *EVENT_TYPES)
    inner = create_workflow(me, definition([], name="x") | {"settings": {}}, "Inner")
    sub = definition([node("sub", "subworkflow", workflowId=inner.rpartition("/")[2])], "start > sub")
    execute_new_workflow(me, starter, sub, "Outer")
    (child,) = me.client.get("/v1/executions?mode=subworkflow").json["items"]
    dispatch(change_of(workflow_execution_key(me, child["id"]), "running"))
    tested = execute_new_workflow(me, starter, definition([]), "Tested", mode="test")
    dispatch(change_of(workflow_execution_key(me, tested["id"]), "running"))
    assert not passes_filters(change_of(workflow_execution_key(me, tested["id"]), "completed")), (
        "it had ended before"
    )
    waiting = execute_new_workflow(
        me, starter, definition([node("w", "wait", until="callback")], "start > w"), "Waits"
    )
    assert me.client.post(f"/v1/executions/{waiting['id']}/cancel").status == 200
    assert not passes_filters(change_of(workflow_execution_key(me, waiting["id"]), "waiting"))
    assert receive_messages(queue_of_events) == []


# Chains of events


def test_a_chain_of_events_ends_at_the_depth_limit(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    """Two workflows start at each other's completion; neither starts at its own."""
    for name in ("One", "Two"):
        subscribe_workflow(me, "workflow.run.completed", name=name)
    first = execute_new_workflow(me, starter, definition([]))
    fresh, seen, rounds = [first["id"]], {first["id"]}, 0
    while fresh:
        for execution in fresh:
            dispatch(change_of(workflow_execution_key(me, execution), "running"))
        if bodies := receive_messages(queue_of_events):
            deliver(*bodies)
        starter.run_pending()
        fresh = [execution["id"] for execution in list_event_executions(me) if execution["id"] not in seen]
        seen |= set(fresh)
        rounds += bool(fresh)
    assert rounds == 5
    assert len(list_event_executions(me)) == 10, "two at the first depth, then each begins the other"


def test_an_event_below_the_depth_limit_starts_nothing(
    me: RegisteredUser, starter: Starter, queue_of_events: str
) -> None:
    subscribe_workflow(me, "a")
    publish_event(me, "a", depth=5)
    assert receive_messages(queue_of_events) == []
    values = {"type": "a", "id": UUID(int=1), "time": "2026-11-22T13:00:00Z", "data": {}}
    event = Event.model_validate(values | {"organizationId": me.organization["id"]})
    assert event_starts.start_all(EventMessage(event=event, depth=5)) == 0
    publish_event(me, "a", depth=4)
    deliver(*receive_messages(queue_of_events))
    (execution,) = list_event_executions(me)
    assert (
        table.require(WorkflowExecutionRow, workflow_execution_key(me, execution["id"]), NotFound).depth == 5
    )
