"""The events of tests/sample_events, which also serve `sam local invoke`, each through its real handler."""

import importlib
import json
from typing import Any

import boto3
import pytest

from infra import routes
from infra.cloudformation import ROOT
from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from tests.gateway import CONTEXT
from tests.infra.stack import FUNCTIONS, OPERATIONS
from weconnect import queues
from weconnect.executions import sweeper

EVENTS = ROOT / "tests" / "sample_events"
ORGANIZATION, AGENT, EXECUTION, USER = (f"01930000-0000-7000-8000-00000000000{digit}" for digit in "abcd")


EXAMPLE_IDS = {"organization": ORGANIZATION, "agent": AGENT, "execution": EXECUTION, "user": USER}


def load_event(name: str, **ids: str) -> Any:
    """Load an event from its file, with its example ids replaced by `ids`."""
    text = (EVENTS / f"{name}.json").read_text()
    for kind, example in EXAMPLE_IDS.items():
        text = text.replace(example, ids.get(kind, example))
    return json.loads(text)


def invoke(name: str, event: Any) -> Any:
    """Call the handler in the function's file of this name."""
    (path,) = [path for path in routes.list_function_files() if path.stem == name]
    return importlib.import_module(f"{path.parent.name}.{name}").handler(event, CONTEXT)


def list_sort_keys(organization: str, agent: str) -> list[str]:
    """Return the sort keys of all rows in an agent's partition."""
    values = {":pk": {"S": f"ORG#{organization}#AGENT#{agent}"}}
    response = boto3.client("dynamodb").query(
        TableName="weconnect", KeyConditionExpression="pk = :pk", ExpressionAttributeValues=values
    )
    return [item["sk"]["S"] for item in response["Items"]]


def test_every_event_source_has_an_example() -> None:
    files = {path.stem for path in EVENTS.glob("*.json")}
    routed = {operation.function.__name__ for operation in OPERATIONS.values()}
    others = {properties["Handler"].split(".")[1] for properties in FUNCTIONS.values()} - routed
    assert files >= others
    assert files - others == {"create_agent", "get_health"}


def test_a_route_serves_its_example_event(me: RegisteredUser) -> None:
    response = invoke(
        "create_agent", load_event("create_agent", organization=me.organization["id"], user=me.user["id"])
    )
    agent = json.loads(response["body"])
    assert response["statusCode"] == 201
    assert me.client.get(f"/v1/agents/{agent['id']}").json == agent


def test_a_public_route_serves_its_example_event() -> None:
    response = invoke("get_health", load_event("get_health"))
    assert (response["statusCode"], json.loads(response["body"])) == (200, {"status": "ok"})


def test_the_code_runner_executes_its_example_event() -> None:
    response = invoke("run_code", load_event("run_code"))
    assert response == {"items": [{"n": 1, "double": 2}, {"n": 2, "double": 4}], "log": ["2 items"]}


def test_the_authorizer_identifies_the_caller_of_its_example_event(me: RegisteredUser) -> None:
    request = load_event("authorize")
    refused = invoke("authorize", request)
    assert (
        refused["isAuthorized"] is True
        and json.loads(refused["context"]["problem"])["code"] == "invalid_token"
    )
    request["headers"]["authorization"] = me.client.headers["Authorization"]
    response = invoke("authorize", request)
    assert (response["context"]["userId"], response["context"]["organizationId"]) == (
        me.user["id"],
        me.organization["id"],
    )


def create_agent(me: RegisteredUser) -> tuple[str, str]:
    """Create an agent with a tool and a memory; return its path and its id."""
    response = me.client.post("/v1/agents", {"name": "Helper"})
    path = response.headers["Location"]
    assert me.client.post(f"{path}/tools", {"toolName": "calculator"}).status == 201
    assert me.client.post(f"{path}/memories", {"memoryType": "semantic", "content": "x"}).status == 201
    return path, response.json["id"]


def expire(organization: str, agent: str) -> None:
    """Delete an agent's trash row, as TTL does, which moto does not."""
    key = {"pk": {"S": f"ORG#{organization}"}, "sk": {"S": f"TRASH#AGENT#{agent}"}}
    assert boto3.client("dynamodb").delete_item(TableName="weconnect", Key=key, ReturnValues="ALL_OLD")[
        "Attributes"
    ]


def deliver(queue: str, organization: str, agent: str) -> dict[str, Any]:
    """Send the stream's event through the dispatcher; return the queue's event with the message that it sent."""
    change = load_event("on_table_change", organization=organization, agent=agent)
    assert invoke("on_table_change", change) == {"batchItemFailures": []}
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    event: dict[str, Any] = load_event("on_purged", organization=organization, agent=agent)
    (record,) = event["Records"]
    assert json.loads(message["Body"]) == json.loads(record["body"]), "the example is what is sent"
    record["body"] = message["Body"]
    return event


def test_the_children_of_an_agent_that_expired_in_the_trash_are_deleted(
    me: RegisteredUser, queue: str, starter: Starter
) -> None:
    path, agent = create_agent(me)
    assert me.client.post(f"{path}/executions", {"input": "hello"}).status == 202
    starter.run_pending()
    neighbour = create_agent(register())[1]
    organization = me.organization["id"]
    assert len(list_sort_keys(organization, agent)) == 11
    assert me.client.delete(path).status == 204
    expire(organization, agent)
    assert invoke("on_purged", deliver(queue, organization, agent)) == {"batchItemFailures": []}
    (remaining,) = list_sort_keys(organization, agent)
    assert remaining.startswith("EXECUTION#"), "executions have their own time to live"
    assert neighbour != agent
    repeated = load_event("on_purged", organization=organization, agent=agent)
    assert invoke("on_purged", repeated) == {"batchItemFailures": []}, "delivered twice"


def test_a_restored_agent_keeps_its_children(me: RegisteredUser, queue: str) -> None:
    path, agent = create_agent(me)
    organization = me.organization["id"]
    before = list_sort_keys(organization, agent)
    assert me.client.delete(path).status == 204
    assert me.client.post(f"{path}/restore").status == 200
    invoke("on_purged", deliver(queue, organization, agent))
    assert list_sort_keys(organization, agent) == before
    me.client.delete(path)
    invoke("on_purged", load_event("on_purged", organization=organization, agent=agent))
    assert list_sort_keys(organization, agent) == before, "in the trash again: a late message deletes nothing"


def test_the_stream_sends_nothing_for_other_changes(me: RegisteredUser, queue: str) -> None:
    create_agent(me)
    change = load_event("on_table_change")
    (record,) = change["Records"]
    record["eventName"] = "INSERT"
    other = json.loads(json.dumps(record).replace("TRASH#AGENT", "AGENT")) | {"eventName": "REMOVE"}
    change["Records"].append(other)
    assert invoke("on_table_change", change) == {"batchItemFailures": []}
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue)


def test_the_stream_stops_at_a_record_that_fails(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_queue() -> Any:
        raise ConnectionError("no queue")

    monkeypatch.setattr(queues, "sqs_client", no_queue)
    change = load_event("on_table_change")
    number = change["Records"][0]["dynamodb"]["SequenceNumber"]
    assert invoke("on_table_change", change) == {"batchItemFailures": [{"itemIdentifier": number}]}


def test_one_bad_message_does_not_block_the_others(me: RegisteredUser) -> None:
    path, agent = create_agent(me)
    organization = me.organization["id"]
    me.client.delete(path)
    expire(organization, agent)
    good = load_event("on_purged", organization=organization, agent=agent)["Records"][0]
    bad = good | {"messageId": "bad", "body": "{}"}
    assert invoke("on_purged", {"Records": [bad, good]}) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert list_sort_keys(organization, agent) == []


def test_an_execution_is_closed_when_its_durable_execution_has_ended(
    me: RegisteredUser, starter: Starter
) -> None:
    path, _ = create_agent(me)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    ended = load_event("on_execution_ended", execution=started.json["id"])
    assert invoke("on_execution_ended", ended) == {"closed": True}
    assert me.client.get(started.headers["Location"]).json["status"] == "timeout"
    assert invoke("on_execution_ended", ended) == {"closed": False}
    assert invoke("on_execution_ended", load_event("on_execution_ended")) == {"closed": False}, (
        "another stack's execution"
    )


def test_the_sweeper_starts_an_execution_that_was_stored_but_not_started(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = create_agent(me)
    starter.is_unavailable = True
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    starter.is_unavailable = False
    monkeypatch.setitem(sweeper.SWEEP_AFTER_SECONDS, "pending", -5)
    assert invoke("on_sweep", load_event("on_sweep")) == {"swept": 1}
    assert [request["DurableExecutionName"] for request in starter.invocations] == [started.json["id"]]
    starter.run_pending()
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert invoke("on_sweep", load_event("on_sweep")) == {"swept": 0}
