"""`kill -9` of the whole host: nothing acknowledged is lost, executions resume, no process remains."""

import json
import os
import signal
import uuid

import pytest

from tests.host.conftest import CounterTable
from tests.host.local_host import LocalHost, group_members, wait_until
from tests.host.test_lambda_api import start_execution, wait_until_finished


def test_acknowledged_changes_of_every_service_survive_a_kill(own_host: LocalHost) -> None:
    table, s3, kms = CounterTable(own_host), own_host.client("s3"), own_host.client("kms")
    secret = own_host.client("secretsmanager").get_secret_value(SecretId="weconnect-secret")["SecretString"]
    sealed = kms.encrypt(KeyId="alias/weconnect-Key", Plaintext=b"data", EncryptionContext={"o": "1"})[
        "CiphertextBlob"
    ]
    for number in range(20):
        table.put("KEPT", str(number))
    puts = [
        {"Put": {"TableName": table.name, "Item": {"pk": {"S": "TOGETHER"}, "sk": {"S": str(n)}}}}
        for n in range(10)
    ]
    table.client.transact_write_items(TransactItems=puts)
    table.client.delete_item(TableName=table.name, Key={"pk": {"S": "KEPT"}, "sk": {"S": "0"}})
    s3.put_object(Bucket="weconnect-bucket", Key="a/b", Body=b"payload")
    dead = "/000000000000/weconnect-deadletters"
    own_host.client("sqs").send_message(QueueUrl=own_host.details["ministack"] + dead, MessageBody="kept")

    own_host.restart()

    table = CounterTable(own_host)
    assert table.counts("KEPT").keys() == {str(n) for n in range(1, 20)}
    assert len(table.counts("TOGETHER")) == 10
    assert own_host.client("s3").get_object(Bucket="weconnect-bucket", Key="a/b")["Body"].read() == b"payload"
    kms = own_host.client("kms")
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"o": "1"})["Plaintext"] == b"data"
    restored = own_host.client("secretsmanager").get_secret_value(SecretId="weconnect-secret")["SecretString"]
    assert restored == secret
    messages = own_host.client("sqs").receive_message(QueueUrl=own_host.details["ministack"] + dead)[
        "Messages"
    ]
    assert [message["Body"] for message in messages] == ["kept"]


def test_the_journal_is_replayed_after_each_kill(own_host: LocalHost) -> None:
    for number in range(3):
        CounterTable(own_host).put("AGAIN", str(number))
        own_host.restart()
    assert len(CounterTable(own_host).counts("AGAIN")) == 3


def test_rows_survive_a_graceful_stop(own_host: LocalHost) -> None:
    CounterTable(own_host).put("KEPT", "1")
    assert own_host.stop() == 0
    own_host.start()
    assert CounterTable(own_host).counts("KEPT").keys() == {"1"}


def test_the_stream_continues_at_its_position(own_host: LocalHost) -> None:
    table = CounterTable(own_host)
    table.put("WATCHED#before")
    wait_until(lambda: table.counts("CHANGE").get("before#INSERT") == 1)
    own_host.restart()
    table = CounterTable(own_host)
    table.put("WATCHED#after")
    wait_until(lambda: table.counts("CHANGE").get("after#INSERT"))
    # The position is stored after the call, so a kill may repeat the last batch, but not start from zero.
    assert table.counts("CHANGE")["before#INSERT"] <= 2


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_durable_execution_resumes_after_a_kill(own_host: LocalHost, done: int) -> None:
    name, client = uuid.uuid4().hex, own_host.client("lambda")
    arn = start_execution(client, {"name": name, "steps": 5, "seconds": 0.3, "wait": 1}, name)
    table = CounterTable(own_host)
    wait_until(lambda: len(table.counts(f"RUN#{name}")) > done)
    own_host.restart()
    details = wait_until_finished(own_host.client("lambda"), arn)
    assert (details["Status"], json.loads(details["Result"])) == ("SUCCEEDED", {"name": name})
    table = CounterTable(own_host)
    counts = table.counts(f"RUN#{name}")
    assert counts.keys() == {f"step-{n}" for n in range(5)}
    assert all(counts[f"step-{n}"] == 1 for n in range(done)), "a checkpointed step ran again"
    assert sum(counts.values()) <= 6, "only the step that the kill interrupted may run twice"
    wait_until(lambda: table.counts("ENDED").get(f"{name}#SUCCEEDED"))
    assert (
        start_execution(
            own_host.client("lambda"), {"name": name, "steps": 5, "seconds": 0.3, "wait": 1}, name
        )
        == arn
    )


def test_timeouts_are_restarted_after_a_kill(own_host: LocalHost) -> None:
    name, client = uuid.uuid4().hex, own_host.client("lambda")
    arn = start_execution(client, {"name": name, "steps": 0, "callback": 3}, name)
    wait_until(lambda: CounterTable(own_host).counts(f"RUN#{name}"))
    own_host.restart()
    details = wait_until_finished(own_host.client("lambda"), arn)
    assert details["Status"] == "FAILED"
    assert "timed out" in details["Error"]["ErrorMessage"]


def test_a_callback_is_completed_after_a_restart(own_host: LocalHost) -> None:
    name, client = uuid.uuid4().hex, own_host.client("lambda")
    arn = start_execution(client, {"name": name, "steps": 0, "callback": 600}, name)
    (key,) = wait_until(lambda: CounterTable(own_host).counts(f"RUN#{name}"))
    own_host.restart()
    client = own_host.client("lambda")
    client.send_durable_execution_callback_success(CallbackId=key.removeprefix("callback#"), Result=b'"late"')
    assert json.loads(wait_until_finished(client, arn)["Result"])["answer"] == '"late"'


def test_no_process_remains_when_only_the_host_is_killed(own_host: LocalHost) -> None:
    group = own_host.group
    own_host.request("GET", "/public")
    assert len(group_members(group)) >= 4  # host, MiniStack, fork server, a worker
    os.kill(own_host.details["pid"], signal.SIGKILL)
    wait_until(lambda: not group_members(group))


def test_no_process_remains_after_a_stop(own_host: LocalHost) -> None:
    group = own_host.group
    own_host.request("GET", "/public")
    assert own_host.stop() == 0
    assert group_members(group) == []


def test_a_second_host_with_the_same_state_is_refused(own_host: LocalHost) -> None:
    other = LocalHost(own_host.state, own_host.project)
    with pytest.raises(RuntimeError, match="another local host"):
        other.start()
