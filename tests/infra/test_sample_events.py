"""The events of tests/sample_events, which `sam local invoke` takes too, each through its real handler."""

import importlib
import json
from typing import Any

import boto3
import pytest

from infra import routes
from infra.cloudformation import ROOT
from tests.agents.runs import Starter
from tests.factories import Registered, registered
from tests.gateway import CONTEXT
from tests.infra.test_template import FUNCTIONS, OPERATIONS
from weconnect.agents.engine import sweeper
from weconnect.events import stream

EVENTS = ROOT / "tests" / "sample_events"
ORGANIZATION, AGENT, RUN, USER = (f"01930000-0000-7000-8000-00000000000{digit}" for digit in "abcd")


def event(name: str, **ids: str) -> Any:
    """An event's file, its example ids replaced."""
    text = (EVENTS / f"{name}.json").read_text()
    for example, word in ((ORGANIZATION, "organization"), (AGENT, "agent"), (RUN, "run"), (USER, "user")):
        text = text.replace(example, ids.get(word, example))
    return json.loads(text)


def invoke(name: str, found: Any) -> Any:
    """What the function of a file answers to an event."""
    (path,) = [path for path in routes.files() if path.stem == name]
    return importlib.import_module(f"{path.parent.name}.{name}").handler(found, CONTEXT)


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


def rows_of(organization: str, agent: str) -> list[str]:
    """Sort keys of all that stands in an agent's partition."""
    values = {":pk": {"S": f"ORG#{organization}#AGENT#{agent}"}}
    found = boto3.client("dynamodb").query(
        TableName="weconnect", KeyConditionExpression="pk = :pk", ExpressionAttributeValues=values
    )
    return [item["sk"]["S"] for item in found["Items"]]


def test_every_event_source_has_an_example() -> None:
    files = {path.stem for path in EVENTS.glob("*.json")}
    routed = {found.function.__name__ for found in OPERATIONS.values()}
    others = {found["Handler"].split(".")[1] for found in FUNCTIONS.values()} - routed
    assert files >= others
    assert files - others == {"create_agent", "get_health"}


def test_a_route(me: Registered) -> None:
    answer = invoke(
        "create_agent", event("create_agent", organization=me.organization["id"], user=me.user["id"])
    )
    made = json.loads(answer["body"])
    assert answer["statusCode"] == 201
    assert me.client.get(f"/v1/agents/{made['id']}").json == made


def test_a_public_route() -> None:
    answer = invoke("get_health", event("get_health"))
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})


def test_code() -> None:
    answer = invoke("run_code", event("run_code"))
    assert answer == {"items": [{"n": 1, "double": 2}, {"n": 2, "double": 4}], "log": ["2 items"]}


def test_the_authorizer(me: Registered) -> None:
    asked = event("authorize")
    refused = invoke("authorize", asked)
    assert (
        refused["isAuthorized"] is True
        and json.loads(refused["context"]["problem"])["code"] == "invalid_token"
    )
    asked["headers"]["authorization"] = me.client.headers["Authorization"]
    answer = invoke("authorize", asked)
    assert (answer["context"]["userId"], answer["context"]["organizationId"]) == (
        me.user["id"],
        me.organization["id"],
    )


def made_agent(me: Registered) -> tuple[str, str]:
    """An agent with a tool and a memory: its path and its id."""
    made = me.client.post("/v1/agents", {"name": "Helper"})
    path = made.headers["Location"]
    assert me.client.post(f"{path}/tools", {"toolName": "calculator"}).status == 201
    assert me.client.post(f"{path}/memories", {"memoryType": "semantic", "content": "x"}).status == 201
    return path, made.json["id"]


def expire(organization: str, agent: str) -> None:
    """What TTL does with a trash row, which moto does not."""
    key = {"pk": {"S": f"ORG#{organization}"}, "sk": {"S": f"TRASH#AGENT#{agent}"}}
    assert boto3.client("dynamodb").delete_item(TableName="weconnect", Key=key, ReturnValues="ALL_OLD")[
        "Attributes"
    ]


def delivered(queue: str, organization: str, agent: str) -> dict[str, Any]:
    """The queue's event for what the stream's event made the dispatcher send."""
    changed = event("on_table_change", organization=organization, agent=agent)
    assert invoke("on_table_change", changed) == {"batchItemFailures": []}
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    found = event("on_purged", organization=organization, agent=agent)
    assert json.loads(message["Body"]) == json.loads(found["Records"][0]["body"]), (
        "the example is what is sent"
    )
    found["Records"][0]["body"] = message["Body"]
    return found  # type: ignore[no-any-return]


def test_an_agent_that_expired_in_the_trash_takes_its_children_along(
    me: Registered, queue: str, starter: Starter
) -> None:
    path, agent = made_agent(me)
    assert me.client.post(f"{path}/executions", {"input": "hello"}).status == 202
    starter.run_pending()
    neighbour = made_agent(registered())[1]
    organization = me.organization["id"]
    assert len(rows_of(organization, agent)) == 11
    assert me.client.delete(path).status == 204
    expire(organization, agent)
    assert invoke("on_purged", delivered(queue, organization, agent)) == {"batchItemFailures": []}
    (left,) = rows_of(organization, agent)
    assert left.startswith("EXECUTION#"), "runs end by their own time to live"
    assert neighbour != agent
    again = event("on_purged", organization=organization, agent=agent)
    assert invoke("on_purged", again) == {"batchItemFailures": []}, "delivered twice"


def test_a_restored_agent_keeps_its_children(me: Registered, queue: str) -> None:
    path, agent = made_agent(me)
    organization = me.organization["id"]
    before = rows_of(organization, agent)
    assert me.client.delete(path).status == 204
    assert me.client.post(f"{path}/restore").status == 200
    invoke("on_purged", delivered(queue, organization, agent))
    assert rows_of(organization, agent) == before
    me.client.delete(path)
    invoke("on_purged", event("on_purged", organization=organization, agent=agent))
    assert rows_of(organization, agent) == before, "in the trash again: a late message ends nothing"


def test_the_stream_sends_nothing_for_other_changes(me: Registered, queue: str) -> None:
    made_agent(me)
    changed = event("on_table_change")
    (record,) = changed["Records"]
    record["eventName"] = "INSERT"
    other = json.loads(json.dumps(record).replace("TRASH#AGENT", "AGENT")) | {"eventName": "REMOVE"}
    changed["Records"].append(other)
    assert invoke("on_table_change", changed) == {"batchItemFailures": []}
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue)


def test_the_stream_stops_at_a_record_that_fails(me: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_queue() -> Any:
        raise ConnectionError("no queue")

    monkeypatch.setattr(stream, "sqs", no_queue)
    changed = event("on_table_change")
    number = changed["Records"][0]["dynamodb"]["SequenceNumber"]
    assert invoke("on_table_change", changed) == {"batchItemFailures": [{"itemIdentifier": number}]}


def test_one_bad_message_does_not_hold_the_others(me: Registered) -> None:
    path, agent = made_agent(me)
    organization = me.organization["id"]
    me.client.delete(path)
    expire(organization, agent)
    good = event("on_purged", organization=organization, agent=agent)["Records"][0]
    bad = good | {"messageId": "bad", "body": "{}"}
    assert invoke("on_purged", {"Records": [bad, good]}) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert rows_of(organization, agent) == []


def test_the_platform_says_that_a_run_has_ended(me: Registered, starter: Starter) -> None:
    path, _ = made_agent(me)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    ended = event("on_run_ended", run=started.json["id"])
    assert invoke("on_run_ended", ended) == {"closed": True}
    assert me.client.get(started.headers["Location"]).json["status"] == "timeout"
    assert invoke("on_run_ended", ended) == {"closed": False}
    assert invoke("on_run_ended", event("on_run_ended")) == {"closed": False}, "another stack's run"


def test_the_sweeper(me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = made_agent(me)
    starter.fails = True
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    starter.fails = False
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", -5)
    assert invoke("on_sweep", event("on_sweep")) == {"swept": 1}
    assert [request["DurableExecutionName"] for request in starter.asked] == [started.json["id"]]
    starter.run_pending()
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert invoke("on_sweep", event("on_sweep")) == {"swept": 0}
