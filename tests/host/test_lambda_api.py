"""The API of Lambda: invocations, and durable executions with their names, callbacks and ends."""

import json
import uuid
from typing import Any

import pytest

from tests.host.conftest import CounterTable
from tests.host.local_host import LocalHost, wait_until

RUN = "weconnect-run:live"


@pytest.fixture(scope="module")
def lambda_client(host: LocalHost) -> Any:
    return host.client("lambda")


def start_execution(client: Any, payload: dict[str, Any], name: str | None = None) -> str:
    """Start an execution and return its ARN."""
    options = {"DurableExecutionName": name} if name else {}
    response = client.invoke(FunctionName=RUN, InvocationType="Event", Payload=json.dumps(payload), **options)
    assert response["StatusCode"] == 202
    return str(response["DurableExecutionArn"])


def wait_until_finished(client: Any, arn: str) -> dict[str, Any]:
    """Return an execution's details once it has finished."""

    def details() -> dict[str, Any] | None:
        response: dict[str, Any] = client.get_durable_execution(DurableExecutionArn=arn)
        return response if response["Status"] != "RUNNING" else None

    finished: dict[str, Any] = wait_until(details)
    return finished


def test_a_synchronous_invocation_returns_the_result(lambda_client: Any) -> None:
    response = lambda_client.invoke(FunctionName="weconnect-Echo", Payload=b'{"a": 1}')
    assert json.loads(json.loads(response["Payload"].read())["body"])["event"] == {"a": 1}
    assert "FunctionError" not in response


def test_an_invocation_reports_the_functions_error(lambda_client: Any) -> None:
    response = lambda_client.invoke(FunctionName="weconnect-Fail", Payload=b"{}")
    assert response["FunctionError"] == "Unhandled"
    assert json.loads(response["Payload"].read())["errorType"] == "KeyError"


def test_an_unknown_function_is_not_found(lambda_client: Any) -> None:
    with pytest.raises(lambda_client.exceptions.ResourceNotFoundException):
        lambda_client.invoke(FunctionName="weconnect-Nothing", Payload=b"{}")


@pytest.mark.parametrize(
    "path", ["/2015-03-31/functions/weconnect-Echo/invocations", "/v2/email/outbound-emails"]
)
def test_unsigned_requests_to_aws_apis_are_refused(host: LocalHost, path: str) -> None:
    assert host.request("POST", path, content=b"{}").status_code == 403


def test_a_failed_asynchronous_invocation_is_retried(host: LocalHost, lambda_client: Any) -> None:
    before = host.output.count("error in Fail: KeyError")
    assert (
        lambda_client.invoke(FunctionName="weconnect-Fail", InvocationType="Event", Payload=b"{}")[
            "StatusCode"
        ]
        == 202
    )
    wait_until(lambda: host.output.count("error in Fail: KeyError") == before + 3)


def test_a_durable_execution_runs_each_step_once_and_reports_its_end(
    lambda_client: Any, table: CounterTable
) -> None:
    name = uuid.uuid4().hex
    arn = start_execution(lambda_client, {"name": name, "steps": 4}, name)
    assert arn.startswith(
        "arn:aws:lambda:us-east-1:000000000000:function:weconnect-run:live/durable-execution/" + name
    )
    details = wait_until_finished(lambda_client, arn)
    assert (details["Status"], json.loads(details["Result"])) == ("SUCCEEDED", {"name": name})
    assert table.counts(f"RUN#{name}") == {f"step-{n}": 1 for n in range(4)}
    wait_until(lambda: table.counts("ENDED").get(f"{name}#SUCCEEDED") == 1)


def test_waiting_call_gets_the_result(lambda_client: Any) -> None:
    answer = lambda_client.invoke(FunctionName=RUN, Payload=json.dumps({"name": uuid.uuid4().hex, "wait": 1}))
    assert "name" in json.loads(answer["Payload"].read())
    answer = lambda_client.invoke(
        FunctionName=RUN, Payload=json.dumps({"name": uuid.uuid4().hex, "fail": True})
    )
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorMessage"] == "as requested"


def test_failed_execution_reports_its_end(lambda_client: Any, table: CounterTable) -> None:
    name = uuid.uuid4().hex
    details = wait_until_finished(
        lambda_client, start_execution(lambda_client, {"name": name, "steps": 1, "fail": True}, name)
    )
    assert (details["Status"], details["Error"]["ErrorMessage"]) == ("FAILED", "as requested")
    wait_until(lambda: table.counts("ENDED").get(f"{name}#FAILED") == 1)


def test_the_same_name_and_payload_start_one_execution(lambda_client: Any, table: CounterTable) -> None:
    name = uuid.uuid4().hex
    first = start_execution(lambda_client, {"name": name}, name)
    assert start_execution(lambda_client, {"name": name}, name) == first
    wait_until_finished(lambda_client, first)
    assert start_execution(lambda_client, {"name": name}, name) == first
    assert set(table.counts(f"RUN#{name}").values()) == {1}


def test_the_same_name_with_another_payload_is_refused(lambda_client: Any) -> None:
    name = uuid.uuid4().hex
    start_execution(lambda_client, {"name": name}, name)
    with pytest.raises(lambda_client.exceptions.DurableExecutionAlreadyStartedException):
        start_execution(lambda_client, {"name": name, "steps": 1}, name)


def test_a_durable_function_requires_a_qualifier(lambda_client: Any) -> None:
    with pytest.raises(lambda_client.exceptions.InvalidParameterValueException):
        lambda_client.invoke(FunctionName="weconnect-run", InvocationType="Event", Payload=b'{"name": "x"}')


def test_a_callback_returns_its_result_to_the_execution(lambda_client: Any, table: CounterTable) -> None:
    name = uuid.uuid4().hex
    arn = start_execution(lambda_client, {"name": name, "steps": 0, "callback": 60}, name)
    (key,) = wait_until(lambda: table.counts(f"RUN#{name}"))
    lambda_client.send_durable_execution_callback_success(
        CallbackId=key.removeprefix("callback#"), Result=b'"yes"'
    )
    assert json.loads(json.loads(wait_until_finished(lambda_client, arn)["Result"])["answer"]) == "yes"


def test_a_stopped_execution_has_the_error_of_the_request(lambda_client: Any, table: CounterTable) -> None:
    name = uuid.uuid4().hex
    arn = start_execution(lambda_client, {"name": name, "wait": 60}, name)
    wait_until(lambda: len(table.counts(f"RUN#{name}")) == 3)
    lambda_client.stop_durable_execution(
        DurableExecutionArn=arn, Error={"ErrorMessage": "enough", "ErrorType": "T"}
    )
    assert wait_until_finished(lambda_client, arn)["Status"] == "STOPPED"
    assert wait_until_finished(lambda_client, arn)["Error"]["ErrorMessage"] == "enough"
    wait_until(lambda: table.counts("ENDED").get(f"{name}#STOPPED") == 1)


def test_executions_are_listed_by_name_and_status(lambda_client: Any) -> None:
    name = uuid.uuid4().hex
    wait_until_finished(lambda_client, start_execution(lambda_client, {"name": name}, name))

    def count(*statuses: str) -> int:
        response = lambda_client.list_durable_executions_by_function(
            FunctionName=RUN, DurableExecutionName=name, Statuses=[*statuses]
        )
        return len(response["DurableExecutions"])

    assert (count("RUNNING"), count("SUCCEEDED", "FAILED")) == (0, 1)


def test_an_unknown_execution_is_not_found(lambda_client: Any) -> None:
    with pytest.raises(lambda_client.exceptions.ResourceNotFoundException):
        lambda_client.get_durable_execution(
            DurableExecutionArn="arn:aws:lambda:us-east-1:0:function:x:1/durable-execution/a/b"
        )
