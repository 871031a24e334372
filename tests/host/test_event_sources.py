"""Event sources of the local host: queues, the table's stream, schedules."""

import uuid

from tests.host.conftest import CounterTable
from tests.host.local_host import LocalHost, wait_until

QUEUE = "/000000000000/weconnect-queue"


def test_only_the_failed_message_returns_to_the_queue(host: LocalHost, table: CounterTable) -> None:
    sqs, name = host.client("sqs"), uuid.uuid4().hex
    sqs.send_message_batch(
        QueueUrl=host.details["ministack"] + QUEUE,
        Entries=[
            {"Id": "1", "MessageBody": f"{name}-good"},
            {"Id": "2", "MessageBody": f"{name}-bad:fail:1"},
        ],
    )
    wait_until(lambda: table.counts("QUEUE").get(f"{name}-bad") == 2)
    assert table.counts("QUEUE")[f"{name}-good"] == 1


def test_a_message_that_always_fails_goes_to_the_dead_letter_queue(
    host: LocalHost, table: CounterTable
) -> None:
    sqs, name = host.client("sqs"), uuid.uuid4().hex
    sqs.send_message(QueueUrl=host.details["ministack"] + QUEUE, MessageBody=f"{name}:fail:99")
    dead = host.details["ministack"] + "/000000000000/weconnect-deadletters"

    def bodies() -> list[str]:
        return [message["Body"] for message in sqs.receive_message(QueueUrl=dead).get("Messages", [])]

    assert wait_until(bodies) == [f"{name}:fail:99"]
    assert table.counts("QUEUE")[name] == 3


def test_the_stream_has_inserts_changes_and_removals(table: CounterTable) -> None:
    name = uuid.uuid4().hex
    table.put(f"WATCHED#{name}")
    table.put(f"WATCHED#{name}")  # no change, no record
    table.put(f"WATCHED#{name}", value={"S": "new"})
    table.client.delete_item(TableName=table.name, Key={"pk": {"S": f"WATCHED#{name}"}, "sk": {"S": "x"}})
    expected = {f"{name}#INSERT": 1, f"{name}#MODIFY": 1, f"{name}#REMOVE": 1}
    wait_until(lambda: expected.items() <= table.counts("CHANGE").items())


def test_a_failed_stream_record_is_delivered_again(table: CounterTable) -> None:
    table.put("WATCHED#flaky")
    wait_until(lambda: table.counts("CHANGE").get("flaky#INSERT") == 2)


def test_an_expired_item_is_removed_with_the_services_identity(table: CounterTable) -> None:
    name = uuid.uuid4().hex
    table.put(f"WATCHED#{name}", ttl={"N": "1000"})
    wait_until(lambda: table.counts("CHANGE").get(f"{name}#REMOVE#ttl") == 1)
    assert table.counts(f"WATCHED#{name}") == {}


def test_a_schedule_runs_at_the_start(table: CounterTable) -> None:
    wait_until(lambda: table.counts("TICK").get("Scheduled Event"))
